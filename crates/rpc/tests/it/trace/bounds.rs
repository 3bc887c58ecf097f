//! Time, memory and turns of traces.

use super::chain::{Chain, LOOPS, STORES, ask, by};
use crate::support::word_of;
use peruri_rpc::RpcLimits;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn limits(max_response_bytes: u32) -> RpcLimits {
    RpcLimits { max_response_bytes, ..RpcLimits::default() }
}

/// A call of `code` with so much gas.
fn call(code: &str, gas: u64, options: &Value) -> Value {
    let target = "0x4242424242424242424242424242424242424242";
    let code: String = code.split_whitespace().collect();
    let mut options = options.clone();
    options["stateOverrides"] = json!({target: {"code": format!("0x{code}")}});
    json!([{"to": target, "gas": format!("{gas:#x}")}, "latest", options])
}

/// Each of these would fill gigabytes if it were not ended. The answer names the limit, and the
/// execution ends long before its time does.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_tracer_keeps_is_bounded() {
    let chain = Chain::new();
    let servers =
        chain.node.serve_with(RpcLimits { gas_cap: u64::MAX / 2, ..limits(1 << 20) }).await;
    // A loop; one with 1,000 words on the stack; one with 1 MiB of memory.
    let endless = "5b5f56";
    let deep = format!("{}5b6103e856", "5f".repeat(1_000));
    let wide = "5f620fffff53 5b600456".replace("600456", "600556");
    // CALL(identity) with 1 MiB of input, again and again.
    let inputs = "5f620fffff53 5b 5f5f 62100000 5f 5f 6004 5a f1 50 600556";
    // SLOAD(0), SLOAD(1), ...: every step shows all slots so far.
    let slots = "5f 5b 80 54 50 6001 01 600156";
    // LOG0 with 1 MiB.
    let logs = "5b 62100000 5f a0 5f 56";
    let memory = json!({"enableMemory": true, "disableStack": true});
    let storage = json!({"disableStack": true});
    let with_log = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let mux = json!({"tracer": "muxTracer", "tracerConfig": {"callTracer": {}}});
    for (code, options) in [
        (endless, json!({})),
        (&deep, json!({})),
        (&wide, memory),
        (inputs, by("callTracer")),
        (inputs, by("flatCallTracer")),
        (inputs, mux),
        (slots, storage),
        (logs, with_log),
    ] {
        let (number, message) =
            servers.error("debug_traceCall", call(code, 1 << 40, &options)).await;
        assert_eq!(number, -32005, "{code} {options}: {message}");
        assert!(message.starts_with("limit exceeded: rpc.max-response-size "), "{message}");
    }
    // Fewer steps are kept than made.
    let trace =
        ask(&servers, "debug_traceCall", call(endless, 100_000, &json!({"limit": 9}))).await;
    assert_eq!(trace["structLogs"].as_array().unwrap().len(), 9);
    // Nothing is kept.
    let trace = ask(&servers, "debug_traceCall", call(inputs, 10_000_000, &by("noopTracer"))).await;
    assert_eq!(trace, json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn parity_traces_are_bounded() {
    let chain = Chain::new();
    let servers =
        chain.node.serve_with(RpcLimits { gas_cap: u64::MAX / 2, ..limits(1 << 20) }).await;
    let target = "0x4242424242424242424242424242424242424242";
    // CODECOPY of 1 MiB, again and again; CALL(self) with 1 MiB of input.
    let writes = "5b 62100000 5f 5f 39 5f 56";
    let calls = "5f620fffff53 5b 5f5f 62100000 5f 5f 30 61ffff f1 50 600556";
    for (code, kind) in [(writes, "vmTrace"), ("5b5f56", "vmTrace"), (calls, "trace")] {
        let code: String = code.split_whitespace().collect();
        let state = json!({target: {"code": format!("0x{code}")}});
        let params = json!([{"to": target, "gas": "0x3b9aca00"}, [kind], "latest", state]);
        let (number, message) = servers.error("trace_call", params).await;
        assert_eq!(number, -32005, "{code} {kind}: {message}");
    }
}

/// Traces of a block are in one answer, and bounded together.
#[tokio::test(flavor = "multi_thread")]
async fn blocks_are_bounded_as_a_whole() {
    let mut chain = Chain::new();
    let txs: Vec<_> = (0..6).map(|word| chain.send(STORES, word_of(word))).collect();
    let hash = *txs[5].tx_hash();
    chain.mine(txs);
    let servers = chain.node.serve_with(limits(5_000)).await;
    ask(&servers, "debug_traceTransaction", json!([hash])).await;
    for (method, params) in [
        ("debug_traceBlockByNumber", json!(["latest"])),
        ("trace_replayBlockTransactions", json!(["latest", ["trace", "stateDiff", "vmTrace"]])),
    ] {
        let (code, message) = servers.error(method, params).await;
        assert_eq!(code, -32005, "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_limited_and_calls_do_not_wait_for_traces() {
    let mut chain = Chain::new();
    let tx = chain.send(STORES, word_of(1));
    chain.mine(vec![tx]);
    let limits = RpcLimits {
        gas_cap: u64::MAX / 2,
        call_timeout: Duration::from_millis(500),
        max_concurrent_traces: 1,
        ..RpcLimits::default()
    };
    let servers = chain.node.serve_with(limits).await;
    let timeout = (-32000, "execution aborted (timeout = 500ms)".to_owned());
    let endless = json!([{"to": LOOPS}, "latest", by("noopTracer")]);
    let begun = Instant::now();
    let trace = async { servers.error("debug_traceCall", endless.clone()).await };
    let also = async { servers.error("trace_call", json!([{"to": LOOPS}, ["stateDiff"]])).await };
    let call = async {
        let answer = servers.request("eth_call", json!([{"to": STORES}])).await;
        (answer, begun.elapsed())
    };
    let (first, second, (answer, took)) = tokio::join!(trace, also, call);
    assert_eq!((&first, &second), (&timeout, &timeout));
    assert_eq!(answer["result"], "0x");
    assert!(took < begun.elapsed(), "{took:?}");
    // The turn is free again.
    ask(&servers, "debug_traceBlockByNumber", json!(["latest"])).await;
}
