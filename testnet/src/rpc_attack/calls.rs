//! R3 and R4: executions that do not end, and such as cost the most time for their gas.

use super::{
    Attack, Extent,
    arena::{Arena, Refusal},
    watch::Limits,
};
use crate::{Result, attack::Finding};
use alloy_primitives::{Address, hex};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Time of a call, and what it may take longer: waiting for a processor, a precompiled contract that
/// is under way when the time is over.
const TIMEOUT: Duration = Duration::from_secs(5);
const SLACK: Duration = Duration::from_secs(2);
/// Where overrides put code.
const TARGET: Address = Address::repeat_byte(0x42);

/// R3.
pub(super) const ENDLESS: Attack = Attack {
    id: "R3",
    name: "eth_call of an endless loop with all gas, 1,000 at a time",
    limits: Limits { interval: 1.1, memory: 64.0 },
    run: |arena, extent| Box::pin(endless(arena, extent)),
};

/// R4.
pub(super) const WORST: Attack = Attack {
    id: "R4",
    name: "eth_call of the slowest code and precompiled contracts",
    limits: Limits { interval: 1.2, memory: 96.0 },
    run: |arena, extent| Box::pin(worst(arena, extent)),
};

/// A call's outcome and time.
type Timed = (Result<Value, Refusal>, Duration);

/// Makes a call several times over one connection.
async fn timed(arena: &Arena, params: Value, times: usize) -> Result<Vec<Timed>> {
    let mut connection = arena.connect().await?;
    let mut done = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        let outcome = arena.ask_over(&mut connection, "eth_call", params.clone()).await?;
        done.push((outcome, start.elapsed()));
    }
    Ok(done)
}

/// A call of code that a state override puts there.
fn of_code(code: &str, input: &str) -> Value {
    let code: String = code.split_whitespace().collect();
    let overrides = json!({ TARGET.to_string(): { "code": format!("0x{code}") } });
    let gas = format!("{:#x}", u64::MAX);
    json!([{ "to": TARGET, "gas": gas, "input": input }, "latest", overrides])
}

async fn endless(arena: Arc<Arena>, extent: Extent) -> Result<Vec<Finding>> {
    const AT_A_TIME: usize = 1_000;
    let times = extent.of(1, 10);
    let clients = (0..AT_A_TIME).map(|_| timed(&arena, of_code("5b5f56", "0x"), times));
    let done = try_join_all(clients).await?.concat();
    let count = done.len();
    let ended = |text: &str| {
        let is = |outcome: &Result<Value, Refusal>| {
            outcome.as_ref().is_err_and(|(code, seen)| *code == -32000 && seen.contains(text))
        };
        done.iter().filter(|(outcome, _)| is(outcome)).count()
    };
    let (out_of_gas, out_of_time) = (ended("out of gas"), ended("timeout"));
    let longest = done.iter().map(|(_, took)| *took).max().unwrap_or_default();
    Ok(vec![
        Finding::new(
            "each ends with its gas or its time: -32000",
            out_of_gas > 0 && out_of_gas + out_of_time == count,
            format!("{out_of_gas} without gas, {out_of_time} without time, of {count}"),
        ),
        within(longest),
    ])
}

fn within(longest: Duration) -> Finding {
    let limit = TIMEOUT + SLACK;
    let name = format!("each is answered within {} s", limit.as_secs());
    Finding::new(name, longest <= limit, format!("{:.1} s", longest.as_secs_f64()))
}

/// Names and parameters of calls.
fn slow_calls() -> Vec<(&'static str, Value)> {
    let precompile = |number: u8, input: String| {
        let to = Address::with_last_byte(number);
        json!([{ "to": to, "gas": "0x2faf080", "input": input }, "latest"])
    };
    // CALLDATACOPY, then STATICCALL(gas, number, 0, calldatasize, 0, 0) again and again.
    let again = |number: u8| format!("365f5f37 5b 5f5f365f60{number:02x}5afa50 600456");
    let modexp = format!(
        "0x{:0>64}{:0>64}{:0>64}{}",
        "400",
        "400",
        "400",
        format!("{}fe", "ff".repeat(1_023)).repeat(3)
    );
    // BLAKE2 F: rounds, 64 bytes of h, 128 of m, 16 of t, the last block's flag (EIP-152).
    let blake2 = |rounds: u32| format!("0x{rounds:08x}{}01", "11".repeat(208));
    // One pair of generators costs 34,000 gas (EIP-1108); a sum that is not zero answers 0.
    let pairing = format!("0x{}", GENERATORS.repeat(1_100));
    vec![
        ("memory of 2 GiB", of_code("6001637fffffff52", "0x")),
        ("memory that grows word by word", of_code("5f 5b 80 80 52 6020 01 600156", "0x")),
        ("1 MiB that is hashed again and again", of_code("5b 62100000 5f 20 50 5f56", "0x")),
        ("code of 700 KB", of_code(&"5b".repeat(700_000), "0x")),
        ("modexp of 1,024 bytes, even modulus", of_code(&again(5), &modexp)),
        ("sha256 of 1 MiB", of_code(&again(2), &format!("0x{}", "5a".repeat(900_000)))),
        ("ripemd160 of 1 MiB", of_code(&again(3), &format!("0x{}", "5a".repeat(900_000)))),
        ("blake2f of 49,000,000 rounds", precompile(9, blake2(49_000_000))),
        ("blake2f of 2^32 rounds", precompile(9, blake2(u32::MAX))),
        ("1,100 pairings", precompile(8, pairing)),
        ("ecrecover", of_code(&again(1), &recovery())),
    ]
}

/// Generators of both groups of alt_bn128 (EIP-197).
const GENERATORS: &str = concat!(
    "0000000000000000000000000000000000000000000000000000000000000001",
    "0000000000000000000000000000000000000000000000000000000000000002",
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2",
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed",
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b",
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa",
);

/// Input of ecrecover: a digest, v, r and s that recover some key.
fn recovery() -> String {
    format!("0x{}{:0>64}{}{}", "11".repeat(32), "1b", hex::encode([0x22; 32]), "33".repeat(32))
}

async fn worst(arena: Arc<Arena>, extent: Extent) -> Result<Vec<Finding>> {
    let (mut findings, mut longest) = (Vec::new(), Duration::ZERO);
    for (name, params) in slow_calls() {
        let clients = (0..extent.of(1, 8)).map(|_| timed(&arena, params.clone(), 1));
        for (outcome, took) in try_join_all(clients).await?.concat() {
            longest = longest.max(took);
            let seen = match &outcome {
                Ok(_) => format!("a result after {took:.1?}"),
                Err((code, text)) => format!("{code} {text} after {took:.1?}"),
            };
            let holds = outcome.as_ref().map_or_else(|(code, _)| *code == -32000, |_| true);
            findings.push(Finding::new(format!("{name}: a result or -32000"), holds, seen));
        }
    }
    findings.push(within(longest));
    Ok(findings)
}
