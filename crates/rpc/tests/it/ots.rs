//! What Otterscan asks, in the order of its pages.

use crate::{
    support::word_of,
    trace::chain::{CREATES, Chain, NESTS, REVERTS, STORES, ask, lower},
};
use alloy_primitives::{Address, B256, TxKind, U256, bytes};
use peruri_rpc::RpcLimits;
use serde_json::{Value, json};

/// A chain whose blocks 1 to 4 store, nest, create and fail.
fn chain() -> (Chain, Vec<B256>) {
    let mut chain = Chain::new();
    let mut hashes = Vec::new();
    for (to, input) in [
        (STORES, word_of(5)),
        (NESTS, word_of(1)),
        (CREATES, bytes!()),
        (REVERTS, bytes!("0102030405")),
    ] {
        let tx = chain.send(to, input);
        hashes.push(*tx.tx_hash());
        chain.mine(vec![tx]);
    }
    (chain, hashes)
}

fn hashes_of(page: &Value) -> Vec<B256> {
    let txs = page["txs"].as_array().unwrap();
    let hashes: Vec<_> =
        txs.iter().map(|tx| serde_json::from_value(tx["hash"].clone()).unwrap()).collect();
    for (tx, receipt) in txs.iter().zip(page["receipts"].as_array().unwrap()) {
        assert_eq!(tx["hash"], receipt["transactionHash"]);
        assert!(receipt["timestamp"].is_string());
    }
    hashes
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_transactions() {
    let (chain, hashes) = chain();
    let sender = chain.node.signer.address();
    let servers = chain.node.serve().await;
    assert_eq!(ask(&servers, "ots_getApiLevel", json!([])).await, 8);
    for (address, has_code) in [(STORES, true), (sender, false)] {
        assert_eq!(ask(&servers, "ots_hasCode", json!([address, "latest"])).await, has_code);
    }
    let none: [u8; 0] = [];
    assert_eq!(ask(&servers, "ots_getInternalOperations", json!([hashes[0]])).await, json!(none));
    let operations = ask(&servers, "ots_getInternalOperations", json!([hashes[2]])).await;
    assert_eq!(operations[0]["type"], 2);
    assert_eq!(operations[1]["type"], 1);
    assert_eq!(operations[1]["value"], "0x64");
    let error = ask(&servers, "ots_getTransactionError", json!([hashes[3]])).await;
    assert!(error.as_str().unwrap().starts_with("0x08c379a0"), "{error}");
    assert_eq!(ask(&servers, "ots_getTransactionError", json!([hashes[0]])).await, "0x");
    let trace = ask(&servers, "ots_traceTransaction", json!([hashes[1]])).await;
    assert_eq!((&trace[0]["type"], &trace[0]["depth"]), (&json!("CALL"), &json!(0)));
    assert_eq!((&trace[1]["to"], &trace[1]["depth"]), (&json!(lower(STORES)), &json!(1)));
    let trace = ask(&servers, "ots_traceTransaction", json!([hashes[2]])).await;
    assert_eq!((&trace[1]["type"], &trace[2]["type"]), (&json!("CREATE"), &json!("SELFDESTRUCT")));
    for (nonce, hash) in hashes.iter().enumerate() {
        let params = json!([sender, nonce]);
        assert_eq!(ask(&servers, "ots_getTransactionBySenderAndNonce", params).await, json!(hash));
    }
    let params = json!([sender, 4]);
    assert_eq!(ask(&servers, "ots_getTransactionBySenderAndNonce", params).await, Value::Null);
    for method in ["ots_getTransactionError", "ots_traceTransaction", "ots_getInternalOperations"] {
        let (code, message) = servers.error(method, json!([B256::ZERO])).await;
        assert_eq!((code, message.as_str()), (-32000, "transaction not found"), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn creators() {
    let mut chain = Chain::new();
    // Deploys one byte of code; a contract that does so when it is called.
    let init = bytes!("60fe5f5360015ff3");
    let tx = chain.node.sign(TxKind::Create, 0, init);
    let (hash, sender) = (*tx.tx_hash(), chain.node.signer.address());
    chain.mine(vec![tx]);
    chain.mine(Vec::new());
    let servers = chain.node.serve().await;
    let created = sender.create(0);
    let creator = ask(&servers, "ots_getContractCreator", json!([created])).await;
    assert_eq!(creator, json!({"hash": hash, "creator": lower(sender)}));
    // One of the genesis block, and one without code.
    for address in [STORES, sender] {
        let creator = ask(&servers, "ots_getContractCreator", json!([address])).await;
        assert_eq!(creator, Value::Null, "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks() {
    let mut chain = Chain::new();
    let txs: Vec<_> = (0..5).map(|n| chain.send(STORES, word_of(n))).collect();
    let hashes: Vec<_> = txs.iter().map(|tx| *tx.tx_hash()).collect();
    let block = chain.mine(txs);
    let servers = chain.node.serve().await;
    let details = ask(&servers, "ots_getBlockDetails", json!([1])).await;
    assert_eq!(details["block"]["hash"], json!(block.hash()));
    assert_eq!(details["block"]["transactionCount"], 5);
    assert!(details["block"].get("transactions").is_none());
    let paid = block.execution_output.gas_used * 1_000_000;
    assert_eq!(details["totalFees"], json!(U256::from(paid)));
    let by_hash = ask(&servers, "ots_getBlockDetailsByHash", json!([block.hash()])).await;
    assert_eq!(by_hash, details);
    for (page, expected) in [(0, &hashes[3..]), (1, &hashes[1..3]), (2, &hashes[..1]), (3, &[])] {
        let page = ask(&servers, "ots_getBlockTransactions", json!([1, page, 2])).await;
        let full = &page["fullblock"];
        assert_eq!(full["transactionCount"], 5);
        let txs = json!({"txs": full["transactions"], "receipts": page["receipts"]});
        assert_eq!(hashes_of(&txs), expected);
        for (tx, receipt) in full["transactions"]
            .as_array()
            .into_iter()
            .flatten()
            .zip(page["receipts"].as_array().unwrap())
        {
            assert_eq!(tx["input"].as_str().map(str::len), Some(10));
            assert!(receipt["logs"].is_null() && receipt["logsBloom"].is_null());
        }
    }
    let far = json!([1, "0xffffffffffffffff", "0xffffffffffffffff"]);
    let page = ask(&servers, "ots_getBlockTransactions", far).await;
    assert_eq!(page["receipts"], json!([]));
    assert_eq!(ask(&servers, "ots_getBlockDetails", json!([7])).await, Value::Null);
    assert_eq!(ask(&servers, "ots_getBlockTransactions", json!([7, 0, 2])).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn searches() {
    let (chain, hashes) = chain();
    let sender = chain.node.signer.address();
    let servers = chain.node.serve().await;
    let search = async |way: &str, address: Address, block: u64, size: u64| {
        let method = format!("ots_searchTransactions{way}");
        let page = ask(&servers, &method, json!([address, block, size])).await;
        (hashes_of(&page), page["firstPage"] == true, page["lastPage"] == true)
    };
    let newest_first = |of: &[usize]| of.iter().map(|index| hashes[*index]).collect::<Vec<_>>();
    for (way, address, block, size, found, first, last) in [
        ("Before", sender, 0, 2, &[3, 2][..], true, false),
        ("Before", sender, 3, 2, &[1, 0], false, true),
        ("Before", sender, 3, 1, &[1], false, false),
        ("Before", sender, 1, 9, &[], false, true),
        ("After", sender, 0, 3, &[2, 1, 0], false, true),
        ("After", sender, 3, 3, &[3], true, false),
        // Called by a transaction, and from within.
        ("Before", STORES, 0, 9, &[1, 0], true, true),
        ("After", STORES, 0, 9, &[1, 0], true, true),
        // It ended and left its value to the sender.
        ("Before", CREATES, 0, 9, &[2], true, true),
        // A call that failed leaves nothing by which it is found.
        ("Before", REVERTS, 0, 9, &[], true, true),
    ] {
        let expected = (newest_first(found), first, last);
        assert_eq!(search(way, address, block, size).await, expected, "{way} {block} {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_bounded() {
    let (chain, hashes) = chain();
    let sender = chain.node.signer.address();
    let limits = RpcLimits { max_search_blocks: 2, ..RpcLimits::default() };
    let servers = chain.node.serve_with(limits).await;
    for way in ["Before", "After"] {
        let method = format!("ots_searchTransactions{way}");
        let page = ask(&servers, &method, json!([sender, 0, 2])).await;
        assert_eq!(hashes_of(&page).len(), 2);
        let (code, message) = servers.error(&method, json!([sender, 0, 3])).await;
        assert_eq!(
            (code, message.as_str()),
            (-32005, "limit exceeded: rpc.max-search-blocks 3 > 2"),
            "{}",
            hashes.len()
        );
    }
}
