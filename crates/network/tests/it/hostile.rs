//! Attackers, and what they achieve.

use crate::{raw::*, support::*};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::identity::Keypair;
use peruri_network::{Limits, Multiaddr, NetworkConfig, Rate, RefusalRecord, Scoring, Timing};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    time::timeout,
};

fn tcp_only() -> NetworkConfig {
    NetworkConfig { quic: false, ..config() }
}

/// A node that admits peer 2 and a node 2 that is not started.
async fn victim(config: NetworkConfig) -> TestNode {
    TestNode::start_with(1, vec![node(2, &[]), node(3, &[])], config, Says::default()).await
}

fn socket_of(node: &TestNode) -> SocketAddr {
    let text = node.handle.listeners()[0].to_string();
    let parts: Vec<_> = text.split('/').collect();
    format!("{}:{}", parts[2], parts[4]).parse().unwrap()
}

fn address_of(node: &TestNode) -> Multiaddr {
    node.handle.listeners()[0].clone()
}

/// P1.
#[tokio::test(flavor = "multi_thread")]
async fn an_unlisted_peer_gets_no_stream() {
    const DIALS: usize = 100;
    let mut a = victim(tcp_only()).await;
    let mut keys = vec![Raw::new(9)];
    // A key of another type is refused whatever the list says.
    keys.push(Raw::with_key(Keypair::generate_ed25519()));
    for raw in &mut keys {
        for _ in 0..DIALS / 2 {
            raw.dial(a.peer_id(), &address_of(&a));
        }
    }
    for raw in &mut keys {
        raw.until("all dials refused", |dials| dials.ended == DIALS / 2 && dials.open == 0).await;
        assert!(raw.open(a.peer_id(), SESSION).await.is_err());
    }
    let refusals = a.handle.refusals().await.unwrap();
    let count = |text: &str| refusals.iter().filter(|r| r.reason.contains(text)).count();
    assert!(count("neither in the node list") > 0);
    assert!(count("not a secp256k1 key") > 0);
    assert!(a.handle.peers().await.unwrap().is_empty());
    let mut b = TestNode::start(2, vec![a.node()]).await;
    b.connected().await;
    assert_eq!(a.connected().await.peer.peer_id, b.peer_id());
    assert!(a.passed.is_empty(), "no event of a stranger: {:?}", a.passed);
}

/// P1: new connections from one address are slowed down before they cost a signature check.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_is_cut_off_early() {
    let limits = Limits { inbound_per_ip: Rate { per_second: 1, burst: 5 }, ..Limits::default() };
    let a = victim(NetworkConfig { limits, ..tcp_only() }).await;
    let mut raw = Raw::new(9);
    for _ in 0..50 {
        raw.dial(a.peer_id(), &address_of(&a));
    }
    raw.until("all dials refused", |dials| dials.ended == 50 && dials.open == 0).await;
    // Told together now and then.
    let early = eventually("the refusals", || async {
        let refusals = a.handle.refusals().await.unwrap();
        let early: Vec<_> = refusals
            .into_iter()
            .filter(|r| r.reason.contains("too many new connections"))
            .collect();
        let times =
            |r: &RefusalRecord| r.reason.rsplit(' ').nth(1).unwrap().parse::<u64>().unwrap();
        (early.iter().map(times).sum::<u64>() >= 30).then_some(early)
    })
    .await;
    assert!(early.len() < 10, "{early:?}");
}

/// P2.
#[tokio::test(flavor = "multi_thread")]
async fn a_listed_peer_gets_one_connection() {
    let mut a = victim(tcp_only()).await;
    let mut raw = Raw::new(2);
    let mut stream = raw.session(a.peer_id(), &address_of(&a)).await;
    let first = a.connected().await;
    for _ in 0..100 {
        raw.dial(a.peer_id(), &address_of(&a));
    }
    let dials = raw.until("most refused", |dials| dials.ended >= 99).await;
    assert!(dials.open <= 2, "{dials:?}");
    // The oldest healthy one stays and works.
    stream.write_all(&frame(MESSAGE, b"still here")).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(a.message().await, (first.session, b"still here".to_vec().into()));
    let peers = a.handle.peers().await.unwrap();
    assert_eq!(peers.iter().map(|p| p.session).collect::<Vec<_>>(), [first.session]);
}

/// P2.
#[tokio::test(flavor = "multi_thread")]
async fn streams_above_the_cap_are_refused() {
    let limits = Limits { streams_per_peer: 10, requests_inbound: 4, ..Limits::default() };
    let mut a = victim(NetworkConfig { limits, ..tcp_only() }).await;
    let mut raw = Raw::new(2);
    let mut session = raw.session(a.peer_id(), &address_of(&a)).await;
    a.connected().await;
    let mut refused = 0;
    let mut open = Vec::new();
    for _ in 0..60 {
        let opened = raw.open(a.peer_id(), REQUEST).await;
        let Ok(mut stream) = opened else {
            refused += 1;
            continue;
        };
        if is_closed(&mut stream, Duration::from_millis(100)).await {
            refused += 1;
        } else {
            open.push(stream);
        }
    }
    // Four are served, one is next in line, ten wait.
    assert!(open.len() <= 15, "{} open", open.len());
    assert!(refused >= 45, "{refused} refused");
    session.write_all(&frame(MESSAGE, b"still here")).await.unwrap();
    session.flush().await.unwrap();
    assert_eq!(&a.message().await.1[..], b"still here");
}

