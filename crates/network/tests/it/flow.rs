//! What passes through a session, and how fast.

use crate::support::*;
use alloy_primitives::{Bytes, keccak256};
use peruri_network::{
    Event, Limits, MAX_MESSAGE_BYTES, NetworkConfig, Rate, RequestError, SendError, Timing, Verdict,
};
use std::time::{Duration, Instant};

fn with(limits: Limits) -> NetworkConfig {
    NetworkConfig { limits, ..config() }
}

/// Nothing slows this one down.
fn unpaced() -> NetworkConfig {
    let much = Rate { per_second: u32::MAX, burst: u32::MAX };
    with(Limits { messages: much, bytes: much, ..Limits::default() })
}

fn numbered(n: u64) -> Bytes {
    n.to_be_bytes().to_vec().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_messages_arrive_in_order() {
    const COUNT: u64 = 10_000;
    let (a, mut b, at_a, at_b) = two_nodes(unpaced()).await;
    let sender = tokio::spawn(async move {
        for n in 0..COUNT {
            while let Err(error) = a.handle.send(at_a.session, numbered(n)) {
                assert_eq!(error, SendError::Full);
                tokio::task::yield_now().await;
            }
        }
        a
    });
    for n in 0..COUNT {
        assert_eq!(b.message().await, (at_b.session, numbered(n)));
    }
    let a = sender.await.unwrap();
    assert_eq!(b.handle.peers().await.unwrap()[0].messages_in, COUNT);
    drop(a);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_arrive_whole() {
    for tcp in [true, false] {
        let (a, mut b, at_a, _) = two_nodes(NetworkConfig { tcp, quic: !tcp, ..config() }).await;
        for size in [15 << 20, MAX_MESSAGE_BYTES] {
            let large: Bytes = (0..size).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
            a.handle.send(at_a.session, large.clone()).unwrap();
            assert!(b.message().await.1 == large);
        }
        let too_large = a.handle.send(at_a.session, vec![0; MAX_MESSAGE_BYTES + 1].into());
        let limit = MAX_MESSAGE_BYTES;
        assert_eq!(too_large, Err(SendError::TooLarge { limit, got: limit + 1 }));
        assert_eq!(a.handle.send(at_a.session, Bytes::new()), Err(SendError::Empty));
    }
}

/// Answers every request with itself, but `"never"` never.
fn echo(node: TestNode) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut node = node;
        let _running = &node.handle;
        let mut kept = Vec::new();
        while let Some(event) = node.events.recv().await {
            let Event::Request { bytes, respond, .. } = event else { continue };
            match &bytes[..] {
                b"never" => kept.push(respond),
                b"nothing" => drop(respond),
                _ => assert!(respond.send(bytes)),
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_run_side_by_side() {
    let timing = Timing { request: Duration::from_secs(2), ..config().timing };
    let (a, b, at_a, _) = two_nodes(NetworkConfig { timing, ..unpaced() }).await;
    let server = echo(b);
    let ask = |bytes: Bytes| a.handle.request(at_a.session, bytes);
    let many = (0..200).map(|n| ask(numbered(n)));
    let answers = futures::future::join_all(many).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), numbered(n as u64));
    }
    let large: Bytes = vec![7; 15 << 20].into();
    assert!(ask(large.clone()).await.unwrap() == large);
    // One without answer does not hold up another.
    let (never, other) = tokio::join!(ask(b"never".to_vec().into()), ask(b"other".to_vec().into()));
    assert!(matches!(never, Err(RequestError::Timeout(_))), "{never:?}");
    assert_eq!(&other.unwrap()[..], b"other");
    let nothing = ask(b"nothing".to_vec().into()).await;
    assert!(matches!(nothing, Err(RequestError::Io(_))), "{nothing:?}");
    let size = ask(Bytes::new()).await;
    assert!(matches!(size, Err(RequestError::Size { got: 0, .. })), "{size:?}");
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_ends_with_its_session() {
    let (a, mut b, at_a, at_b) = two_nodes(config()).await;
    let handle = a.handle.clone();
    let asked =
        tokio::spawn(async move { handle.request(at_a.session, b"?".to_vec().into()).await });
    let respond = b
        .wait("a request", |event| {
            let empty = Event::Disconnected { session: at_b.session, reason: String::new() };
            match std::mem::replace(event, empty) {
                Event::Request { respond, .. } => Some(respond),
                _ => None,
            }
        })
        .await;
    b.handle.disconnect(at_b.session, "enough").unwrap();
    let asked = asked.await.unwrap();
    assert!(matches!(asked, Err(RequestError::Io(_))), "{asked:?}");
    drop(respond);
    eventually("the end of the session", || async {
        let gone = a.handle.send(at_a.session, b"?".to_vec().into());
        (gone == Err(SendError::NotConnected)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_above_its_rate_is_read_more_slowly() {
    let slow = Limits { messages: Rate { per_second: 100, burst: 10 }, ..Limits::default() };
    let (a, mut b, at_a, _) = two_nodes(with(slow)).await;
    let start = Instant::now();
    for n in 0..110 {
        a.handle.send(at_a.session, numbered(n)).unwrap();
    }
    for n in 0..110 {
        assert_eq!(b.message().await.1, numbered(n), "slowed down, not lost");
    }
    assert!(start.elapsed() >= Duration::from_millis(950), "{:?}", start.elapsed());
    let score = b.handle.peers().await.unwrap()[0].score;
    assert!(score > 0.5 && score < 10.0, "{score}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_does_not_listen_makes_the_sender_refuse() {
    const BYTES: usize = 1 << 20;
    let limits = Limits {
        send_queue_bytes: 4 * BYTES,
        receive_bytes: 16 * BYTES,
        events: 8,
        ..Limits::default()
    };
    let (a, mut b, at_a, _) = two_nodes(with(limits)).await;
    // Until nothing moves any more, one megabyte at a time.
    let mut accepted = 0_u64;
    let mut full_since = None;
    while full_since.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(1)) {
        let mut message = vec![0; BYTES];
        message[..8].copy_from_slice(&accepted.to_be_bytes());
        match a.handle.send(at_a.session, message.into()) {
            Ok(()) => (accepted, full_since) = (accepted + 1, None),
            Err(SendError::Full) => {
                full_since.get_or_insert_with(Instant::now);
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(accepted < 100, "no bound");
    }
    // What was accepted arrives, once somebody listens.
    for n in 0..accepted {
        let (_, message) = b.message().await;
        assert_eq!((message.len(), &message[..8]), (BYTES, &n.to_be_bytes()[..]));
    }
}

async fn gossip(node: &mut TestNode) -> (peruri_network::SessionId, alloy_primitives::B256, Bytes) {
    node.wait("gossip", |event| match event {
        Event::Gossip { session, id, bytes } => Some((*session, *id, bytes.clone())),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_is_forwarded_only_when_accepted() {
    // A – B – C: what C hears has passed B's verdict.
    let mut b = TestNode::start(2, vec![node(1, &[]), node(3, &[])]).await;
    let mut a = TestNode::start(1, vec![b.node()]).await;
    let mut c = TestNode::start(3, vec![b.node()]).await;
    a.connected().await;
    c.connected().await;
    // Subscriptions have no event: publish until something arrives at the far end.
    let publisher = a.handle.clone();
    let probes = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for n in 0_u32.. {
            ticks.tick().await;
            publisher.publish(format!("probe {n}").into_bytes().into()).unwrap();
        }
    });
    let forwarder = b.handle.clone();
    let forward = tokio::spawn(async move {
        loop {
            let (session, id, bytes) = gossip(&mut b).await;
            assert_eq!(id, keccak256(&bytes));
            let verdict = match &bytes[..] {
                b"bad" => Verdict::Reject,
                b"unwanted" => Verdict::Ignore,
                _ => Verdict::Accept,
            };
            forwarder.report_gossip(id, session, verdict).unwrap();
            if &bytes[..] == b"good" {
                return b;
            }
        }
    });
    assert!(gossip(&mut c).await.2.starts_with(b"probe"));
    probes.abort();
    for message in ["bad", "unwanted", "good"] {
        a.handle.publish(message.as_bytes().to_vec().into()).unwrap();
    }
    let b = forward.await.unwrap();
    loop {
        let (_, _, bytes) = gossip(&mut c).await;
        if &bytes[..] == b"good" {
            break;
        }
        assert!(bytes.starts_with(b"probe"), "{bytes}");
    }
    let peers = b.handle.peers().await.unwrap();
    let score_of = |key| peers.iter().find(|p| p.peer.peer_id == peer(key)).unwrap().score;
    assert!(score_of(1) > 5.0, "who delivered what was rejected pays");
    assert!(score_of(3) < 1.0);
    let long = a.handle.publish(vec![0; (1 << 20) + 1].into());
    assert!(matches!(long, Err(SendError::TooLarge { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_transaction_is_gossiped() {
    let (a, mut b, ..) = two_nodes(config()).await;
    let large = |n: u8| Bytes::from(vec![n; 1 << 20]);
    let publisher = a.handle.clone();
    let probes = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        for n in 0.. {
            ticks.tick().await;
            publisher.publish(large(n)).unwrap();
        }
    });
    let (_, _, bytes) = gossip(&mut b).await;
    assert_eq!(bytes.len(), 1 << 20);
    probes.abort();
}
