//! Who connects to whom, and how.

use crate::support::*;
use peruri_network::{Direction, Multiaddr, NetworkConfig, NetworkError, Node};
use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

fn only(tcp: bool) -> NetworkConfig {
    NetworkConfig { tcp, quic: !tcp, ..config() }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_over_tcp_and_over_quic() {
    for tcp in [true, false] {
        let (mut a, mut b, at_a, at_b) = two_nodes(only(tcp)).await;
        assert_eq!(at_a.peer.peer_id, b.peer_id());
        assert_eq!(at_b.peer.peer_id, a.peer_id());
        assert_eq!(&at_a.hello[..], b"chain 1");
        assert_eq!(at_b.version, "test/1");
        assert_ne!(at_a.instance, at_b.instance);
        assert_eq!(at_b.remote.to_string().contains("quic"), !tcp);
        a.handle.send(at_a.session, b"to b".to_vec().into()).unwrap();
        b.handle.send(at_b.session, b"to a".to_vec().into()).unwrap();
        assert_eq!(b.message().await, (at_b.session, b"to b".to_vec().into()));
        assert_eq!(a.message().await, (at_a.session, b"to a".to_vec().into()));
        let peers = a.handle.peers().await.unwrap();
        assert_eq!(peers.len(), 1);
        assert_eq!(peers[0].name.as_deref(), Some("node 2"));
        assert_eq!((peers[0].messages_in, peers[0].bytes_out), (1, 4));
        assert!(a.handle.ping(b.peer_id()).await.unwrap().unwrap() < PATIENCE);
        assert_eq!(a.handle.ping(peer(9)).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_over_both_transports() {
    let all = || [1, 2, 3].map(|key| node(key, &[])).to_vec();
    let mut a = TestNode::start(1, all()).await;
    let mut b = TestNode::start(2, vec![a.node(), node(3, &[])]).await;
    let mut c = TestNode::start(3, vec![a.node(), b.node()]).await;
    for test_node in [&mut a, &mut b, &mut c] {
        let mut peers = vec![test_node.connected().await.peer, test_node.connected().await.peer];
        peers.dedup();
        assert_eq!(peers.len(), 2);
    }
    assert_eq!(a.handle.listeners().len(), 2, "one port, two transports");
    let ports: Vec<_> = a.handle.listeners().iter().map(|at| at.iter().nth(1).unwrap()).collect();
    assert!(matches!(ports[..], [
        libp2p::multiaddr::Protocol::Tcp(tcp),
        libp2p::multiaddr::Protocol::Udp(udp),
    ] if tcp == udp));
}

#[tokio::test(flavor = "multi_thread")]
async fn goodbye_is_told() {
    let (mut a, b, _, at_b) = two_nodes(config()).await;
    b.handle.disconnect(at_b.session, "enough").unwrap();
    let (_, reason) = a.disconnected().await;
    assert_eq!(reason, "the peer said goodbye: enough");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn at(port: u16) -> NetworkConfig {
    NetworkConfig { listen: SocketAddr::from(([127, 0, 0, 1], port)), quic: false, ..config() }
}

fn listed_at(key: u8, port: u16) -> Node {
    node(key, &[format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()])
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_dials_end_in_one_connection() {
    for (one, two) in [(1, 2), (2, 1), (3, 4), (5, 6)] {
        let (port_one, port_two) = (free_port(), free_port());
        let list = |key, port| vec![listed_at(key, port)];
        let (mut a, mut b) = tokio::join!(
            TestNode::start_with(one, list(two, port_two), at(port_one), Says::default()),
            TestNode::start_with(two, list(one, port_one), at(port_two), Says::default()),
        );
        // Both nodes name the same connection, from both ends.
        let (at_a, at_b) = eventually("one connection", || async {
            let (a, b) = (a.handle.peers().await.unwrap(), b.handle.peers().await.unwrap());
            match (a.as_slice(), b.as_slice()) {
                ([a], [b]) => (a.direction != b.direction).then_some((a.session, b.session)),
                _ => None,
            }
        })
        .await;
        // And it carries.
        let answer = |from: &TestNode| format!("from {}", from.key).into_bytes().into();
        a.handle.send(at_a, answer(&a)).unwrap();
        b.handle.send(at_b, answer(&b)).unwrap();
        assert_eq!(b.message().await.1, answer(&a));
        assert_eq!(a.message().await.1, answer(&b));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnect_after_a_restart_on_the_same_port() {
    let port = free_port();
    let list = || vec![node(2, &[])];
    let a = TestNode::start_with(1, list(), at(port), Says::default()).await;
    let mut b = TestNode::start(2, vec![listed_at(1, port)]).await;
    let before = b.connected().await;
    a.handle.shutdown().await;
    let (session, reason) = b.disconnected().await;
    assert_eq!(session, before.session);
    assert_eq!(reason, "the peer said goodbye: the node is shutting down");
    let _a = TestNode::start_with(1, list(), at(port), Says::default()).await;
    let after = b.connected().await;
    assert_ne!(after.session, before.session);
    assert_ne!(after.instance, before.instance);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_last_handle_ends_the_network() {
    let (a, mut b, ..) = two_nodes(config()).await;
    let TestNode { handle, mut events, .. } = a;
    let other = handle.clone();
    drop(handle);
    assert_eq!(other.peers().await.unwrap().len(), 1);
    drop(other);
    while events.recv().await.is_some() {}
    b.disconnected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootnode_is_dialled_but_not_admitted() {
    let a = TestNode::start(1, vec![node(2, &[])]).await;
    let boot: Multiaddr = a.node().addresses[0].clone();
    let with_boot = NetworkConfig { bootnodes: vec![boot.clone()], ..config() };
    let mut b =
        TestNode::start_with(2, vec![node(1, &[])], with_boot.clone(), Says::default()).await;
    b.connected().await;
    assert_eq!(b.handle.peers().await.unwrap()[0].direction, Direction::Outbound);

    let stranger = TestNode::start_with(3, vec![], with_boot, Says::default()).await;
    eventually("a refusal", || async {
        let refusals = stranger.handle.refusals().await.unwrap();
        refusals.into_iter().find(|r| r.reason.contains("neither in the node list"))
    })
    .await;
    assert!(stranger.handle.peers().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_added_and_removed_at_run_time() {
    let mut a = TestNode::start(1, vec![node(2, &[])]).await;
    let mut b = TestNode::start(2, vec![node(1, &[])]).await;
    b.handle.add_peer(a.node().addresses[0].clone()).unwrap();
    b.connected().await;
    a.connected().await;
    b.handle.remove_peer(a.peer_id()).unwrap();
    assert_eq!(b.disconnected().await.1, "removed by the operator");
    a.disconnected().await;
    for bad in
        ["/ip4/127.0.0.1/tcp/1", "/memory/1", "/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"]
    {
        let result = b.handle.add_peer(bad.parse().unwrap());
        assert!(matches!(result, Err(NetworkError::Address { .. })), "{bad}: {result:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_an_error() {
    let a = TestNode::start_with(1, vec![], only(true), Says::default()).await;
    let Some(libp2p::multiaddr::Protocol::Tcp(port)) = a.handle.listeners()[0].iter().nth(1) else {
        panic!("not TCP");
    };
    let second = peruri_network::start(at(port), &identity(2), Arc::new(Says::default())).await;
    assert!(matches!(second, Err(NetworkError::Listen { .. })));
    let none = NetworkConfig { tcp: false, quic: false, ..config() };
    let none = peruri_network::start(none, &identity(2), Arc::new(Says::default())).await;
    assert!(matches!(none, Err(NetworkError::NoTransport)));
}
