//! Nodes that do not vote keep the seals that come late, as validators do.

use super::{assert_agreement, liars::Liar};
use crate::support::{Cluster, Live, Node, encoded, eventually, seal, signer};
use alloy_primitives::Bytes;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const VALIDATORS: usize = 4;

/// Blocks up to the height with the seals of all validators.
fn full(node: &Live, last: u64) -> usize {
    (1..=last).filter(|number| node.sealed_by(*number).len() == VALIDATORS).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_stores_late_seals() {
    let cluster = Cluster::new(VALIDATORS, 1);
    let mut nodes = cluster.start_all(0..VALIDATORS + 1).await;
    for node in &mut nodes {
        node.reaches(20).await;
    }
    let follower = &nodes[VALIDATORS];
    // They come with the block after the one that they are of.
    let validators: BTreeSet<_> = (0..VALIDATORS).map(|seat| cluster.address(seat)).collect();
    for number in 1..=19 {
        let authors = follower.sealed_by(number);
        let distinct: BTreeSet<_> = authors.iter().copied().collect();
        assert_eq!(authors.len(), distinct.len(), "one seal of each");
        assert!(distinct.len() >= 3 && distinct.is_subset(&validators), "{number}: {authors:?}");
    }
    let (theirs, ours) = (full(&nodes[0], 16), full(follower, 16));
    assert!(ours > 8, "{ours} of 16 headers have all seals; at a validator {theirs}");
    assert_agreement(&nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_follower_stores_late_seals() {
    let cluster = Cluster::new(VALIDATORS, 2);
    let mut nodes = cluster.start_all(0..VALIDATORS + 1).await;
    nodes.push(cluster.start_among(VALIDATORS + 1, [VALIDATORS]).await);
    for node in &mut nodes {
        node.reaches(10).await;
    }
    let last = &nodes[VALIDATORS + 1];
    eventually("headers with all seals", async || {
        (full(last, last.node.head().0) > 4).then_some(())
    })
    .await;
    assert_agreement(&nodes);
}

/// Of the seals that somebody offers for a stored block, those of its validators are kept, one of each.
#[tokio::test(flavor = "multi_thread")]
async fn only_validators_seals_are_added() {
    let cluster = Cluster::new(3, 2);
    let spec = cluster.genesis.spec();
    let keys: Vec<_> = (0..3).map(|seat| cluster.key(seat)).collect();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let workshop = Node::start(spec.clone(), dir, "db", keys[0].clone(), None);
    let first = seal(workshop.propose().unwrap(), &keys[..2]);
    workshop.commit(&first);
    let second = encoded(&seal(workshop.propose().unwrap(), &keys[..2]));
    let more = [signer(7), keys[2].clone(), keys[2].clone()];
    let again = Bytes::from([encoded(&seal(first.clone(), &more)), second].concat());
    let first = Bytes::from(encoded(&first));

    let has_first = Arc::new(AtomicBool::new(false));
    let stage = has_first.clone();
    let answer = move |from| {
        assert_eq!(from, 1, "its own head again, as a seal is missing there");
        Some(if stage.load(Ordering::SeqCst) { again.clone() } else { first.clone() })
    };
    let mut other = Liar::start(&cluster, 3, &spec, answer).await;
    let follower = cluster.start(4).await;
    for head in [1, 2] {
        other.head = head;
        other.lie(|_| follower.node.head().0 == head).await;
        has_first.store(true, Ordering::SeqCst);
    }
    let all: Vec<_> = (0..3).map(|seat| cluster.address(seat)).collect();
    assert_eq!(follower.sealed_by(1), all);
    assert_eq!(follower.sealed_by(2), all[..2]);
    assert!(other.banned_by.is_empty());
}
