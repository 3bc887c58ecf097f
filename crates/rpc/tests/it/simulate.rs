//! `eth_simulateV1`.

use crate::{
    support::{LOOP, word_of},
    trace::chain::{CREATES, Chain, LOG, LOOPS, NESTS, REVERTS, STORES, ask, lower, number},
};
use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_sol_types::SolCall;
use peruri_evm::plog::abi::IPlog;
use peruri_plog::PLOG_ADDRESS;
use peruri_rpc::RpcLimits;
use serde_json::{Value, json};
use std::time::Duration;

const IDENTITY: Address = address!("0000000000000000000000000000000000000004");
const RICH: Address = address!("00000000000000000000000000000000000000aa");

fn payload(blocks: Value) -> Value {
    json!([{"blockStateCalls": blocks}, "latest"])
}

/// What is simulated has the roots of the block that is made of the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_block_has_the_roots_of_a_real_one() {
    let mut chain = Chain::new();
    let append = chain.append_call();
    let txs = vec![chain.send(STORES, word_of(5)), chain.send(PLOG_ADDRESS, append.clone())];
    let mined = chain.mine(txs);
    let header = mined.recovered_block.header();
    let servers = chain.node.serve().await;
    let call = |to: Address, input: Bytes| {
        json!({
            "from": chain.node.signer.address(), "to": to, "input": input, "gas": "0x7a120",
            "maxFeePerGas": "0x2540be400", "maxPriorityFeePerGas": "0xf4240",
        })
    };
    let overrides =
        json!({"time": format!("{:#x}", header.timestamp), "feeRecipient": header.beneficiary});
    let calls = json!([call(STORES, word_of(5)), call(PLOG_ADDRESS, append)]);
    let blocks = json!([{"blockOverrides": overrides, "calls": calls}]);
    let params = json!([{"blockStateCalls": blocks, "validation": true}, "0x0"]);
    let simulated = &ask(&servers, "eth_simulateV1", params).await[0];
    for (member, expected) in [
        ("stateRoot", json!(header.state_root)),
        ("receiptsRoot", json!(header.receipts_root)),
        ("parentHash", json!(header.parent_hash)),
        ("logsBloom", json!(header.logs_bloom)),
    ] {
        assert_eq!(simulated[member], expected, "{member}");
    }
    assert_eq!(number(&simulated["gasUsed"]), header.gas_used);
    assert_eq!(number(&simulated["calls"][0]["logs"][0]["logIndex"]), 0);
    assert_eq!(number(&simulated["calls"][1]["logs"][0]["logIndex"]), 1);
    assert_eq!(simulated["calls"][1]["logs"][0]["blockHash"], simulated["hash"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_block_stands_on_the_last() {
    let mut chain = Chain::new();
    let append = chain.append_call();
    let source = chain.node.evm.chain_spec().plog().unwrap().sources[0].signer;
    let servers = chain.node.serve().await;
    let head = Bytes::from(IPlog::headCall { logId: LOG }.abi_encode());
    let blocks = json!([
        {"calls": [{"from": source, "to": PLOG_ADDRESS, "input": append}]},
        // A gap of one, and BLOCKHASH(2).
        {
            "blockOverrides": {"number": "0x3"},
            "stateOverrides": {RICH.to_string(): {"code": "0x6002405f5260205ff3"}},
            "calls": [{"to": PLOG_ADDRESS, "input": head}, {"to": RICH}],
        },
    ]);
    let blocks = ask(&servers, "eth_simulateV1", payload(blocks)).await;
    assert_eq!(blocks.as_array().map(Vec::len), Some(3));
    assert_eq!(blocks[0]["calls"][0]["status"], "0x1", "{blocks}");
    let answer: Bytes =
        serde_json::from_value(blocks[2]["calls"][0]["returnData"].clone()).unwrap();
    assert_eq!(IPlog::headCall::abi_decode_returns(&answer).unwrap().size, 1);
    assert_eq!(blocks[2]["calls"][1]["returnData"], blocks[1]["hash"]);
    assert_eq!(blocks[2]["parentHash"], blocks[1]["hash"]);
    assert_ne!(blocks[1]["stateRoot"], blocks[0]["parentHash"]);
    assert_eq!(ask(&servers, "eth_blockNumber", json!([])).await, "0x0");
}

/// CALL(to, value 1) with all gas, dropping its result.
fn pays(to: Address) -> String {
    format!("0x5f5f5f5f600173{}5af1", &lower(to)[2..])
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_are_logs_unless_they_failed() {
    let chain = Chain::new();
    let servers = chain.node.serve().await;
    let (good, bad) = (Address::repeat_byte(0xa1), Address::repeat_byte(0xa2));
    let blocks = json!([{
        "stateOverrides": {
            RICH.to_string(): {"balance": "0xff"},
            good.to_string(): {"code": pays(NESTS)},
            bad.to_string(): {"code": pays(REVERTS)},
        },
        "calls": [
            {"from": RICH, "to": good, "value": "0x2"},
            {"from": RICH, "to": bad, "value": "0x3"},
            {"from": RICH, "to": CREATES},
            {"from": RICH, "to": REVERTS, "value": "0x1"},
            // Creates an empty contract.
            {"from": RICH, "value": "0x4"},
        ],
    }]);
    let options = json!([{"blockStateCalls": blocks, "traceTransfers": true}, "latest"]);
    let block = &ask(&servers, "eth_simulateV1", options).await[0];
    let transfers = |call: usize| -> Vec<(Address, Address, U256)> {
        let logs = block["calls"][call]["logs"].as_array().unwrap();
        let logs = logs.iter().filter(|log| log["address"] == format!("0x{}", "ee".repeat(20)));
        let word = |value: &Value| serde_json::from_value::<B256>(value.clone()).unwrap();
        let address = |value: &Value| Address::from_word(word(value));
        logs.map(|log| {
            let topics = &log["topics"];
            (address(&topics[1]), address(&topics[2]), word(&log["data"]).into())
        })
        .collect()
    };
    let one = U256::from(1);
    assert_eq!(transfers(0), [(RICH, good, U256::from(2)), (good, NESTS, one)]);
    assert_eq!(transfers(1), [(RICH, bad, U256::from(3))]);
    // What a contract leaves behind when it ends.
    assert_eq!(transfers(2), [(CREATES, RICH, U256::from(100))]);
    assert_eq!((transfers(3), &block["calls"][3]["error"]["code"]), (vec![], &json!(3)));
    assert_eq!(transfers(4), [(RICH, RICH.create(4), U256::from(4))]);
    // They are no part of the block.
    let bloom: Bytes = serde_json::from_value(block["logsBloom"].clone()).unwrap();
    let storers_log = block["calls"][0]["logs"].as_array().unwrap().len() > 2;
    assert_eq!(bloom.iter().any(|byte| *byte != 0), storers_log);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_has_the_standards_code() {
    let chain = Chain::new();
    let servers = chain.node.serve().await;
    let rich = json!({RICH.to_string(): {"balance": "0xffffffffffff", "nonce": "0x5"}});
    let with = |call: Value| json!([{"stateOverrides": rich, "calls": [call]}]);
    let moved = |from: Address, to: Address| json!([{"stateOverrides": {from.to_string(): {"movePrecompileToAddress": to}}}]);
    let init_code = format!("0x{}", "00".repeat(49_153));
    let fee = json!([{
        "blockOverrides": {"baseFeePerGas": "0xa"},
        "calls": [{"to": STORES, "maxFeePerGas": "0x1"}],
    }]);
    for (code, blocks) in [
        (-38010, with(json!({"from": RICH, "to": STORES, "nonce": "0x4"}))),
        (-38011, with(json!({"from": RICH, "to": STORES, "nonce": "0x6"}))),
        (-38012, fee),
        (-38013, with(json!({"from": RICH, "to": STORES, "gas": "0x5000"}))),
        (-38014, json!([{"calls": [{"from": RICH, "to": STORES, "value": "0x1"}]}])),
        (-38015, with(json!({"from": RICH, "to": STORES, "gas": "0xffffffffff"}))),
        (-38020, json!([{"blockOverrides": {"number": "0x0"}}])),
        (-38021, json!([{"blockOverrides": {"time": "0x1"}}])),
        (-38022, moved(IDENTITY, IDENTITY)),
        (-38022, moved(PLOG_ADDRESS, RICH)),
        (-38022, moved(IDENTITY, PLOG_ADDRESS)),
        (-32000, moved(RICH, STORES)),
        (-38025, with(json!({"from": RICH, "input": init_code}))),
        (-38026, json!([{"blockOverrides": {"number": "0x101"}}])),
        (-32602, json!([])),
        (-32602, with(json!({"to": STORES, "gasPrice": "0x1", "maxFeePerGas": "0x1"}))),
        (-32602, with(json!({"to": STORES, "chainId": "0x1"}))),
        (-32602, with(json!({"to": STORES, "input": "0x01", "data": "0x02"}))),
    ] {
        let params = json!([{"blockStateCalls": blocks, "validation": true}, "latest"]);
        let (got, message) = servers.error("eth_simulateV1", params).await;
        assert_eq!(
            got,
            code,
            "{message}: {}",
            &blocks.to_string()[..200.min(blocks.to_string().len())]
        );
    }
    // Nonces are free without validation.
    let params = payload(with(json!({"from": RICH, "to": STORES, "nonce": "0x9"})));
    assert_eq!(ask(&servers, "eth_simulateV1", params).await[0]["calls"][0]["status"], "0x1");
    let params = json!([{"blockStateCalls": [{}]}, "0x9"]);
    assert_eq!(servers.error("eth_simulateV1", params).await.0, -32000);
}

#[tokio::test(flavor = "multi_thread")]
async fn gas_time_and_answers_are_bounded() {
    let chain = Chain::new();
    let loops = json!([{"calls": [{"to": LOOPS}]}, {"calls": [{"to": STORES}]}]);
    let limits = RpcLimits { gas_cap: 100_000, ..RpcLimits::default() };
    let servers = chain.node.serve_with(limits).await;
    let one = ask(&servers, "eth_simulateV1", payload(json!([{"calls": [{"to": LOOPS}]}]))).await;
    let call = &one[0]["calls"][0];
    assert_eq!((number(&call["gasUsed"]), &call["error"]["code"]), (100_000, &json!(-32015)));
    // Over all calls together.
    assert_eq!(servers.error("eth_simulateV1", payload(loops.clone())).await.0, -38013);

    let limits = RpcLimits {
        gas_cap: u64::MAX,
        call_timeout: Duration::from_millis(300),
        ..RpcLimits::default()
    };
    let servers = chain.node.serve_with(limits).await;
    let wide = json!([{
        "blockOverrides": {"gasLimit": "0xffffffffffff"},
        "stateOverrides": {RICH.to_string(): {"code": format!("0x{LOOP}")}},
        "calls": [{"to": RICH}],
    }]);
    let (code, message) = servers.error("eth_simulateV1", payload(wide)).await;
    assert!(code == -32000 && message.contains("timeout"), "{code} {message}");

    let limits = RpcLimits { max_response_bytes: 4_000, ..RpcLimits::default() };
    let servers = chain.node.serve_with(limits).await;
    let many = payload(json!([{"blockOverrides": {"number": "0x10"}}]));
    let (code, message) = servers.error("eth_simulateV1", many).await;
    assert!(code == -32005 && message.contains("rpc.max-response-size"), "{code} {message}");
}
