//! `trace_…`.

use super::chain::{
    APPEND_GAS, CREATES, Chain, FORWARDS, LOOPS, NESTS, REVERTS, STORES, ask, lower, number,
};
use crate::support::word_of;
use alloy_primitives::{Address, B256, Bytes, TxKind, bytes};
use peruri_plog::PLOG_ADDRESS;
use peruri_rpc::RpcLimits;
use serde_json::{Value, json};

/// Kind and callee, or created or destroyed contract, of each trace.
fn summary(traces: &Value) -> Vec<(String, Value)> {
    let of = |trace: &Value| {
        let action = &trace["action"];
        let target = [&action["to"], &trace["result"]["address"], &action["address"]];
        let target = target.into_iter().find(|value| !value.is_null()).cloned();
        (trace["type"].as_str().unwrap().to_owned(), target.unwrap_or_default())
    };
    traces.as_array().unwrap().iter().map(of).collect()
}

fn called(addresses: &[Address]) -> Vec<(String, Value)> {
    addresses.iter().map(|to| ("call".to_owned(), json!(lower(*to)))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_and_transactions() {
    let mut chain = Chain::new();
    let (direct, forwarded) = (chain.append_call(), chain.append_call());
    let txs = vec![
        chain.send(NESTS, word_of(1)),
        chain.send(PLOG_ADDRESS, direct),
        chain.send(FORWARDS, forwarded),
        chain.send(CREATES, bytes!()),
    ];
    let hashes: Vec<B256> = txs.iter().map(|tx| *tx.tx_hash()).collect();
    let block = chain.mine(txs);
    let servers = chain.node.serve().await;
    let mut parts = Vec::new();
    for (position, hash) in hashes.iter().enumerate() {
        let traces = ask(&servers, "trace_transaction", json!([hash])).await;
        for trace in traces.as_array().unwrap() {
            assert_eq!(trace["transactionHash"], json!(hash));
            assert_eq!(trace["transactionPosition"], position);
            assert_eq!(
                (&trace["blockHash"], &trace["blockNumber"]),
                (&json!(block.hash()), &json!(1))
            );
            parts.push(trace.clone());
        }
    }
    let whole = ask(&servers, "trace_block", json!(["latest"])).await;
    assert_eq!(whole, Value::Array(parts));
    // SHA-256 is left out, the log is not.
    let told = summary(&whole);
    let calls = [NESTS, STORES, REVERTS, LOOPS, PLOG_ADDRESS, FORWARDS, PLOG_ADDRESS, CREATES];
    assert_eq!(told[..8], called(&calls));
    assert_eq!((told[8].0.as_str(), told[9].0.as_str(), told.len()), ("create", "suicide", 10));
    assert_eq!(whole[6]["traceAddress"], json!([0]));
    assert_eq!(whole[5]["subtraces"], 1);
    assert_eq!(number(&whole[6]["result"]["gasUsed"]), APPEND_GAS);
    assert_eq!(whole[2]["error"], "Reverted");
    assert_eq!(whole[3]["error"], "Out of gas");
    for method in ["trace_transaction", "trace_block"] {
        assert_eq!(ask(&servers, method, json!([B256::with_last_byte(1)])).await, Value::Null);
    }
    assert_eq!(ask(&servers, "trace_block", json!(["0x0"])).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rewards_come_last() {
    let mut chain = Chain::with(|genesis| {
        genesis["config"]["ibft2"]["blockreward"] = json!("0x64");
    });
    let tx = chain.send(STORES, word_of(1));
    chain.mine(vec![tx]);
    chain.mine(Vec::new());
    let servers = chain.node.serve().await;
    for (block, length) in [("0x1", 2), ("0x2", 1)] {
        let traces = ask(&servers, "trace_block", json!([block])).await;
        let traces = traces.as_array().unwrap();
        assert_eq!(traces.len(), length);
        let action = &traces.last().unwrap()["action"];
        let author = lower(Address::repeat_byte(0xcb));
        assert_eq!(*action, json!({"author": author, "rewardType": "block", "value": "0x64"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_have_ranges_and_pages() {
    let mut chain = Chain::new();
    for _ in 0..3 {
        let (direct, forwarded) = (chain.append_call(), chain.append_call());
        let txs = vec![chain.send(PLOG_ADDRESS, direct), chain.send(FORWARDS, forwarded)];
        chain.mine(txs);
    }
    let limits = RpcLimits { max_trace_blocks: 3, ..RpcLimits::default() };
    let servers = chain.node.serve_with(limits).await;
    let all = json!({"fromBlock": "0x1", "toBlock": "0x3", "toAddress": [PLOG_ADDRESS]});
    let log = ask(&servers, "trace_filter", json!([all])).await;
    assert_eq!(summary(&log), called(&[PLOG_ADDRESS; 6]));
    let page = json!({
        "fromBlock": "0x1", "toBlock": "0x3", "toAddress": [PLOG_ADDRESS], "after": 1, "count": 3,
    });
    let page = ask(&servers, "trace_filter", json!([page])).await;
    assert_eq!(page.as_array().unwrap()[..], log.as_array().unwrap()[1..4]);
    let from = json!({"fromBlock": "0x2", "toBlock": "0x2", "fromAddress": [FORWARDS]});
    let from = ask(&servers, "trace_filter", json!([from])).await;
    assert_eq!(from, json!([log[3]]));
    // The head by default.
    assert_eq!(ask(&servers, "trace_filter", json!([{}])).await.as_array().unwrap().len(), 3);
    let range = json!([{"fromBlock": "0x0", "toBlock": "0x3"}]);
    let limit = "limit exceeded: rpc.max-trace-filter-blocks 4 > 3";
    assert_eq!(servers.error("trace_filter", range).await, (-32005, limit.to_owned()));
    for (from, to) in [("0x3", "0x2"), ("0x3", "0x4")] {
        let range = json!([{"fromBlock": from, "toBlock": to}]);
        assert_eq!(servers.error("trace_filter", range).await.0, -32602);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_replayed() {
    let mut chain = Chain::new();
    let create = chain.node.sign(TxKind::Create, 0, bytes!("600160005260206000f3"));
    let created = chain.node.signer.address().create(0);
    let append = chain.append_call();
    let txs = vec![create, chain.send(STORES, word_of(5)), chain.send(FORWARDS, append)];
    let hashes: Vec<B256> = txs.iter().map(|tx| *tx.tx_hash()).collect();
    chain.mine(txs);
    let servers = chain.node.serve().await;
    let types = json!(["trace", "vmTrace", "stateDiff"]);
    let block = ask(&servers, "trace_replayBlockTransactions", json!(["0x1", types])).await;
    let mut results = Vec::new();
    for (index, hash) in hashes.iter().enumerate() {
        let mut result = ask(&servers, "trace_replayTransaction", json!([hash, types])).await;
        result["transactionHash"] = json!(hash);
        assert_eq!(result, block[index]);
        results.push(result);
    }
    assert_eq!(results[0]["output"], json!(word_of(1)));
    assert_eq!(results[0]["stateDiff"][lower(created)]["code"], json!({"+": word_of(1)}));
    let stored = &results[1]["stateDiff"][lower(STORES)]["storage"][B256::ZERO.to_string()];
    assert_eq!(*stored, json!({"*": {"from": B256::ZERO, "to": B256::with_last_byte(5)}}));
    // PUSH0 CALLDATALOAD PUSH0 SSTORE
    let store = &results[1]["vmTrace"]["ops"][3]["ex"]["store"];
    assert_eq!(*store, json!({"key": "0x0", "val": "0x5"}));
    let logged = results[2]["stateDiff"][lower(PLOG_ADDRESS)]["storage"].as_object().unwrap();
    assert!(logged.len() >= 2, "{logged:?}");
    // What is not asked for is not there.
    let only = ask(&servers, "trace_replayTransaction", json!([hashes[1], ["trace"]])).await;
    assert_eq!((&only["vmTrace"], &only["stateDiff"]), (&Value::Null, &Value::Null));
    assert_eq!(summary(&only["trace"]), called(&[STORES]));
    let unknown = json!([B256::with_last_byte(1), ["trace"]]);
    let error = servers.error("trace_replayTransaction", unknown).await;
    assert_eq!(error, (-32000, "transaction not found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_change_nothing() {
    let mut chain = Chain::new();
    let tx = chain.send(STORES, word_of(5));
    chain.mine(vec![tx]);
    let servers = chain.node.serve().await;
    let request = json!({"to": STORES, "input": word_of(6)});
    for _ in 0..2 {
        let params = json!([request, ["trace", "stateDiff"], "latest"]);
        let result = ask(&servers, "trace_call", params).await;
        let diff = &result["stateDiff"][lower(STORES)]["storage"][B256::ZERO.to_string()];
        let (from, to) = (B256::with_last_byte(5), B256::with_last_byte(6));
        assert_eq!(*diff, json!({"*": {"from": from, "to": to}}));
        assert_eq!(summary(&result["trace"]), called(&[STORES]));
    }
    // REVERT with a reason: an answer, not an error.
    let result = ask(&servers, "trace_call", json!([{"to": REVERTS}, ["trace"]])).await;
    assert_eq!(result["trace"][0]["error"], "Reverted");
    let output: Bytes = serde_json::from_value(result["output"].clone()).unwrap();
    assert!(output.starts_with(&[0x08, 0xc3, 0x79, 0xa0]), "{output}");
    let state = json!({STORES.to_string(): {"code": "0x435f5260205ff3"}});
    let params = json!([{"to": STORES}, ["trace"], "latest", state, {"number": "0x77"}]);
    let result = ask(&servers, "trace_call", params).await;
    assert_eq!(result["output"], json!(word_of(0x77)));
}
