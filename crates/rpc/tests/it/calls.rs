//! Executions without a transaction.

use crate::support::{CLEARER, LOGGER, LOOP, Node, REVERTER, Servers, word_of};
use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::SolCall;
use peruri_chainspec::{ChainSpec, PLOG_ADDRESS};
use peruri_evm::plog::abi::IPlog;
use peruri_rpc::RpcLimits;
use peruri_rpc_api::EthApiClient as _;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const IDENTITY: Address = address!("0000000000000000000000000000000000000004");

async fn call(servers: &Servers, params: Value) -> Value {
    servers.request("eth_call", params).await["result"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_answer_output() {
    let node = Node::new();
    let servers = node.serve().await;
    let params = json!([{"to": IDENTITY, "input": "0x010203"}, "latest"]);
    assert_eq!(call(&servers, params).await, json!("0x010203"));
    // `data` is the older name of `input`; creations answer the deployed code.
    let params = json!([{"data": "0x600160005260206000f3"}]);
    assert_eq!(call(&servers, params).await, json!(word_of(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn reverts_carry_code_reason_and_data() {
    let mut node = Node::new();
    let reverter = node.deploy(REVERTER);
    let servers = node.serve().await;
    let answer = servers.request("eth_call", json!([{"to": reverter}])).await;
    assert_eq!(answer["error"]["code"], 3);
    assert_eq!(answer["error"]["message"], "execution reverted: no");
    assert!(answer["error"]["data"].as_str().unwrap().starts_with("0x08c379a0"));
    let answer = servers.request("eth_estimateGas", json!([{"to": reverter}])).await;
    assert_eq!(answer["error"]["code"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_callable() {
    let mut node = Node::new();
    // Returns slot 0 when called without data, else stores the word.
    let store = node.deploy("3615600a575f355f55005b5f545f5260205ff3");
    node.invoke(store, 1);
    node.invoke(store, 2);
    let servers = node.serve().await;
    for (block, expected) in [("0x1", 0), ("0x2", 1), ("latest", 2)] {
        let result = call(&servers, json!([{"to": store}, block])).await;
        assert_eq!(result, json!(word_of(expected)), "{block}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_and_block_overrides() {
    let node = Node::new();
    let servers = node.serve().await;
    let target = Address::repeat_byte(0x42);
    // SLOAD(0), and NUMBER.
    let sload = json!({target.to_string(): {
        "code": "0x5f545f5260205ff3", "stateDiff": {B256::ZERO.to_string(): B256::with_last_byte(9)},
    }});
    let params = json!([{"to": target}, "latest", sload]);
    assert_eq!(call(&servers, params).await, json!(word_of(9)));
    let number = json!({target.to_string(): {"code": "0x435f5260205ff3"}});
    let params = json!([{"to": target}, "latest", number, {"number": "0x1234"}]);
    assert_eq!(call(&servers, params).await, json!(word_of(0x1234)));
    let rich = json!({target.to_string(): {"balance": "0x64"}});
    let params = json!([{"from": target, "to": IDENTITY, "value": "0x64"}, "latest", rich]);
    assert_eq!(call(&servers, params).await, json!("0x"));
    let moved = json!({IDENTITY.to_string(): {"movePrecompileToAddress": target}});
    let params = json!([{"to": target, "input": "0xaa"}, "latest", moved]);
    assert_eq!(call(&servers, params).await, json!("0xaa"));
    // What is no precompiled contract does not move, and neither does the transparency log.
    for (address, to, code) in [
        (target, IDENTITY, -32000),
        (PLOG_ADDRESS, target, -38022),
        (IDENTITY, PLOG_ADDRESS, -38022),
        (IDENTITY, IDENTITY, -38022),
    ] {
        let moved = json!({address.to_string(): {"movePrecompileToAddress": to}});
        let params = json!([{"to": target}, "latest", moved]);
        assert_eq!(servers.error("eth_call", params).await.0, code, "{address} to {to}");
    }
    // Code of its own takes the place of a contract, but not of the log.
    let replaced = json!({IDENTITY.to_string(): {"code": "0x435f5260205ff3"}});
    let params = json!([{"to": IDENTITY, "input": "0xaa"}, "0x0", replaced]);
    assert_eq!(call(&servers, params).await, json!(word_of(0)));
    let replaced = json!({PLOG_ADDRESS.to_string(): {"code": "0x00"}});
    let params = json!([{"to": target}, "latest", replaced]);
    assert_eq!(servers.error("eth_call", params).await.0, -38022);
}

/// The pilot's log answers calls, and takes entries of its source as a transaction would give them.
#[tokio::test(flavor = "multi_thread")]
async fn the_transparency_log_is_callable() {
    let spec = ChainSpec::pilot();
    let source = spec.plog().unwrap().sources[0];
    let log = spec.plog().unwrap().logs[0].id;
    let node = Node::of(spec);
    let servers = node.serve().await;
    let head = IPlog::headCall { logId: log }.abi_encode();
    let result = call(&servers, json!([{"to": PLOG_ADDRESS, "input": Bytes::from(head)}])).await;
    let answer: Bytes = serde_json::from_value(result).unwrap();
    let answer = IPlog::headCall::abi_decode_returns(&answer).unwrap();
    assert_eq!((answer.size, answer.root), (0, peruri_plog::EMPTY_ROOT));
    let append = IPlog::appendRootCall {
        logId: log,
        sourceId: source.id,
        firstSeq: 1,
        root: B256::ZERO,
        count: 1,
    };
    let append = Bytes::from(append.abi_encode());
    let request = json!([{"from": source.signer, "to": PLOG_ADDRESS, "input": append}]);
    let answer: Bytes = serde_json::from_value(call(&servers, request).await).unwrap();
    assert_eq!(IPlog::appendRootCall::abi_decode_returns(&answer).unwrap().newSize, 1);
    let request = json!([{"to": PLOG_ADDRESS, "input": append}]);
    let (code, _) = servers.error("eth_call", request).await;
    assert_eq!(code, 3, "not the source: reverted");
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_must_be_able_to_pay() {
    let node = Node::new();
    let servers = node.serve().await;
    let poor = Address::repeat_byte(0x11);
    let params = json!([{"from": poor, "to": IDENTITY, "value": "0x1"}]);
    let (code, message) = servers.error("eth_call", params).await;
    assert_eq!(code, -32000);
    assert!(message.contains("insufficient funds"), "{message}");
    let params = json!([{"to": IDENTITY, "gasPrice": "0x1", "maxFeePerGas": "0x1"}]);
    assert_eq!(servers.error("eth_call", params).await.0, -32602);
    let params = json!([{"to": IDENTITY, "chainId": "0x1"}]);
    let (code, message) = servers.error("eth_call", params).await;
    assert_eq!((code, message.contains("want=7252")), (-32000, true));
}

/// The estimate is the least limit that works: one less fails.
#[tokio::test(flavor = "multi_thread")]
async fn estimates_are_exact() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let clearer = node.deploy(CLEARER);
    node.invoke(logger, 1);
    let servers = node.serve().await;
    let client = servers.client();
    for (to, input) in [(logger, word_of(7)), (logger, word_of(0)), (clearer, word_of(0))] {
        let request = TransactionRequest::default().to(to).input(input.into());
        let gas = client.estimate_gas(request.clone(), None, None, None).await.unwrap();
        let with = |gas: U256| {
            let request = request.clone().gas_limit(gas.to());
            client.call(request, None, None, None)
        };
        with(gas).await.unwrap();
        with(gas - U256::from(1)).await.unwrap_err();
    }
    let transfer = TransactionRequest::default().to(Address::repeat_byte(1));
    let gas = client.estimate_gas(transfer, None, None, None).await.unwrap();
    assert_eq!(gas, U256::from(21_000));
}

/// A call that keeps 1/64 of the gas back needs more than it spends.
#[tokio::test(flavor = "multi_thread")]
async fn estimates_cover_the_gas_that_calls_hold_back() {
    let mut node = Node::new();
    let spender = node.deploy(LOGGER);
    // CALL(gas, spender, 0, 0, 32, 0, 0) with slot word 7, and revert if it failed.
    let caller = node.deploy(&format!(
        "60075f52 5f5f60205f5f73{}5af1 602757 5f5ffd 5b00",
        alloy_primitives::hex::encode(spender)
    ));
    let servers = node.serve().await;
    let client = servers.client();
    let request = TransactionRequest::default().to(caller);
    let gas = client.estimate_gas(request.clone(), None, None, None).await.unwrap();
    let enough = request.clone().gas_limit(gas.to());
    client.call(enough, None, None, None).await.unwrap();
    let less = request.gas_limit(gas.to::<u64>() - 1);
    client.call(less, None, None, None).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn estimates_that_cannot_succeed_say_why() {
    let mut node = Node::new();
    let endless = node.deploy(LOOP);
    let servers = node.serve().await;
    let params = json!([{"to": endless, "gas": "0x186a0"}]);
    let (code, message) = servers.error("eth_estimateGas", params).await;
    assert_eq!((code, message.as_str()), (-32000, "gas required exceeds allowance (100000)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lists_name_what_is_touched() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let servers = node.serve().await;
    let client = servers.client();
    let request = TransactionRequest::default().to(logger).input(word_of(1).into());
    let result = client.create_access_list(request, None, None).await.unwrap();
    assert_eq!(result.access_list.0.len(), 1);
    assert_eq!(result.access_list.0[0].address, logger);
    assert_eq!(result.access_list.0[0].storage_keys, [B256::ZERO]);
    assert!(result.gas_used > U256::from(21_000));
    assert_eq!(result.error, None);
    let plain = TransactionRequest::default().to(Address::repeat_byte(1));
    let result = client.create_access_list(plain, None, None).await.unwrap();
    assert!(result.access_list.0.is_empty());
    assert_eq!(result.gas_used, U256::from(21_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn gas_is_capped() {
    let mut node = Node::new();
    let endless = node.deploy(LOOP);
    let limits = RpcLimits { gas_cap: 100_000, ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let params = json!([{"to": endless, "gas": "0xffffffffffffffff"}]);
    assert_eq!(servers.error("eth_call", params).await, (-32000, "out of gas".to_owned()));
    // GAS at the start of a call with 100,000: the cap less the price of a transaction.
    let params = json!([{"data": "0x5a5f5260205ff3"}]);
    let left = call(&servers, params).await;
    let left = u64::from_str_radix(left.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert!(left < 100_000 && left > 40_000, "{left}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_limited() {
    let mut node = Node::new();
    let endless = node.deploy(LOOP);
    let limits = RpcLimits {
        gas_cap: u64::MAX / 2,
        call_timeout: Duration::from_millis(100),
        ..RpcLimits::default()
    };
    let servers = node.serve_with(limits).await;
    let begun = Instant::now();
    let params = json!([{"to": endless}]);
    let (code, message) = servers.error("eth_call", params.clone()).await;
    assert_eq!((code, message.as_str()), (-32000, "execution aborted (timeout = 100ms)"));
    let (code, _) = servers.error("eth_createAccessList", params.clone()).await;
    assert_eq!(code, -32000);
    assert!(begun.elapsed() < Duration::from_secs(20));
}