/// P2: requests before the handshake are not served.
#[tokio::test(flavor = "multi_thread")]
async fn no_stream_is_served_before_the_handshake() {
    let a = victim(tcp_only()).await;
    let mut raw = Raw::new(2);
    raw.dial(a.peer_id(), &address_of(&a));
    raw.until("a connection", |dials| dials.open == 1).await;
    let mut stream = raw.open(a.peer_id(), REQUEST).await.unwrap();
    stream.write_all(&frame(0x10, b"give me blocks")).await.ok();
    assert!(is_closed(&mut stream, PATIENCE).await);
}

/// P3. The slow ones come from an address of their own.
#[tokio::test(flavor = "multi_thread")]
async fn slow_handshakes_end_and_delay_nobody() {
    let timing = Timing { handshake: Duration::from_secs(3), ..config().timing };
    let mut a = victim(NetworkConfig { timing, ..tcp_only() }).await;
    let target = socket_of(&a);
    let start = Instant::now();
    let mut slow = Vec::new();
    for _ in 0..300 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.66:0".parse().unwrap()).unwrap();
        let mut stream = socket.connect(target).await.unwrap();
        slow.push(tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(500));
            // The multistream header, one byte at a time.
            for byte in b"\x13/multistream/1.0.0\n".iter().cycle() {
                ticks.tick().await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        }));
    }
    let honest = Instant::now();
    let mut b = TestNode::start(2, vec![a.node()]).await;
    b.connected().await;
    assert!(honest.elapsed() < Duration::from_secs(2), "{:?}", honest.elapsed());
    a.connected().await;
    for task in slow {
        timeout(PATIENCE, task).await.expect("cut off").unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

/// P3 on the next floor: admitted, connected, but silent.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_peer_is_closed_when_the_handshake_takes_too_long() {
    let timing = Timing { handshake: Duration::from_secs(1), ..config().timing };
    let a = victim(NetworkConfig { timing, ..tcp_only() }).await;
    let mut raw = Raw::new(2);
    raw.dial(a.peer_id(), &address_of(&a));
    raw.until("the end", |dials| dials.ended == 1).await;
    let refusals = a.handle.refusals().await.unwrap();
    assert!(refusals.iter().any(|r| r.reason == "the handshake did not end in time"));
}

/// P4.
#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_get_nothing() {
    let mut a = victim(tcp_only()).await;
    let plaintext = b"\x13/multistream/1.0.0\n\x11/plaintext/2.0.0\n";
    let tls = [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3];
    let noise_rubbish = b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xffrubbish";
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], plaintext, &tls, noise_rubbish, &[0; 64]] {
        let mut stream = TcpStream::connect(socket_of(&a)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer);
        // An error is a reset: as closed as it gets.
        timeout(PATIENCE, read).await.expect("closed").ok();
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains("plaintext"), "{text}");
        assert!(!text.contains("peruri"), "{text}");
    }
    let mut b = TestNode::start(2, vec![a.node()]).await;
    b.connected().await;
    a.connected().await;
    assert!(a.passed.is_empty(), "{:?}", a.passed);
}

/// P4: somebody else answers at a listed node's address.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_at_the_right_address_is_refused() {
    let impostor = TestNode::start(9, vec![node(2, &[])]).await;
    let b = TestNode::start(2, vec![node(1, impostor.handle.listeners())]).await;
    eventually("a refusal", || async {
        let refusals = b.handle.refusals().await.unwrap();
        refusals.into_iter().find(|r| r.peer == Some(peer(1)))
    })
    .await;
    assert!(b.handle.peers().await.unwrap().is_empty());
    assert!(impostor.handle.peers().await.unwrap().is_empty());
}

