//! P2: a listed node opens a hundred connections and a thousand streams.

use super::{
    Attack, Finding, Limits, Seat,
    scene::{Scene, failed, session, until},
};
use crate::Result;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use libp2p::Stream;
use peruri_adversary::{
    Client, key_of,
    wire::{MESSAGE, REQUEST, frame},
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

/// Connections besides the first.
const CONNECTIONS: usize = 100;
/// Streams.
const STREAMS: usize = 1_000;
/// Streams that may be alive at a time: those that wait (`streams_per_peer`), those that are served
/// (`requests_inbound`), and one on its way from the ones to the others.
const ALIVE: usize = 64 + 8 + 1;
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(1);
/// How long what must come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) const ATTACK: Attack = Attack {
    id: "P2",
    name: "a listed node opens 100 connections, 1,000 streams",
    seat: Seat::Listed,
    limits: Limits { interval: 1.2, cpu: None, memory: 64.0 },
    least: Duration::ZERO,
    stops: None,
    run: |scene, length| attack(scene, length).boxed(),
};

async fn attack(scene: Scene, length: Duration) -> Result<Vec<Finding>> {
    let end = Instant::now() + length;
    let target = scene.targets[0];
    let (peer, address) = (target.peer.peer_id, target.address());
    let key = key_of(scene.secret.0).map_err(failed("the attacker's key"))?;
    let mut client = Client::new(key).map_err(failed("the attacker"))?;
    let mut session = session(&mut client, &scene, &target).await?;
    let own = scene.identity()?.peer_id();
    let listed = until(PATIENCE, || async { Ok(target.connection(own).await?.is_some()) }).await?;
    let first = target.connection(own).await?;

    for _ in 0..CONNECTIONS {
        client.dial(peer, &address);
    }
    let refused = client.until(|dials| dials.ended >= CONNECTIONS - 1);
    let dials = timeout(PATIENCE, refused)
        .await
        .map_or_else(|_| client.dials(), |reached| reached.unwrap_or_else(|_| client.dials()));

    let (attempts, mut streams) = open_streams(&mut client, &scene, end).await;
    let mut alive = 0;
    for stream in &mut streams {
        alive += usize::from(stream.read(&mut [0]).now_or_never().is_none());
    }
    let spoken = async {
        // "I hold something for a block": the shortest message there is.
        session.write_all(&frame(MESSAGE, &[2])).await?;
        session.flush().await
    };
    let spoken = spoken.await;
    let last = target.connection(own).await?;
    sleep_until(end).await;
    Ok(vec![
        Finding::new(
            "one connection counts, one may wait",
            listed.is_some() && dials.open <= 2 && dials.ended >= CONNECTIONS - 1,
            format!("{} open, {} refused", dials.open, dials.ended),
        ),
        Finding::new(
            format!("at most {ALIVE} streams live"),
            alive <= ALIVE && attempts >= STREAMS / 2,
            format!("{alive} of {attempts}"),
        ),
        Finding::new(
            "the oldest connection stays",
            spoken.is_ok() && first.is_some() && first == last,
            format!("{first:?}, then {last:?}"),
        ),
    ])
}

/// Opens streams until there were enough attempts; a request is never sent on them. The attempts,
/// and the streams that were granted.
async fn open_streams(client: &mut Client, scene: &Scene, end: Instant) -> (usize, Vec<Stream>) {
    let peer = scene.targets[0].peer.peer_id;
    let mut streams = Vec::new();
    for attempt in 0..STREAMS {
        match timeout_at(end, timeout(ATTEMPT, client.open(peer, REQUEST))).await {
            Err(_) => return (attempt, streams),
            Ok(Ok(Ok(stream))) => streams.push(stream),
            Ok(_) => {}
        }
    }
    (STREAMS, streams)
}
