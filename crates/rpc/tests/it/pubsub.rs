//! Subscriptions.

use crate::support::{LOGGER, Node, raw, word_of};
use alloy_primitives::TxKind;
use alloy_rpc_types_eth::{
    Filter,
    pubsub::{Params, SubscriptionKind},
};
use jsonrpsee::core::client::Subscription;
use peruri_rpc_api::{EthApiClient as _, EthPubSubApiClient as _};
use serde_json::{Value, json, value::RawValue};
use std::time::Duration;

async fn next(subscription: &mut Subscription<Box<RawValue>>) -> Value {
    let item = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await;
    let item = item.expect("in time").expect("open").expect("item");
    serde_json::from_str(item.get()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_logs() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let other = node.deploy(LOGGER);
    let servers = node.serve().await;
    let client = servers.ws_client().await;
    let mut heads = client.subscribe_events(SubscriptionKind::NewHeads, None).await.unwrap();
    let filter = Params::Logs(Box::new(Filter::new().address(logger)));
    let mut logs = client.subscribe_events(SubscriptionKind::Logs, Some(filter)).await.unwrap();
    node.invoke(other, 1);
    let block = node.invoke(logger, 2);
    assert_eq!(next(&mut heads).await["number"], "0x3");
    let head = next(&mut heads).await;
    assert_eq!(head["hash"], json!(block.hash()));
    assert!(head.get("transactions").is_none());
    let log = next(&mut logs).await;
    assert_eq!(log["address"], json!(logger));
    assert_eq!(log["blockNumber"], "0x4");
    assert_eq!(log["topics"], json!([word_of(2)]));
    heads.unsubscribe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_transactions_and_syncing() {
    let mut node = Node::new();
    let servers = node.serve().await;
    let client = servers.ws_client().await;
    let kind = SubscriptionKind::NewPendingTransactions;
    let mut hashes = client.subscribe_events(kind, None).await.unwrap();
    let mut full = client.subscribe_events(kind, Some(Params::Bool(true))).await.unwrap();
    let mut syncing = client.subscribe_events(SubscriptionKind::Syncing, None).await.unwrap();
    assert_eq!(next(&mut syncing).await, json!(false));
    let tx = node.sign(TxKind::Create, 0, Default::default());
    client.send_raw_transaction(raw(&tx)).await.unwrap();
    assert_eq!(next(&mut hashes).await, json!(tx.tx_hash()));
    let pending = next(&mut full).await;
    assert_eq!(pending["hash"], json!(tx.tx_hash()));
    assert_eq!(pending["blockHash"], Value::Null);
}

/// A burst far beyond the connection's queue reaches a subscriber that reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_reading_subscriber_loses_nothing() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let limits = peruri_rpc::RpcLimits { message_buffer: 4, ..Default::default() };
    let servers = node.serve_with(limits).await;
    let client = servers.ws_client().await;
    let mut logs = client.subscribe_events(SubscriptionKind::Logs, None).await.unwrap();
    let txs = (0..100).map(|n| node.sign(logger.into(), 0, word_of(n))).collect();
    node.mine(txs);
    for n in 0..100 {
        assert_eq!(next(&mut logs).await["topics"], json!([word_of(n)]));
    }
}
