//! P1: a key that nobody listed dials a thousand times a second.

use super::{
    Attack, Finding, Limits, REACHED, Seat,
    scene::{Scene, Target, failed},
};
use crate::Result;
use futures::FutureExt;
use peruri_adversary::{Client, key_of, wire::SESSION};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Dials a second.
const RATE: usize = 1_000;
/// Time between two handfuls of dials.
const TICK: Duration = Duration::from_millis(10);
/// How long one attempt to open a stream may take.
const ATTEMPT: Duration = Duration::from_secs(1);

pub(super) const ATTACK: Attack = Attack {
    id: "P1",
    name: "a stranger dials 1,000 times a second",
    seat: Seat::Listed,
    limits: Limits { interval: 1.1, cpu: Some(0.1), memory: 32.0 },
    least: Duration::ZERO,
    stops: None,
    run: |scene, length| attack(scene, length).boxed(),
};

async fn attack(scene: Scene, length: Duration) -> Result<Vec<Finding>> {
    let target = scene.targets[0];
    let key = key_of(rand::random()).map_err(failed("a stranger's key"))?;
    let client = Client::new(key).map_err(failed("a stranger"))?;
    let start = Instant::now();
    let streams = tokio::spawn(open_streams(client.clone(), target, start + length));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut dialled = 0;
    while start.elapsed() < length {
        ticks.tick().await;
        for _ in 0..RATE / 100 {
            client.dial(target.peer.peer_id, &target.address());
            dialled += 1;
        }
    }
    let ended = client.dials().ended;
    let (attempts, opened) = streams.await.map_err(failed("a stranger's streams"))?;
    let rate = ended as f64 / start.elapsed().as_secs_f64();
    Ok(vec![
        Finding::new(
            "no stream is opened",
            opened == 0 && attempts > 0,
            format!("{opened} of {attempts} streams opened"),
        ),
        Finding::new(
            "the dials were made",
            rate >= REACHED * RATE as f64,
            format!("{dialled} dials, {rate:.0} a second came to their end"),
        ),
    ])
}

/// Tries to open a stream whenever a connection looks open to the dialler. How often, and how often
/// it got one.
async fn open_streams(mut client: Client, target: Target, end: Instant) -> (usize, usize) {
    let (mut attempts, mut opened) = (0, 0);
    loop {
        let open = async {
            client.until(|dials| dials.open > 0).await?;
            client.open(target.peer.peer_id, SESSION).await
        };
        let attempt = timeout(ATTEMPT, open);
        match tokio::time::timeout_at(end, attempt).await {
            Err(_) => return (attempts, opened),
            Ok(Ok(Ok(_))) => opened += 1,
            Ok(_) => {}
        }
        attempts += 1;
    }
}
