//! Nodes that do not vote keep the seals that come late, as validators do.

use super::assert_agreement;
use crate::support::{Cluster, Live, eventually};
use std::collections::BTreeSet;

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