/// P5.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_frames_end_the_session_and_cost() {
    let timing = Timing { frame: Duration::from_millis(500), ..config().timing };
    let scoring = Scoring { ban_threshold: 1_000.0, ..Scoring::default() };
    let mut a = victim(NetworkConfig { timing, scoring, ..tcp_only() }).await;
    let limit = 16_u32 << 20;
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("one byte more", (limit - 3).to_be_bytes().to_vec(), "a frame of 16777217 bytes"),
        ("all ones", vec![0xff; 8], "a frame of 4294967299 bytes"),
        ("nothing", vec![0; 4], "an empty frame"),
        ("no content", vec![0, 0, 0, 1, MESSAGE], "an empty frame"),
        ("never-ending", vec![0, 0xff, 0, 0, MESSAGE, 1, 2, 3], "a frame did not end"),
        ("of no kind", frame(0x77, b"x"), "unexpected frame of kind 0x77"),
    ];
    let mut expected = 0.0;
    for (name, bytes, reason) in cases {
        let mut raw = Raw::new(2);
        let mut stream = raw.session(a.peer_id(), &address_of(&a)).await;
        let session = a.connected().await.session;
        stream.write_all(&bytes).await.unwrap();
        stream.flush().await.unwrap();
        let (ended, why) = a.disconnected().await;
        assert_eq!(ended, session);
        assert!(why.contains(reason), "{name}: {why}");
        // The peer is told.
        let (kind, goodbye) = read_frame(&mut stream).await;
        assert_eq!((kind, String::from_utf8(goodbye).unwrap()), (5, why));
        raw.until("the end", |dials| dials.open == 0).await;
        expected += 25.0;
        let mut raw = Raw::new(2);
        let _stream = raw.session(a.peer_id(), &address_of(&a)).await;
        a.connected().await;
        let score = a.handle.peers().await.unwrap()[0].score;
        assert!((score - expected).abs() < 5.0, "{name}: {score}, not {expected}");
        drop((raw, _stream));
        a.disconnected().await;
    }
}

/// P5 in the handshake.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_hellos_are_refused() {
    let a = victim(tcp_only()).await;
    let cases = [
        ("too long", frame(HELLO, &vec![0; 100 << 10]), "the limit is 98304"),
        ("rubbish", frame(HELLO, b"rubbish"), "undecodable"),
        ("a message", frame(MESSAGE, b"first"), "unexpected frame of kind 0x03"),
        ("another version", hello(7), "protocol version differs: 1 here, 7 there"),
    ];
    for (name, bytes, reason) in cases {
        let mut raw = Raw::new(2);
        raw.dial(a.peer_id(), &address_of(&a));
        raw.until("a connection", |dials| dials.open == 1).await;
        let mut stream = raw.open(a.peer_id(), SESSION).await.unwrap();
        stream.write_all(&bytes).await.ok();
        stream.flush().await.ok();
        if name == "another version" {
            assert_eq!(read_frame(&mut stream).await.0, HELLO);
            let (kind, verdict) = read_frame(&mut stream).await;
            assert_eq!(kind, VERDICT);
            assert!(String::from_utf8_lossy(&verdict).contains(reason));
        }
        raw.until("the end", |dials| dials.open == 0).await;
        let refusals = a.handle.refusals().await.unwrap();
        assert!(refusals.iter().any(|r| r.reason.contains(reason)), "{name}: {refusals:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_get_no_answer() {
    let mut a = victim(tcp_only()).await;
    let mut raw = Raw::new(2);
    let _session = raw.session(a.peer_id(), &address_of(&a)).await;
    a.connected().await;
    for bytes in [vec![0xff; 8], vec![0; 4], frame(MESSAGE, b"not a request")] {
        let mut stream = raw.open(a.peer_id(), REQUEST).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("closed").ok();
        assert!(answer.is_empty());
    }
    let score = eventually("the penalties", || async {
        let score = a.handle.peers().await.unwrap()[0].score;
        (score > 70.0).then_some(score)
    })
    .await;
    assert!(score < 76.0, "{score}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_and_the_next_one_is_longer() {
    let scoring = Scoring { ban_min: Duration::from_secs(1), ..Scoring::default() };
    let banning = NetworkConfig { scoring, ..tcp_only() };
    let mut a = TestNode::start_with(1, vec![node(2, &[])], banning, Says::default()).await;
    let mut b = TestNode::start(2, vec![a.node()]).await;
    let mut last = Duration::ZERO;
    for seconds in [1, 2] {
        let session = a.connected().await.session;
        b.connected().await;
        let penalty = peruri_network::Penalty::new(100.0, "invalid signatures");
        let start = Instant::now();
        a.handle.penalise(session, penalty).unwrap();
        let reason = format!("banned for {seconds}s: invalid signatures");
        assert_eq!(a.disconnected().await.1, reason);
        assert_eq!(b.disconnected().await.1, format!("the peer said goodbye: {reason}"));
        eventually("a refused redial", || async {
            let refusals = a.handle.refusals().await.unwrap();
            refusals.into_iter().find(|r| r.reason.contains("banned for another"))
        })
        .await;
        b.connected().await;
        let away = start.elapsed();
        assert!(away >= Duration::from_secs(seconds), "{away:?}");
        assert!(away > last);
        last = away;
        a.connected().await;
        // Start the next round with a new session.
        a.handle.disconnect(a.handle.peers().await.unwrap()[0].session, "next").unwrap();
        a.disconnected().await;
        b.disconnected().await;
    }
}
