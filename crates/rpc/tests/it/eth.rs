//! Blocks, transactions, receipts, state, fees.

use crate::support::{LOGGER, Node, raw};
use alloy_consensus::Transaction as _;
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, TxKind, U64, U256};
use alloy_rpc_types_eth::{BlockTransactions, Index, StorageValuesRequest, SyncStatus};
use alloy_serde::JsonStorageKey;
use peruri_chainspec::{ChainSpec, PILOT_JSON, PLOG_ADDRESS};
use peruri_rpc_api::{DeleteStrategy, EthApiClient as _, EthFilterApiClient as _};
use peruri_storage::HistoryWindows;
use serde_json::{Value, json};

const TO: Address = Address::repeat_byte(0x77);

#[tokio::test(flavor = "multi_thread")]
async fn chain_and_head() {
    let mut node = Node::new();
    let servers = node.serve().await;
    let client = servers.client();
    assert_eq!(client.chain_id().await.unwrap(), U64::from(7252));
    assert_eq!(client.block_number().await.unwrap(), U64::ZERO);
    node.mine(vec![]);
    assert_eq!(client.block_number().await.unwrap(), U64::from(1));
    assert_eq!(client.syncing().await.unwrap(), SyncStatus::None);
    assert!(client.accounts().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_by_number_hash_and_tag() {
    let mut node = Node::new();
    let txs = vec![node.sign(TxKind::Call(TO), 7, Default::default()), node.sign_legacy(TO)];
    let block = node.mine(txs.clone());
    let servers = node.serve().await;
    let client = servers.client();
    let full = client.block_by_number(1.into(), true).await.unwrap().unwrap().decode().unwrap();
    assert_eq!(full.header.hash, block.hash());
    assert_eq!(full.header.number, 1);
    let BlockTransactions::Full(found) = &full.transactions else { panic!("full transactions") };
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].inner.tx_hash(), txs[0].tx_hash());
    assert_eq!(found[1].inner.signer(), node.signer.address());
    for tag in [BlockNumberOrTag::Latest, BlockNumberOrTag::Safe, BlockNumberOrTag::Finalized] {
        let block = client.block_by_number(tag, false).await.unwrap().unwrap().decode().unwrap();
        assert_eq!(block.header.number, 1, "{tag}");
        assert_eq!(block.transactions.hashes().count(), 2);
    }
    let same = client.block_by_hash(block.hash(), true).await.unwrap().unwrap();
    let number = client.block_by_number(1.into(), true).await.unwrap().unwrap();
    assert_eq!(same.text(), number.text());
    assert!(client.block_by_number(9.into(), true).await.unwrap().is_none());
    assert!(client.block_by_hash(B256::ZERO, true).await.unwrap().is_none());
    let genesis = client.block_by_number(BlockNumberOrTag::Earliest, true).await.unwrap().unwrap();
    let genesis = genesis.decode().unwrap();
    assert_eq!(genesis.header.hash, node.evm.chain_spec().genesis_hash());
    let header = client.header_by_number(1.into()).await.unwrap().unwrap().decode().unwrap();
    assert_eq!(header.hash, block.hash());
    let count = client.transaction_count_by_number(1.into()).await.unwrap();
    assert_eq!(count, Some(U64::from(2)));
    assert_eq!(client.transaction_count_by_hash(B256::ZERO).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn uncles_are_none() {
    let mut node = Node::new();
    let block = node.mine(vec![]);
    let servers = node.serve().await;
    let client = servers.client();
    assert_eq!(client.uncle_count_by_number(1.into()).await.unwrap(), Some(U64::ZERO));
    assert_eq!(client.uncle_count_by_hash(block.hash()).await.unwrap(), Some(U64::ZERO));
    assert!(client.uncle_by_number(1.into(), Index(0)).await.unwrap().is_none());
    assert!(client.uncle_by_hash(block.hash(), Index(0)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_and_receipts() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let first = node.sign(TxKind::Call(TO), 1, Default::default());
    let second = node.sign(TxKind::Call(logger), 0, crate::support::word_of(5));
    let block = node.mine(vec![first.clone(), second.clone()]);
    let servers = node.serve().await;
    let client = servers.client();

    let tx = client.transaction_by_hash(*second.tx_hash()).await.unwrap().unwrap();
    let tx = tx.decode().unwrap();
    assert_eq!(tx.block_hash, Some(block.hash()));
    assert_eq!(tx.transaction_index, Some(1));
    let base_fee = block.recovered_block.header().base_fee_per_gas;
    assert_eq!(tx.effective_gas_price, Some(second.effective_gas_price(base_fee)));
    let same = client.transaction_by_block_number(2.into(), Index(1)).await.unwrap().unwrap();
    assert_eq!(same.decode().unwrap(), tx);
    let same = client.transaction_by_block_hash(block.hash(), Index(1)).await.unwrap().unwrap();
    assert_eq!(same.decode().unwrap(), tx);
    assert!(client.transaction_by_block_number(2.into(), Index(2)).await.unwrap().is_none());
    let bytes = client.raw_transaction_by_hash(*first.tx_hash()).await.unwrap();
    assert_eq!(bytes, Some(raw(&first)));

    let receipt = client.transaction_receipt(*second.tx_hash()).await.unwrap().unwrap();
    let receipt = receipt.decode().unwrap();
    assert!(receipt.inner.status());
    assert_eq!(receipt.transaction_index, Some(1));
    assert_eq!(receipt.inner.logs().len(), 1);
    assert_eq!(receipt.inner.logs()[0].log_index, Some(0));
    assert_eq!(receipt.inner.logs()[0].inner.address, logger);
    let receipts = &block.execution_output.receipts;
    let gas = receipts[1].cumulative_gas_used - receipts[0].cumulative_gas_used;
    assert_eq!(receipt.gas_used, gas);
    let all = client.block_receipts(BlockId::latest()).await.unwrap().unwrap().decode().unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[1], receipt);
    assert!(client.transaction_receipt(B256::ZERO).await.unwrap().is_none());
    assert!(client.block_receipts(BlockId::hash(B256::ZERO)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn created_contracts_are_named() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let servers = node.serve().await;
    let client = servers.client();
    let block = client.block_by_number(1.into(), false).await.unwrap().unwrap().decode().unwrap();
    let hash = block.transactions.hashes().next().unwrap();
    let receipt = client.transaction_receipt(hash).await.unwrap().unwrap().decode().unwrap();
    assert_eq!(receipt.contract_address, Some(logger));
    assert_eq!(receipt.to, None);
    let code = client.code(logger, None).await.unwrap();
    assert_eq!(code.to_string(), format!("0x{LOGGER}"));
    assert!(client.code(TO, None).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn state_now_and_then() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    node.invoke(logger, 11);
    let hash = node.invoke(logger, 12).hash();
    let from = node.signer.address();
    let servers = node.serve().await;
    let client = servers.client();
    let slot = |block: Option<BlockId>| client.storage_at(logger, "0x0".to_owned(), block);
    assert_eq!(U256::from_be_bytes(slot(None).await.unwrap().0), U256::from(12));
    let then = slot(Some(BlockId::number(2))).await.unwrap();
    assert_eq!(U256::from_be_bytes(then.0), U256::from(11));
    let by_hash = slot(Some(BlockId::hash(hash))).await.unwrap();
    assert_eq!(U256::from_be_bytes(by_hash.0), U256::from(12));
    assert_eq!(client.transaction_count(from, None).await.unwrap(), U64::from(3));
    let earlier = client.transaction_count(from, Some(BlockId::number(1))).await.unwrap();
    assert_eq!(earlier, U64::from(1));
    let rich = client.balance(from, Some(BlockId::earliest())).await.unwrap();
    assert!(client.balance(from, None).await.unwrap() < rich);
    assert_eq!(client.balance(TO, None).await.unwrap(), U256::ZERO);
    let mut request = StorageValuesRequest::new();
    request = request.with_key(logger, B256::ZERO);
    let values = client.storage_values(request, None).await.unwrap();
    assert_eq!(values[&logger], [B256::from(U256::from(12))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_states_are_errors() {
    let node = Node::new();
    let servers = node.serve().await;
    let beyond = servers.error("eth_getBalance", json!([TO, "0x5"])).await;
    assert_eq!(beyond, (-32000, "header not found".to_owned()));
    let unknown = servers.error("eth_getCode", json!([TO, B256::repeat_byte(1)])).await;
    assert_eq!(unknown, (-32000, "header not found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_outside_the_window_is_told_apart() {
    let windows = HistoryWindows { state: Some(2), proofs: Some(1), receipts: Some(2) };
    let mut node = Node::with_history(ChainSpec::dev(), windows);
    for _ in 0..6 {
        let tx = node.sign(TxKind::Call(TO), 1, Default::default());
        node.mine(vec![tx]);
    }
    let servers = node.serve().await;
    for (method, params) in [
        ("eth_getBalance", json!([TO, "0x1"])),
        ("eth_call", json!([{"to": TO}, "0x1"])),
        ("eth_getProof", json!([TO, [], "0x1"])),
        ("eth_getBlockReceipts", json!(["0x1"])),
    ] {
        let (code, message) = servers.error(method, params).await;
        assert_eq!(code, 4444, "{method}: {message}");
        assert!(message.starts_with("pruned history unavailable: "), "{message}");
        assert!(message.contains("oldest kept"), "{message}");
    }
    assert!(
        servers.request("eth_getBlockByNumber", json!(["0x1", true])).await["result"].is_object()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn proofs_verify() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let block = node.invoke(logger, 3);
    let servers = node.serve().await;
    let client = servers.client();
    let keys = vec![JsonStorageKey::Number(U256::ZERO), JsonStorageKey::Number(U256::from(9))];
    let proof = client.proof(logger, keys, None).await.unwrap();
    assert_eq!(proof.storage_proof.len(), 2);
    assert_eq!(proof.storage_proof[0].value, U256::from(3));
    assert_eq!(proof.storage_proof[1].value, U256::ZERO);
    let account = alloy_trie::TrieAccount::new(
        proof.nonce,
        proof.balance,
        proof.storage_hash,
        proof.code_hash,
    );
    let path = alloy_trie::Nibbles::unpack(alloy_primitives::keccak256(logger));
    let root = block.recovered_block.header().state_root;
    let leaf = Some(alloy_rlp::encode(account));
    alloy_trie::proof::verify_proof(root, path, leaf, &proof.account_proof).unwrap();
    let slot = alloy_trie::Nibbles::unpack(alloy_primitives::keccak256(B256::ZERO));
    let leaf = Some(alloy_rlp::encode(U256::from(3)));
    let nodes = &proof.storage_proof[0].proof;
    alloy_trie::proof::verify_proof(proof.storage_hash, slot, leaf, nodes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_is_the_block_that_would_be_built() {
    let mut node = Node::new();
    node.mine(vec![]);
    let tx = node.sign(TxKind::Call(TO), 9, Default::default());
    let pending = node.build(vec![tx]);
    *node.pending.0.lock() = Some(pending.clone().into());
    let servers = node.serve().await;
    let client = servers.client();
    let tag = BlockNumberOrTag::Pending;
    let block = client.block_by_number(tag, false).await.unwrap().unwrap().decode().unwrap();
    assert_eq!(block.header.number, 2);
    let balance = client.balance(TO, Some(BlockId::pending())).await.unwrap();
    assert_eq!(balance, U256::from(9));
    assert_eq!(client.balance(TO, None).await.unwrap(), U256::ZERO);
    let nonce = client.transaction_count(node.signer.address(), Some(BlockId::pending()));
    assert_eq!(nonce.await.unwrap(), U64::from(1));
    // Once another block is committed the candidate is not pending any more.
    node.mine(vec![]);
    let block = client.block_by_number(tag, false).await.unwrap().unwrap().decode().unwrap();
    assert_eq!((block.header.number, block.transactions.len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn fees() {
    let mut node = Node::new();
    for _ in 0..3 {
        let tx = node.sign(TxKind::Call(TO), 1, Default::default());
        node.mine(vec![tx]);
    }
    let head = node.factory.last_header().unwrap();
    let next = node.evm.chain_spec().next_base_fee(head.header(), head.timestamp + 1).unwrap();
    let servers = node.serve().await;
    let client = servers.client();
    assert_eq!(client.max_priority_fee_per_gas().await.unwrap(), U256::from(1_000_000));
    assert_eq!(client.gas_price().await.unwrap(), U256::from(next + 1_000_000));
    let history = client
        .fee_history(U64::from(2), BlockNumberOrTag::Latest, Some(vec![10.0, 90.0]))
        .await
        .unwrap();
    assert_eq!(history.oldest_block, 2);
    assert_eq!(history.base_fee_per_gas.len(), 3);
    assert_eq!(history.base_fee_per_gas[2], u128::from(next));
    assert_eq!(history.gas_used_ratio.len(), 2);
    assert!(history.gas_used_ratio[0] > 0.0);
    assert_eq!(history.reward, Some(vec![vec![1_000_000; 2]; 2]));
    let beyond = servers.error("eth_feeHistory", json!(["0x1", "0x63", []])).await;
    assert_eq!(beyond.0, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_without_fees_asks_for_none() {
    let node = Node::of(ChainSpec::pilot());
    let servers = node.serve().await;
    let client = servers.client();
    assert_eq!(client.gas_price().await.unwrap(), U256::ZERO);
    assert_eq!(client.max_priority_fee_per_gas().await.unwrap(), U256::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_by_range_address_and_topic() {
    let mut node = Node::new();
    let first = node.deploy(LOGGER);
    let second = node.deploy(LOGGER);
    node.invoke(first, 1);
    node.invoke(second, 2);
    let hash = node.invoke(first, 2).hash();
    let servers = node.serve().await;
    let client = servers.client();
    let count = async |filter: serde_json::Value| {
        let filter = serde_json::from_value(filter).unwrap();
        client.logs(filter).await.unwrap().decode().unwrap().len()
    };
    let topic = B256::from(U256::from(2));
    assert_eq!(count(json!({"fromBlock": "0x0"})).await, 3);
    assert_eq!(count(json!({"fromBlock": "0x0", "address": first})).await, 2);
    assert_eq!(count(json!({"fromBlock": "0x0", "topics": [topic]})).await, 2);
    assert_eq!(count(json!({"fromBlock": "0x0", "topics": [null, topic]})).await, 0);
    let both = json!({"fromBlock": "0x0", "address": [first, second], "topics": [[topic]]});
    assert_eq!(count(both).await, 2);
    assert_eq!(count(json!({"blockHash": hash})).await, 1);
    assert_eq!(count(json!({})).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_ranges_are_checked() {
    let mut node = Node::new();
    node.mine(vec![]);
    node.mine(vec![]);
    let servers = node.serve().await;
    let reversed = json!([{"fromBlock": "0x2", "toBlock": "0x1"}]);
    assert_eq!(
        servers.error("eth_getLogs", reversed).await,
        (-32602, "invalid block range params".to_owned())
    );
    let beyond = json!([{"fromBlock": "0x1", "toBlock": "0x9"}]);
    assert_eq!(
        servers.error("eth_getLogs", beyond).await,
        (-32602, "block range extends beyond current head block".to_owned())
    );
    let unknown = json!([{"blockHash": B256::repeat_byte(9)}]);
    assert_eq!(servers.error("eth_getLogs", unknown).await, (-32000, "unknown block".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_tell_what_is_new() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let servers = node.serve().await;
    let client = servers.client();
    let logs = client.new_filter(Default::default()).await.unwrap();
    let blocks = client.new_block_filter().await.unwrap();
    let pending = client.new_pending_transaction_filter(None).await.unwrap();
    let changes = async |id: &alloy_rpc_types_eth::FilterId| {
        let text = client.filter_changes(id.clone()).await.unwrap();
        serde_json::from_str::<Vec<serde_json::Value>>(text.text()).unwrap()
    };
    assert!(changes(&logs).await.is_empty());
    let tx = node.sign(TxKind::Call(logger), 0, crate::support::word_of(1));
    let hash = peruri_rpc_api::EthApiClient::send_raw_transaction(&client, raw(&tx)).await.unwrap();
    assert_eq!(changes(&pending).await, [json!(hash)]);
    let block = node.mine(vec![tx]);
    assert_eq!(changes(&blocks).await, [json!(block.hash())]);
    assert!(changes(&blocks).await.is_empty());
    let found = changes(&logs).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["address"], json!(logger));
    assert!(changes(&logs).await.is_empty());
    assert_eq!(client.filter_logs(logs.clone()).await.unwrap().decode().unwrap().len(), 1);
    assert!(client.uninstall_filter(logs.clone()).await.unwrap());
    assert!(!client.uninstall_filter(logs.clone()).await.unwrap());
    let gone = servers.error("eth_getFilterChanges", json!([logs])).await;
    assert_eq!(gone, (-32000, "filter not found".to_owned()));
}

/// EIP-7910, on a chain of its own kind.
#[tokio::test(flavor = "multi_thread")]
async fn rules_now_and_later() {
    let mut genesis: Value = serde_json::from_str(PILOT_JSON).unwrap();
    genesis["config"]["osakaTime"] = json!(9_999_999_999_u64);
    let (spec, _) = ChainSpec::from_genesis_json(&genesis.to_string()).unwrap();
    let servers = Node::of(spec).serve().await;
    let config = servers.client().config().await.unwrap();
    let (now, next) = (config.current, config.next.unwrap());
    assert_eq!((now.activation_time, now.chain_id), (0, 7251));
    assert_eq!(now.precompiles.get("PLOG"), Some(&PLOG_ADDRESS));
    assert!(!now.precompiles.contains_key("P256VERIFY"));
    // No block calls them here.
    assert!(now.system_contracts.is_empty());
    assert_eq!(next.activation_time, 9_999_999_999);
    assert!(next.precompiles.contains_key("P256VERIFY"));
    assert_ne!(next.fork_id, now.fork_id);
    assert_eq!(config.last, Some(next));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_and_what_the_next_block_costs() {
    let history = HistoryWindows { state: Some(5), proofs: Some(2), receipts: Some(3) };
    let mut node = Node::with_history(ChainSpec::dev(), history);
    for _ in 0..9 {
        node.mine(vec![]);
    }
    let servers = node.serve().await;
    let client = servers.client();
    let fee = client.base_fee().await.unwrap();
    let last = node.mine(vec![]);
    let header = last.recovered_block.header();
    assert_eq!(fee, U256::from(header.base_fee_per_gas.unwrap()));
    let told = client.capabilities().await.unwrap();
    assert_eq!((told.head.number, told.head.hash), (U64::from(10), last.hash()));
    for (line, oldest, kept) in [
        (told.state, 5, Some(5)),
        (told.stateproofs, 8, Some(2)),
        (told.receipts, 7, Some(3)),
        (told.logs, 7, Some(3)),
        (told.blocks, 0, None),
        (told.tx, 0, None),
    ] {
        assert_eq!((line.disabled, line.oldest_block), (false, U64::from(oldest)));
        assert_eq!(line.delete_strategy, kept.map(DeleteStrategy::window));
    }
}
