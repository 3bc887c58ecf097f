//! Connections that die without saying so, and identities in two places.

use crate::support::*;
use peruri_network::{Alarm, Event, Multiaddr, NetworkConfig, Timing};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

/// Forwards TCP until it freezes: then it neither reads nor writes nor closes.
struct Proxy {
    address: Multiaddr,
    frozen: CancellationToken,
}

impl Proxy {
    async fn to(node: &TestNode) -> Self {
        let text = node.handle.listeners()[0].to_string();
        let parts: Vec<_> = text.split('/').collect();
        let target = format!("{}:{}", parts[2], parts[4]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let frozen = CancellationToken::new();
        let state = frozen.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&target).await.unwrap();
                let (near_read, near_write) = near.into_split();
                let (far_read, far_write) = far.into_split();
                tokio::spawn(forward(near_read, far_write, state.clone()));
                tokio::spawn(forward(far_read, near_write, state.clone()));
            }
        });
        Self { address: format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap(), frozen }
    }

    fn freeze(&self) {
        self.frozen.cancel();
    }
}

async fn forward(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    frozen: CancellationToken,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        tokio::select! {
            biased;
            // Keeps both sockets open.
            () = frozen.cancelled() => std::future::pending().await,
            read = from.read(&mut buffer) => match read {
                Ok(count) if count > 0 => {
                    if to.write_all(&buffer[..count]).await.is_err() { return }
                }
                _ => return,
            },
        }
    }
}

fn tcp_only() -> NetworkConfig {
    NetworkConfig { quic: false, ..config() }
}

#[test]
fn the_defaults_notice_a_dead_peer_in_time() {
    let timing = Timing::default();
    assert!(timing.liveness + timing.ping_interval <= Duration::from_secs(15));
    assert!(timing.handshake <= Duration::from_secs(10));
}

/// P15, with the intervals of a real node.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_connection_is_noticed_and_blocks_nobody() {
    let timing = Timing {
        ping_interval: Timing::default().ping_interval,
        liveness: Timing::default().liveness,
        ..config().timing
    };
    let real = NetworkConfig { timing, ..tcp_only() };
    let mut a =
        TestNode::start_with(1, vec![node(2, &[]), node(3, &[])], real, Says::default()).await;
    let proxy = Proxy::to(&a).await;
    let mut b = TestNode::start_with(
        2,
        vec![node(1, std::slice::from_ref(&proxy.address))],
        tcp_only(),
        Says::default(),
    )
    .await;
    let at_b = b.connected().await;
    let to_b = a.connected().await.session;
    let mut c = TestNode::start_with(3, vec![a.node()], tcp_only(), Says::default()).await;
    c.connected().await;
    let to_c = a.connected().await.session;

    proxy.freeze();
    let frozen = Instant::now();
    // More than any socket buffer holds: the stream to B is stuck.
    for _ in 0..20 {
        a.handle.send(to_b, vec![0; 1 << 20].into()).unwrap();
    }
    for n in 0..100_u32 {
        a.handle.send(to_c, n.to_be_bytes().to_vec().into()).unwrap();
        assert_eq!(c.message().await.1, n.to_be_bytes().to_vec());
    }
    assert!(frozen.elapsed() < Duration::from_secs(5), "C is served meanwhile");
    let (session, reason) = a.disconnected().await;
    assert!(frozen.elapsed() <= Duration::from_secs(15), "{:?}", frozen.elapsed());
    assert_eq!((session, reason.as_str()), (to_b, "no answer to a ping for 10s"));
    assert_eq!(b.disconnected().await.0, at_b.session);
    // The dead connection below does not keep the peer out.
    b.list.write(vec![a.node()]);
    assert_eq!(a.connected().await.peer.peer_id, b.peer_id());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_in_use_twice_is_told_to_everybody() {
    let mut a = TestNode::start_with(1, vec![node(2, &[])], tcp_only(), Says::default()).await;
    let mut first = TestNode::start_with(2, vec![a.node()], tcp_only(), Says::default()).await;
    let at_a = a.connected().await;
    let at_first = first.connected().await;
    let mut second = TestNode::start_with(2, vec![a.node()], tcp_only(), Says::default()).await;

    let Alarm::IdentityInUseTwice { peer, first: one, second: two } = a.alarm().await else {
        panic!("another alarm");
    };
    assert_eq!(peer, at_a.peer);
    assert_eq!((one.instance, &one.address), (at_a.instance, &at_a.remote.to_string()));
    assert_ne!(two.instance, one.instance);
    assert!(one.started_ms <= two.started_ms);
    for node in [&mut first, &mut second] {
        let alarm = node.alarm().await;
        let expected = Alarm::OwnIdentityInUse {
            told_by: at_first.peer,
            first: one.clone(),
            second: two.clone(),
        };
        assert_eq!(alarm, expected);
    }
    eventually("the reason", || async {
        let refusals = second.handle.refusals().await.unwrap();
        refusals.into_iter().find(|r| r.reason.contains("identity in use twice"))
    })
    .await;
    // The older one stays, the younger has no session, and the telling goes on.
    assert_eq!(a.handle.peers().await.unwrap()[0].session, at_a.session);
    assert!(second.handle.peers().await.unwrap().is_empty());
    assert!(matches!(first.alarm().await, Alarm::OwnIdentityInUse { .. }));
    first.handle.shutdown().await;
    let after = a.connected().await;
    assert_eq!(after.instance, two.instance, "the second may come when the first is gone");
}

/// What the first node publishes arrives at the second one, once both know of each other's subscriptions.
async fn gossips(from: &TestNode, to: &mut TestNode) {
    let publish = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for number in 0_u64.. {
            ticks.tick().await;
            from.handle.publish(number.to_be_bytes().to_vec().into()).unwrap();
        }
    };
    let arrives = to.wait("a transaction of the other node", |event| {
        matches!(event, Event::Gossip { .. }).then_some(())
    });
    tokio::select! {
        () = publish => {}
        () = arrives => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_open_connection_of_a_moved_node_is_no_second_identity() {
    let timing = Timing { challenge: Duration::from_secs(1), ..config().timing };
    let a_config = NetworkConfig { timing, ..tcp_only() };
    let mut a = TestNode::start_with(1, vec![node(2, &[])], a_config, Says::default()).await;
    let proxy = Proxy::to(&a).await;
    let old = TestNode::start_with(
        2,
        vec![node(1, std::slice::from_ref(&proxy.address))],
        tcp_only(),
        Says::default(),
    )
    .await;
    let before = a.connected().await;
    proxy.freeze();
    let moved = TestNode::start_with(2, vec![a.node()], tcp_only(), Says::default()).await;
    let after = a.connected().await;
    assert_ne!(after.instance, before.instance);
    // The end of the old session may have come before.
    if a.passed.is_empty() {
        let (session, reason) = a.disconnected().await;
        a.passed.push(Event::Disconnected { session, reason });
    }
    let [Event::Disconnected { session, reason }] = a.passed.as_slice() else {
        panic!("an alarm? {:?}", a.passed);
    };
    assert_eq!(*session, before.session);
    assert_eq!(reason, "replaced by a newer connection: this one does not answer");
    gossips(&moved, &mut a).await;
    drop((old, moved));
}
