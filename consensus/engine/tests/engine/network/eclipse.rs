//! A node that only byzantine peers can be reached from, until it is found by honest ones.
//!
//! Of six validators the keys of two are byzantine or eclipsed: the other four are a quorum and go
//! on. The eclipsed node knows nothing but the genesis block.

use super::{assert_agreement, liars::Liar};
use crate::support::{Cluster, Node, encoded, eventually, seal};
use alloy_primitives::Bytes;
use alloy_signer_local::PrivateKeySigner;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The honest validators: a quorum of six.
const HONEST: std::ops::Range<usize> = 0..4;
/// The validator whose key the attackers hold.
const TRAITOR: usize = 4;
/// The validator that is eclipsed.
const VICTIM: usize = 5;
/// A listed node without a vote, of the attackers as well.
const LIAR: usize = 6;

/// Block 1 as the attackers would have it, with the seals of `keys`.
fn forged(cluster: &Cluster, keys: &[PrivateKeySigner]) -> Bytes {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let workshop = Node::start(cluster.genesis.spec(), dir, "db", cluster.key(TRAITOR), None);
    encoded(&seal(workshop.propose().unwrap(), keys)).into()
}

/// The victim meets the attackers, which offer `block` as block 1 and vote for blocks of their own,
/// then the honest validators.
async fn eclipse(seals: impl FnOnce(&Cluster) -> Vec<PrivateKeySigner>) {
    let cluster = Cluster::new(6, 1);
    let block = forged(&cluster, &seals(&cluster));
    let mut honest = Vec::new();
    for seat in HONEST {
        honest.push(cluster.start_among(seat, HONEST).await);
    }
    let victim = cluster.start_among(VICTIM, [TRAITOR, LIAR]);
    // A traitor that takes part in consensus with the victim as if there were nobody else.
    let traitor = cluster.start_among(TRAITOR, [VICTIM]);
    let (mut victim, traitor) = tokio::join!(victim, traitor);
    let offers = Arc::new(AtomicUsize::new(0));
    let offered = offers.clone();
    let answer = move |from: u64| {
        offered.fetch_add(1, Ordering::Relaxed);
        (from == 1).then(|| block.clone())
    };
    let mut liar = Liar::start(&cluster, LIAR, &cluster.genesis.spec(), answer).await;
    liar.lie(|liar| liar.banned_by.contains(&cluster.address(VICTIM))).await;
    assert!(offers.load(Ordering::Relaxed) > 0, "the victim has asked for the block");
    // The two agree on nothing, while the others go on.
    let left = async || (victim.running.round_state().await.id.round > 0).then_some(());
    eventually("a round passes without a block", left).await;
    for node in &mut honest {
        node.goes_on(5).await;
    }
    assert_eq!(victim.node.head().0, 0, "nothing is final under the eclipse");
    assert_eq!(traitor.node.head().0, 0);

    for seat in HONEST {
        victim.network.add_peer(cluster.multiaddr(seat)).unwrap();
    }
    let head = honest[0].node.head().0;
    victim.reaches(head).await;
    // It catches up and takes part.
    honest[0].sees_a_seal_of(cluster.address(VICTIM), head).await;
    honest.push(victim);
    assert_agreement(&honest);
    for node in &honest {
        assert!(!node.node.path("evidence").exists(), "no honest node has contradicted itself");
    }
}

/// What the others of this file rest on: nothing is wrong with the block but its seals.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_block_with_the_seals_of_a_quorum_is_final() {
    let cluster = Cluster::new(6, 1);
    let quorum: Vec<_> = HONEST.map(|seat| cluster.key(seat)).collect();
    let block = forged(&cluster, &quorum);
    let answer = move |from: u64| (from == 1).then(|| block.clone());
    let mut liar = Liar::start(&cluster, LIAR, &cluster.genesis.spec(), answer).await;
    let mut victim = cluster.start_among(VICTIM, [LIAR]).await;
    let lying = tokio::spawn(async move { liar.lie(|_| false).await });
    victim.reaches(1).await;
    lying.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_sealed_by_the_byzantine_alone_are_not_final() {
    eclipse(|cluster| vec![cluster.key(TRAITOR)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_seal_many_times_is_no_quorum() {
    eclipse(|cluster| vec![cluster.key(TRAITOR); 6]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seals_of_those_who_are_no_validators_are_no_quorum() {
    eclipse(|cluster| {
        let strangers = (0..4).map(|n| crate::support::signer(900 + n));
        strangers.chain([cluster.key(TRAITOR), cluster.key(LIAR)]).collect()
    })
    .await;
}
