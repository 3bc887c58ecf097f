//! The ordinary course of things.

use super::assert_agreement;
use crate::support::{Cluster, eventually, transfer};
use peruri_ibft2::Block;
use peruri_storage::ProviderFactory;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn blocks_agree_on_validators_and_followers() {
    let cluster = Cluster::new(4, 1);
    let mut nodes = cluster.start_all(0..5).await;
    for node in &nodes {
        node.node.add(vec![transfer(0, 0), transfer(1, 0)]);
    }
    for node in &mut nodes {
        node.reaches(12).await;
    }
    assert_agreement(&nodes);
    let headers = (1..=12).map(|n| nodes[4].node.provider.sealed_header(n).unwrap().unwrap());
    let proposers: BTreeSet<_> = headers.map(|header| header.beneficiary).collect();
    assert_eq!(proposers, (0..4).map(|seat| cluster.address(seat)).collect());
    let mined = |provider: &ProviderFactory| -> usize {
        (1..=12).filter_map(|number| provider.transaction_count(number).unwrap()).sum()
    };
    for node in &nodes {
        assert_eq!(mined(&node.node.provider), 2);
        assert_eq!(node.running.sync.progress(), None, "nobody is behind");
    }
    // The follower signs nothing.
    assert_eq!(
        crate::support::messages_of(&cluster.dir(4).join("messages"), cluster.address(4)),
        []
    );
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_seals_end_up_in_stored_headers() {
    let cluster = Cluster::new(4, 0);
    let mut nodes = cluster.start_all(0..4).await;
    for node in &mut nodes {
        node.reaches(20).await;
    }
    for node in &nodes {
        // A late seal is written with the batch of the block after it.
        let seals: Vec<_> = (1..=16).map(|number| node.sealed_by(number).len()).collect();
        let full = seals.iter().filter(|count| **count == 4).count();
        assert!(full > 8, "{seals:?}");
        assert!(seals.iter().all(|count| *count >= 3), "{seals:?}");
        for number in 1..=16 {
            // The row is rewritten, the block is the same.
            let block = node.node.stored(number);
            let block = Block::decode(&mut block.as_slice()).unwrap();
            assert_eq!(Some(block.hash().0), node.node.provider.block_hash(number).unwrap());
            let authors: BTreeSet<_> = node.sealed_by(number).into_iter().collect();
            assert_eq!(authors.len(), block.extra_data().unwrap().seals.len(), "one per address");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_round_state_names_who_is_missing() {
    let cluster = Cluster::new(4, 0);
    let mut nodes = cluster.start_all(0..4).await;
    for node in &mut nodes {
        node.reaches(2).await;
    }
    nodes.pop().unwrap().stop().await;
    nodes.pop().unwrap().stop().await;
    let present = [cluster.address(0), cluster.address(1)];
    for (seat, node) in nodes.iter().enumerate() {
        let state = eventually("the others are noticed to be gone", async || {
            let state = node.running.round_state().await;
            (state.connected == [present[1 - seat]] && state.id.round > 0).then_some(state)
        })
        .await;
        assert_eq!((state.local, state.quorum, state.in_doubt), (present[seat], 3, false));
        assert_eq!(state.validators, (0..4).map(|it| cluster.address(it)).collect::<Vec<_>>());
        let seen = state.prepared.iter().chain(&state.committed);
        assert!(seen.clone().all(|it| present.contains(it)), "{state:?}");
        assert!(state.proposer.is_some());
    }
    let head = nodes[0].node.head().0.max(nodes[1].node.head().0);
    nodes.push(cluster.start(2).await);
    for node in &mut nodes {
        node.reaches(head + 3).await;
    }
    assert_agreement(&nodes);
}
