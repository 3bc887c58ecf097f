//! Who may connect, and what happens when that changes.

use crate::support::*;
use peruri_network::{Alarm, NetworkConfig, Timing};
use std::time::{Duration, Instant};

/// With the interval of a real node.
fn real_poll() -> NetworkConfig {
    let timing = Timing { node_list_poll: Timing::default().node_list_poll, ..config().timing };
    NetworkConfig { timing, ..config() }
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_from_the_list_closes_within_a_second() {
    let (mut a, mut b, at_a, _) = two_nodes(real_poll()).await;
    let start = Instant::now();
    a.list.write(vec![]);
    let (session, reason) = a.disconnected().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(session, at_a.session);
    assert_eq!(reason, "neither in the node list nor a validator");
    assert_eq!(b.disconnected().await.1, format!("the peer said goodbye: {reason}"));
    eventually("a refusal", || async {
        let refusals = a.handle.refusals().await.unwrap();
        refusals.into_iter().find(|r| r.reason.contains(&reason) && r.peer == Some(peer(2)))
    })
    .await;
    // Back in the list, back in the network.
    a.list.write(vec![node(2, &[])]);
    a.connected().await;
    b.connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupted_list_raises_an_alarm_and_changes_nothing() {
    let (mut a, b, at_a, _) = two_nodes(config()).await;
    for text in
        ["[[node]\nname = ", "", "[[node]]\nname = \"x\"\naddresses = [\"/ip4/1.2.3.4/tcp/1\"]\n"]
    {
        a.list.write_text(text);
        assert!(matches!(a.alarm().await, Alarm::NodeListUnusable { .. }));
    }
    std::fs::remove_file(a.list.path()).unwrap();
    let Alarm::NodeListUnusable { reason } = a.alarm().await else { panic!("another alarm") };
    assert!(reason.contains("nodes.toml"), "{reason}");
    assert_eq!(a.handle.peers().await.unwrap()[0].session, at_a.session);
    // A new node is still admitted by the old list only.
    let c = TestNode::start(3, vec![a.node()]).await;
    eventually("a refusal", || async {
        let refusals = a.handle.refusals().await.unwrap();
        refusals.into_iter().find(|r| r.peer == Some(c.peer_id()))
    })
    .await;
    a.list.write(vec![node(2, &[]), node(3, &[])]);
    assert_eq!(a.connected().await.peer.peer_id, c.peer_id());
    drop(b);
}

#[tokio::test(flavor = "multi_thread")]
async fn validators_are_admitted_while_they_are_validators() {
    let mut a = TestNode::start(1, vec![]).await;
    a.handle.set_validators(vec![identity(2).address()]);
    let mut b = TestNode::start(2, vec![a.node()]).await;
    let at_a = a.connected().await;
    assert_eq!(at_a.peer.address, identity(2).address());
    assert_eq!(a.handle.peers().await.unwrap()[0].name, None);
    b.connected().await;
    a.handle.set_validators(vec![identity(3).address()]);
    a.disconnected().await;
    b.disconnected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_handshake_shows_its_reason_at_both_ends() {
    let mut a = TestNode::start(1, vec![node(2, &[])]).await;
    let other = Says { hello: b"chain 2".to_vec(), accepts: b"chain".to_vec() };
    let b = TestNode::start_with(2, vec![a.node()], config(), other).await;
    let reason = "chain differs: chain 1 here, chain 2 there";
    for (node, expected) in [
        (&a, format!("refused by this node: {reason}")),
        (&b, format!("refused by the peer: {reason}")),
    ] {
        eventually("the reason", || async {
            let refusals = node.handle.refusals().await.unwrap();
            refusals.into_iter().find(|r| r.reason == expected && r.peer.is_some())
        })
        .await;
        assert!(node.handle.peers().await.unwrap().is_empty());
    }
    a.handle.shutdown().await;
    let event = a.events.recv().await;
    assert!(event.is_none(), "an event of a refused peer: {event:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_refusals_are_recorded() {
    let a = TestNode::start(1, vec![node(2, &[])]).await;
    let other = Says { hello: b"chain 2".to_vec(), accepts: b"chain 2".to_vec() };
    let _b = TestNode::start_with(2, vec![a.node()], config(), other).await;
    eventually("both reasons", || async {
        let refusals = a.handle.refusals().await.unwrap();
        refusals.into_iter().find(|r| {
            r.reason.contains("chain 1 here, chain 2 there")
                && r.reason.contains("the peer refuses, too: chain differs: chain 2 here")
        })
    })
    .await;
}
