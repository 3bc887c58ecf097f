//! geth's tracers and their options.

use super::chain::{
    APPEND_GAS, Chain, FORWARDS, LOG, LOOPS, NESTS, REVERTS, STORES, ask, by, lower, number,
};
use crate::support::word_of;
use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{SolCall, SolError};
use peruri_evm::plog::abi::IPlog;
use peruri_plog::PLOG_ADDRESS;
use serde_json::{Value, json};

/// A block with one call, and its trace by `callTracer`.
async fn call_trace(
    chain: &mut Chain,
    to: Address,
    input: impl Into<Bytes>,
    config: Value,
) -> Value {
    let tx = chain.send(to, input);
    let hash = *tx.tx_hash();
    chain.mine(vec![tx]);
    let servers = chain.node.serve().await;
    let options = json!({"tracer": "callTracer", "tracerConfig": config});
    ask(&servers, "debug_traceTransaction", json!([hash, options])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_a_call() {
    let mut chain = Chain::new();
    let append = chain.append_call();
    let config = json!({"withLog": true});
    let root = call_trace(&mut chain, PLOG_ADDRESS, append.clone(), config).await;
    assert_eq!(root["type"], "CALL");
    assert_eq!(root["from"], lower(chain.node.signer.address()));
    assert_eq!(root["to"], lower(PLOG_ADDRESS));
    assert_eq!(root["input"], json!(append));
    let output: Bytes = serde_json::from_value(root["output"].clone()).unwrap();
    assert_eq!(IPlog::appendCall::abi_decode_returns(&output).unwrap().newSize, 1);
    // The root's gas is the transaction's.
    assert!(number(&root["gasUsed"]) > APPEND_GAS + 21_000);
    assert_eq!(root["logs"][0]["address"], lower(PLOG_ADDRESS));
    assert_eq!(root["logs"][0]["topics"][1], json!(LOG));
    assert_eq!(root.get("calls"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_a_call_of_a_contract() {
    let mut chain = Chain::new();
    let append = chain.append_call();
    let root = call_trace(&mut chain, FORWARDS, append.clone(), json!({"withLog": true})).await;
    assert_eq!(root["to"], lower(FORWARDS));
    let frames = root["calls"].as_array().unwrap();
    assert_eq!(frames.len(), 1);
    let frame = &frames[0];
    assert_eq!(frame["type"], "CALL");
    assert_eq!(frame["from"], lower(FORWARDS));
    assert_eq!(frame["to"], lower(PLOG_ADDRESS));
    assert_eq!((&frame["input"], &frame["output"]), (&json!(append), &root["output"]));
    assert_eq!(number(&frame["gasUsed"]), APPEND_GAS);
    assert_eq!(frame["logs"][0]["address"], lower(PLOG_ADDRESS));
    // Refused: the same number again.
    let root = call_trace(&mut chain, FORWARDS, append, json!({})).await;
    assert_eq!(root["error"], "execution reverted");
    assert_eq!(root["calls"][0]["error"], "execution reverted");
    let output: Bytes = serde_json::from_value(root["calls"][0]["output"].clone()).unwrap();
    assert!(IPlog::BadSeq::abi_decode(&output).is_ok(), "{output}");
}

/// What the log reads and writes is state like any other's.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_state() {
    let mut chain = Chain::new();
    let (first, second) = (chain.append_call(), chain.append_call());
    let txs = vec![chain.send(PLOG_ADDRESS, first), chain.send(FORWARDS, second)];
    let hashes: Vec<B256> = txs.iter().map(|tx| *tx.tx_hash()).collect();
    chain.mine(txs);
    let servers = chain.node.serve().await;
    for hash in hashes {
        let params = json!([hash, by("prestateTracer")]);
        let before = ask(&servers, "debug_traceTransaction", params).await;
        let log = &before[lower(PLOG_ADDRESS)];
        assert_eq!(log["nonce"], 1);
        assert!(log["storage"].as_object().unwrap().len() >= 3, "{log}");
        let options = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
        let diff = ask(&servers, "debug_traceTransaction", json!([hash, options])).await;
        let written = diff["post"][lower(PLOG_ADDRESS)]["storage"].as_object().unwrap();
        assert!(written.len() >= 2, "{diff}");
        assert!(written.len() < log["storage"].as_object().unwrap().len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_nested_and_say_why_they_failed() {
    let mut chain = Chain::new();
    let root = call_trace(&mut chain, NESTS, word_of(1), json!({})).await;
    let frames = root["calls"].as_array().unwrap();
    let to: Vec<_> = frames.iter().map(|frame| frame["to"].clone()).collect();
    let expected = [Address::with_last_byte(2), STORES, REVERTS, LOOPS].map(lower);
    assert_eq!(to, expected.map(Value::from));
    assert_eq!(frames[0].get("error"), None);
    assert_eq!(frames[2]["error"], "execution reverted");
    assert_eq!(frames[2]["revertReason"], "no");
    assert_eq!((&frames[3]["error"], number(&frames[3]["gasUsed"])), (&json!("out of gas"), 3_000));
    let top = json!({"onlyTopCall": true});
    let root = call_trace(&mut chain, NESTS, word_of(1), top).await;
    assert_eq!(root.get("calls"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_tracers() {
    let mut chain = Chain::new();
    let tx = chain.send(STORES, word_of(5));
    let hash = *tx.tx_hash();
    let block = chain.mine(vec![tx]);
    let servers = chain.node.serve().await;
    let trace = async |options: Value| {
        ask(&servers, "debug_traceTransaction", json!([hash, options])).await
    };
    assert_eq!(trace(by("noopTracer")).await, json!({}));
    let selectors = trace(by("4byteTracer")).await;
    assert_eq!(selectors, json!({"0x00000000-28": 1}));
    let flat = trace(by("flatCallTracer")).await;
    assert_eq!(flat[0]["action"]["to"], lower(STORES));
    let mux = json!({"tracer": "muxTracer", "tracerConfig": {
        "callTracer": null, "4byteTracer": null, "prestateTracer": {"diffMode": true},
    }});
    let mux = trace(mux).await;
    assert_eq!(mux["4byteTracer"], selectors);
    assert_eq!(mux["callTracer"], trace(by("callTracer")).await);
    let slot = &mux["prestateTracer"]["post"][lower(STORES)]["storage"][B256::ZERO.to_string()];
    assert_eq!(*slot, json!(B256::with_last_byte(5)));
    // By hash and by number, and by tag.
    let by_hash = ask(&servers, "debug_traceBlockByHash", json!([block.hash()])).await;
    for number in ["0x1", "latest"] {
        assert_eq!(ask(&servers, "debug_traceBlockByNumber", json!([number])).await, by_hash);
    }
    assert_eq!(by_hash[0]["result"], trace(json!({})).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn instructions_have_options() {
    let mut chain = Chain::new();
    let tx = chain.send(STORES, word_of(5));
    let hash = *tx.tx_hash();
    chain.mine(vec![tx]);
    let servers = chain.node.serve().await;
    let steps = async |options: Value| {
        let answer = ask(&servers, "debug_traceTransaction", json!([hash, options])).await;
        answer["structLogs"].as_array().unwrap().clone()
    };
    // PUSH0 CALLDATALOAD PUSH0 SSTORE PUSH0 CALLDATALOAD PUSH0 MSTORE…
    let plain = steps(json!({})).await;
    assert_eq!(plain[1]["op"], "CALLDATALOAD");
    assert_eq!(plain[3]["stack"], json!(["0x5", "0x0"]));
    let written = json!({B256::ZERO.to_string(): B256::with_last_byte(5)});
    assert_eq!((&plain[3]["op"], &plain[3]["storage"]), (&json!("SSTORE"), &written));
    assert_eq!(plain[3].get("memory"), None);
    let bare = steps(json!({"disableStack": true, "disableStorage": true})).await;
    assert_eq!((bare[3].get("stack"), bare[3].get("storage")), (None, None));
    assert_eq!(steps(json!({"limit": 2})).await, plain[..2]);
    let memory = json!({"enableMemory": true});
    let trace = ask(&servers, "debug_traceCall", json!([{"to": REVERTS}, null, memory])).await;
    assert_eq!((&trace["failed"], &trace["structLogs"][0].get("memory")), (&json!(true), &None));
    let last = &trace["structLogs"].as_array().unwrap().last().unwrap();
    assert_eq!(last["op"], "REVERT");
    let selector = json!(B256::right_padding_from(&[0x08, 0xc3, 0x79, 0xa0]));
    assert_eq!(last["memory"][0], selector);
    let little = json!([{"to": LOOPS, "gas": "0x5300"}]);
    let trace = ask(&servers, "debug_traceCall", little).await;
    assert_eq!(trace["structLogs"].as_array().unwrap().last().unwrap()["error"], "out of gas");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_traced_with_overrides() {
    let mut chain = Chain::new();
    let tx = chain.send(STORES, word_of(5));
    chain.mine(vec![tx]);
    let servers = chain.node.serve().await;
    // SLOAD(0), then NUMBER, both returned.
    let target = Address::repeat_byte(0x42);
    let code = "0x5f545f52436020525f60405ff3".replace("5f60405ff3", "60405ff3");
    let state = json!({target.to_string(): {
        "code": code, "stateDiff": {B256::ZERO.to_string(): B256::with_last_byte(9)},
    }});
    let options = json!({
        "tracer": "callTracer", "stateOverrides": state, "blockOverrides": {"number": "0x1234"},
    });
    let params = json!([{"to": target}, "latest", options]);
    let root = ask(&servers, "debug_traceCall", params).await;
    assert_eq!(root["output"], json!(Bytes::from([word_of(9), word_of(0x1234)].concat())));
    // The state after the block; the head by default.
    let options = by("prestateTracer");
    for (block, slot) in [(json!("0x0"), 0), (json!("0x1"), 5), (Value::Null, 5)] {
        let params = json!([{"to": STORES, "input": word_of(1)}, block, options]);
        let before = ask(&servers, "debug_traceCall", params).await;
        let storage = &before[lower(STORES)]["storage"][B256::ZERO.to_string()];
        assert_eq!(*storage, json!(B256::with_last_byte(slot)), "{block}");
    }
    // The log answers there too, and stays where it is.
    let head = Bytes::from(IPlog::headCall { logId: LOG }.abi_encode());
    let params = json!([{"to": PLOG_ADDRESS, "input": head}, "latest", by("callTracer")]);
    let root = ask(&servers, "debug_traceCall", params).await;
    let output: Bytes = serde_json::from_value(root["output"].clone()).unwrap();
    assert_eq!(IPlog::headCall::abi_decode_returns(&output).unwrap().size, 0);
    let moved = json!({PLOG_ADDRESS.to_string(): {"movePrecompileToAddress": target}});
    let params = json!([{"to": target}, "latest", {"stateOverrides": moved}]);
    assert_eq!(servers.error("debug_traceCall", params).await.0, -38022);
    let params = json!([{"to": target}, "latest", {"txIndex": "0x0"}]);
    assert_eq!(servers.error("debug_traceCall", params).await.0, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_traced() {
    let mut chain = Chain::new();
    let tx = chain.send(STORES, word_of(5));
    let hash = *tx.tx_hash();
    chain.mine(vec![tx]);
    let servers = chain.node.serve().await;
    let unknown = B256::with_last_byte(1);
    for (method, params, message) in [
        ("debug_traceTransaction", json!([unknown]), "transaction not found".to_owned()),
        ("debug_traceBlockByHash", json!([unknown]), format!("block {unknown} not found")),
        ("debug_traceBlockByNumber", json!(["0x9"]), "block 0x9 not found".to_owned()),
        ("debug_traceBlockByNumber", json!(["0x0"]), "genesis is not traceable".to_owned()),
    ] {
        assert_eq!(servers.error(method, params).await, (-32000, message));
    }
    let script = json!([hash, by("{fault: function() {}, result: function() { return 1 }}")]);
    let (code, message) = servers.error("debug_traceTransaction", script).await;
    assert_eq!((code, message.contains("JavaScript is not run")), (-32602, true), "{message}");
}

/// What is kept of a block is what each transaction would get alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_through_a_block_gets_the_same_traces() {
    let mut chain = Chain::new();
    let targets = [STORES, REVERTS, NESTS, STORES, FORWARDS];
    let txs: Vec<_> = targets.iter().map(|to| chain.send(*to, word_of(7))).collect();
    let hashes: Vec<B256> = txs.iter().map(|tx| *tx.tx_hash()).collect();
    chain.mine(txs);
    let options = by("callTracer");
    let walked = chain.node.serve().await;
    for hash in &hashes {
        // A server that was never asked before traces this transaction alone.
        let fresh = chain.node.serve().await;
        let alone = ask(&fresh, "debug_traceTransaction", json!([hash, options])).await;
        for _ in 0..2 {
            let trace = ask(&walked, "debug_traceTransaction", json!([hash, options])).await;
            assert_eq!(trace, alone);
        }
    }
    // Another way of tracing is another question.
    let selectors = json!([hashes[0], by("4byteTracer")]);
    let counts = ask(&walked, "debug_traceTransaction", selectors).await;
    assert!(counts.get("type").is_none(), "{counts}");
}
