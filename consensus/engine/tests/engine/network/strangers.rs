//! Nodes that do not belong here.

use crate::support::{Cluster, Live, eventually};
use peruri_chainspec::ChainSpec;
use serde_json::json;
use std::sync::Arc;

/// Waits until `node` has recorded a refusal with this text.
async fn is_refused(node: &Live, reason: &str) {
    eventually(reason, async || {
        let refusals = node.network.refusals().await.unwrap();
        refusals.iter().any(|refusal| refusal.reason.contains(reason)).then_some(())
    })
    .await;
}

/// Runs two validators of a chain, and a third node on `spec`, which they refuse and which refuses
/// them, for these reasons.
async fn refused(cluster: &Cluster, spec: Arc<ChainSpec>, here: &str, there: &str) {
    let mut nodes = cluster.start_all(0..2).await;
    for node in &mut nodes {
        node.reaches(1).await;
    }
    let stranger = cluster.start_on(2, spec).await;
    is_refused(&nodes[0], here).await;
    is_refused(&stranger, there).await;
    for node in &mut nodes {
        node.goes_on(2).await;
        assert_eq!(node.network.peer_count(), 1);
    }
    assert_eq!((stranger.network.peer_count(), stranger.node.head().0), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_id_is_refused_by_both_with_both_values() {
    let cluster = Cluster::new(2, 1);
    let mut genesis = cluster.genesis.clone();
    genesis.chain_id = 98;
    let (here, there) =
        ("chain id differs: 99 here, 98 there", "chain id differs: 98 here, 99 there");
    refused(&cluster, genesis.spec(), here, there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_genesis_is_refused() {
    let cluster = Cluster::new(2, 1);
    let mut genesis = cluster.genesis.clone();
    genesis.gas_limit += 1;
    refused(&cluster, genesis.spec(), "genesis hash differs", "genesis hash differs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_is_refused_with_its_keys() {
    let cluster = Cluster::new(2, 1);
    let genesis = cluster.genesis.clone().with(json!({"requesttimeoutseconds": 2}));
    let (here, there) = (
        "ibft2.requesttimeoutseconds: 1 here, 2 there",
        "ibft2.requesttimeoutseconds: 2 here, 1 there",
    );
    refused(&cluster, genesis.spec(), here, there).await;
}
