//! Who connects to whom, and how.

use crate::support::*;
use peruri_network::{Event, NetworkConfig};

fn only(tcp: bool) -> NetworkConfig {
    NetworkConfig { tcp, quic: !tcp, ..config() }
}

async fn two_nodes(config: NetworkConfig) -> (TestNode, TestNode, Peer, Peer) {
    let mut a = TestNode::start_with(1, vec![node(2, &[])], config.clone(), Says::default()).await;
    let mut b = TestNode::start_with(2, vec![a.node()], config, Says::default()).await;
    let (at_a, at_b) = (a.connected().await, b.connected().await);
    (a, b, at_a, at_b)
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
        assert!(a.handle.ping(b.peer_id()).await.unwrap().unwrap() < PATIENCE);
        assert_eq!(a.handle.ping(peer(9)).await.unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn goodbye_is_told() {
    let (mut a, b, _, at_b) = two_nodes(config()).await;
    b.handle.disconnect(at_b.session, "enough").unwrap();
    let (_, reason) = a.disconnected().await;
    assert_eq!(reason, "the peer said goodbye: enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_and_answer() {
    let (a, mut b, at_a, _) = two_nodes(config()).await;
    let server = tokio::spawn(async move {
        while let Some(event) = b.events.recv().await {
            if let Event::Request { bytes, respond, .. } = event {
                respond.send([&b"re: "[..], &bytes].concat().into());
            }
        }
    });
    let answer = a.handle.request(at_a.session, b"x".to_vec().into()).await.unwrap();
    assert_eq!(&answer[..], b"re: x");
    server.abort();
}
