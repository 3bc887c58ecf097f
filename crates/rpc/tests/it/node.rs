//! Namespaces beside `eth`.

use crate::support::{LOGGER, Node, Servers, raw};
use alloy_eips::{BlockId, eip2718::Decodable2718};
use alloy_primitives::{Address, B256, U64, keccak256};
use alloy_rlp::Decodable;
use peruri_primitives::Block;
use peruri_rpc::{EndpointConfig, RpcServerBuilder, RpcServerConfig};
use peruri_rpc_api::{
    AdminApiClient as _, DebugApiClient as _, EthApiClient as _, NetApiClient as _,
    RpcApiClient as _, TxPoolApiClient as _, Web3ApiClient as _,
};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn net_web3_admin_and_rpc() {
    let node = Node::new();
    let servers = node.serve().await;
    let client = servers.client();
    assert_eq!(peruri_rpc_api::NetApiClient::version(&client).await.unwrap(), "7252");
    assert_eq!(client.peer_count().await.unwrap(), U64::ZERO);
    assert!(!client.listening().await.unwrap());
    assert_eq!(client.client_version().await.unwrap(), "peruri/test");
    let hash = client.sha3(b"abc".to_vec().into()).await.unwrap();
    assert_eq!(hash, keccak256(b"abc"));
    let info = client.node_info().await.unwrap();
    assert_eq!(info.protocols.eth.network, 7252);
    assert_eq!(info.protocols.eth.head, node.factory.best_block_hash().unwrap());
    let modules = client.modules().await.unwrap();
    assert_eq!(modules.len(), 9);
}

/// A server's document names what it offers and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_the_servers() {
    let node = Node::new();
    let local = ([127, 0, 0, 1], 0).into();
    let few = RpcServerConfig {
        http: Some(EndpointConfig::new(local, &["net"])),
        ..RpcServerConfig::default()
    };
    let few = node.start(RpcServerBuilder::new(few, node.handles())).await;
    let names = ["net_listening", "net_peerCount", "net_version", "rpc_discover", "rpc_modules"];
    assert_eq!(documented(&few).await, names);
    let all = node.serve().await;
    let documented = documented(&all).await;
    for (name, offered) in [
        ("eth_simulateV1", true),
        ("ots_searchTransactionsBefore", true),
        ("debug_traceCall", true),
        // Over WebSocket only, and not on this chain.
        ("eth_subscribe", false),
        ("ibft_getPendingVotes", false),
    ] {
        assert_eq!(documented.iter().any(|listed| listed == name), offered, "{name}");
    }
}

async fn documented(servers: &Servers) -> Vec<String> {
    let document = servers.client().discover().await.unwrap().decode().unwrap();
    let name = |method: &Value| method["name"].as_str().unwrap().to_owned();
    document["methods"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_encodings_decode_to_the_same() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let block = node.invoke(logger, 3);
    let servers = node.serve().await;
    let client = servers.client();
    let latest = || BlockId::latest().into();
    let bytes = client.raw_block(latest()).await.unwrap();
    let decoded = Block::decode(&mut &bytes[..]).unwrap();
    assert_eq!(decoded, block.recovered_block.sealed_block().clone().into_block());
    let header = client.raw_header(latest()).await.unwrap();
    assert_eq!(header, alloy_rlp::encode(block.recovered_block.header()));
    let receipts = client.raw_receipts(latest()).await.unwrap();
    let receipt = alloy_consensus::ReceiptEnvelope::decode_2718(&mut &receipts[0][..]).unwrap();
    assert_eq!(receipt.logs(), block.execution_output.receipts[0].logs);
    let root = alloy_consensus::proofs::calculate_receipt_root(&[receipt]);
    assert_eq!(root, block.recovered_block.header().receipts_root);
    let tx = &block.recovered_block.body().transactions[0];
    assert_eq!(client.raw_transaction((*tx.tx_hash()).into()).await.unwrap(), raw(tx));
    assert!(client.raw_transaction(B256::ZERO.into()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_as_geth_shows_it() {
    let mut node = Node::new();
    let servers = node.serve().await;
    let client = servers.client();
    let to = Address::repeat_byte(1);
    let first = node.sign_legacy(to);
    node.nonce += 1;
    let gapped = node.sign_legacy(to);
    client.send_raw_transaction(raw(&first)).await.unwrap();
    client.send_raw_transaction(raw(&gapped)).await.unwrap();
    let status = peruri_rpc_api::TxPoolApiClient::status(&client).await.unwrap();
    assert_eq!((status.pending, status.queued), (U64::from(1), U64::from(1)));
    let content = client.content().await.unwrap();
    let checksummed = format!("\"{}\"", node.signer.address().to_checksum(None));
    assert!(content.text().contains(&checksummed), "{}", content.text());
    let content = content.decode().unwrap();
    let from = node.signer.address();
    assert_eq!(content.pending[&from]["0"].inner.tx_hash(), first.tx_hash());
    assert_eq!(content.queued[&from]["2"].inner.tx_hash(), gapped.tx_hash());
    let mine = client.content_from(from).await.unwrap().decode().unwrap();
    assert_eq!(mine["pending"].len(), 1);
    let inspect = client.inspect().await.unwrap();
    assert!(inspect.pending[&from]["0"].contains("5 wei + 21000 gas × 10000000000 wei"));
    // A pooled transaction is found by hash, without a place.
    let tx = client.transaction_by_hash(*first.tx_hash()).await.unwrap().unwrap().decode().unwrap();
    assert_eq!(tx.block_hash, None);
    let nonce = client.transaction_count(from, Some(BlockId::pending())).await.unwrap();
    assert_eq!(nonce, U64::from(1));
}
