//! Operators change the validator set.

use super::assert_agreement;
use crate::support::{Cluster, Live, eventually};
use alloy_primitives::Address;
use peruri_engine::HandleError;
use peruri_ibft2::{core::Wish, votes::VoteRefused};

const ADD: Wish = Wish::Add { force: false };

fn wishes(node: &Live) -> Vec<Address> {
    node.node.provider.votes().unwrap().into_iter().map(|(subject, _)| subject).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_majority_adds_a_validator_and_wishes_survive_a_restart() {
    let cluster = Cluster::new(4, 1);
    let newcomer = cluster.address(4);
    let mut nodes = cluster.start_all(0..5).await;
    for node in &mut nodes {
        node.reaches(2).await;
    }
    // One wish alone changes nothing, however often its owner proposes.
    nodes[0].running.handle.vote(newcomer, ADD).await.unwrap();
    assert_eq!(wishes(&nodes[0]), [newcomer]);
    nodes[1].goes_on(12).await;
    assert!(!nodes[1].node.validators().contains(&newcomer));
    let first = nodes.remove(0);
    first.stop().await;
    nodes.insert(0, cluster.start(0).await);
    assert_eq!(wishes(&nodes[0]), [newcomer], "it survives a restart");

    for node in &nodes[1..3] {
        node.running.handle.vote(newcomer, ADD).await.unwrap();
    }
    nodes[1].until("it is a validator", |it| it.node.validators().contains(&newcomer)).await;
    let added = nodes[1].node.head().0;
    for node in &nodes {
        eventually("a satisfied wish disappears", async || wishes(node).is_empty().then_some(()))
            .await;
    }
    // The new validator proposes and seals.
    nodes[4].sees_a_block_of(newcomer, added).await;
    nodes[1].sees_a_seal_of(newcomer, added).await;
    assert_eq!(nodes[0].running.round_state().await.validators.len(), 5);
    assert_agreement(&nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_that_leaves_too_few_live_is_refused_unless_forced() {
    let cluster = Cluster::new(4, 0);
    let mut nodes = cluster.start_all(0..4).await;
    for node in &mut nodes {
        node.reaches(2).await;
    }
    let absent = Address::repeat_byte(0xab);
    let handle = nodes[0].running.handle.clone();
    // Four of five would be live: enough.
    eventually("all are live", async || handle.check_vote(absent, ADD).await.ok()).await;
    nodes.pop().unwrap().stop().await;
    let refused = HandleError::Refused(VoteRefused::NoQuorum { live: 3, needed: 4, members: 5 });
    eventually("it is noticed", async || {
        (handle.check_vote(absent, ADD).await == Err(refused.clone())).then_some(())
    })
    .await;
    assert_eq!(handle.vote(absent, ADD).await, Err(refused));
    assert!(wishes(&nodes[0]).is_empty());
    handle.vote(absent, Wish::Add { force: true }).await.unwrap();
    assert_eq!(wishes(&nodes[0]), [absent]);
    handle.vote(absent, Wish::Discard).await.unwrap();
    assert!(wishes(&nodes[0]).is_empty());
    // Three of three stay: nobody is needed for that.
    let gone = cluster.address(3);
    handle.vote(gone, Wish::Drop { force: false }).await.unwrap();
    for node in &nodes[1..] {
        node.running.handle.vote(gone, Wish::Drop { force: false }).await.unwrap();
    }
    nodes[0].until("it is no validator", |it| !it.node.validators().contains(&gone)).await;
    nodes[0].goes_on(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_validator_takes_in_one_that_has_followed_for_long() {
    let cluster = Cluster::new(1, 1);
    let mut nodes = cluster.start_all(0..2).await;
    // More blocks than a live member may be behind, counted from where it connected.
    nodes[1].reaches(25).await;
    let newcomer = cluster.address(1);
    nodes[0].running.handle.vote(newcomer, ADD).await.unwrap();
    nodes[1].until("it is a validator", |it| it.node.validators().contains(&newcomer)).await;
    let added = nodes[1].node.head().0;
    nodes[0].sees_a_seal_of(newcomer, added).await;
    assert_agreement(&nodes);
}
