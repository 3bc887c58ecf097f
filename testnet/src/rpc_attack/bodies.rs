//! R1 and R2: bodies that are no requests, and too many requests in one body.

use super::{Attack, Extent, arena::Arena, watch::Limits};
use crate::{Result, TestnetError, attack::Finding};
use futures::future::try_join_all;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// Bytes of a body that is still taken.
const MAX_BODY: usize = 2 << 20;
/// Requests of a batch that is still taken.
const MAX_BATCH: usize = 100;
/// Clients that send at the same time.
const CLIENTS: usize = 8;
/// Milliseconds within which a batch that is too large is refused, whatever it asks for.
const AT_ONCE: u128 = 500;

/// R1.
pub(super) const BODIES: Attack = Attack {
    id: "R1",
    name: "bodies of 2 MiB that are no requests, from 8 clients",
    // Every client's body, and as much again to read it.
    limits: Limits { interval: 1.2, memory: 2.0 * (CLIENTS * MAX_BODY / (1 << 20)) as f64 + 16.0 },
    run: |arena, extent| Box::pin(bodies(arena, extent)),
};

/// R2.
pub(super) const BATCHES: Attack = Attack {
    id: "R2",
    name: "batches of 101 and 10,000 requests",
    limits: Limits { interval: 1.2, memory: 48.0 },
    run: |arena, extent| Box::pin(batches(arena, extent)),
};

/// A body, the status and the code that it must get.
struct Case {
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    status: StatusCode,
    code: i64,
}

fn case(name: &'static str, body: impl Into<Vec<u8>>, code: i64) -> Case {
    Case { name, headers: &[], body: body.into(), status: StatusCode::OK, code }
}

/// A request for `method` with these parameters, as text that need not be JSON.
fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}

fn cases() -> Vec<Case> {
    let nested = |count: usize| format!("{}{}", "[".repeat(count), "]".repeat(count));
    let objects = |count: usize| format!("{}1{}", r#"{"a":"#.repeat(count), "}".repeat(count));
    let digits = "9".repeat(1_000_000);
    // The first bytes of gzip, whatever it would unpack to: nothing is unpacked.
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3];
    gzip.resize(MAX_BODY / 2, 0);
    let mut too_large = request("eth_chainId", "[]").into_bytes();
    too_large.resize(MAX_BODY + 1, b' ');
    vec![
        Case {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..case("a byte more than 2 MiB", too_large, -32007)
        },
        Case {
            headers: &[("content-encoding", "gzip")],
            ..case("a body that says it is compressed", gzip, -32700)
        },
        case("1,000,000 arrays in each other", nested(1_000_000), -32600),
        case("1,000,000 arrays as parameters", request("eth_call", &nested(1_000_000)), -32602),
        case(
            "300,000 objects as parameters",
            request("eth_getLogs", &format!("[{}]", objects(300_000))),
            -32602,
        ),
        case("a member twice", r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"eth_chainId"}"#, -32600),
        case("a parameter twice", request("eth_call", r#"[{"gas":"0x1","gas":"0x2"}]"#), -32602),
        case(
            "a number of 1,000,000 digits",
            request("eth_getBlockByNumber", &format!("[{digits},false]")),
            -32602,
        ),
        case(
            "an id of 1,000,000 digits",
            format!(r#"{{"jsonrpc":"2.0","id":{digits},"method":"eth_chainId"}}"#),
            -32600,
        ),
        case(
            "a number beyond all floats",
            request("eth_getBlockByNumber", "[1e400,false]"),
            -32602,
        ),
        case(
            "bytes that are no text",
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}",
            -32700,
        ),
        case("2 MiB of nothing", vec![b' '; MAX_BODY], -32700),
    ]
}

async fn bodies(arena: Arc<Arena>, extent: Extent) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for case in &cases() {
        let mut wrong = None;
        for _ in 0..extent.of(1, 20) {
            let all = try_join_all((0..CLIENTS).map(|_| one(&arena, case))).await?;
            wrong = wrong.or_else(|| all.into_iter().flatten().next());
        }
        let name = format!("{}: {} and {}", case.name, case.status.as_u16(), case.code);
        findings.push(Finding::new(
            name,
            wrong.is_none(),
            wrong.unwrap_or_else(|| "always".to_owned()),
        ));
    }
    Ok(findings)
}

/// What is wrong with the answer.
async fn one(arena: &Arena, case: &Case) -> Result<Option<String>> {
    let (status, answer) = match arena.post(case.headers, case.body.clone()).await {
        Ok(answered) => answered,
        // It answers without reading on: the rest of the body may find the connection closed.
        Err(TestnetError::Http { .. }) if case.status != StatusCode::OK => return Ok(None),
        Err(error) => return Err(error),
    };
    // What begins as a batch is answered as one.
    let entry = answer.get(0).unwrap_or(&answer);
    let right = status == case.status && entry["error"]["code"] == case.code;
    Ok((!right).then(|| format!("{status}: {}", shortened(&answer))))
}

fn shortened(answer: &Value) -> String {
    answer.to_string().chars().take(200).collect()
}

/// A batch of `count` queries for logs, with the time that its answer took.
async fn batch(arena: &Arena, count: usize) -> Result<(Value, u128)> {
    let one = json!({
        "jsonrpc": "2.0", "id": 1, "method": "eth_getLogs",
        "params": [{ "fromBlock": "0x0", "toBlock": "latest" }],
    });
    let body = Value::from(vec![one; count]).to_string();
    let start = Instant::now();
    let (_, answer) = arena.post(&[], body).await?;
    Ok((answer, start.elapsed().as_millis()))
}

async fn batches(arena: Arc<Arena>, extent: Extent) -> Result<Vec<Finding>> {
    let (answer, _) = batch(&arena, MAX_BATCH).await?;
    let answered = answer.as_array().map_or(0, Vec::len);
    let mut findings = vec![Finding::new(
        "a batch of 100 is answered",
        answered == MAX_BATCH,
        format!("{answered} answers"),
    )];
    for count in [MAX_BATCH + 1, 10_000] {
        let (mut longest, mut wrong) = (0, None);
        for _ in 0..extent.of(5, 100) {
            let all = try_join_all((0..CLIENTS).map(|_| batch(&arena, count))).await?;
            for (answer, took) in all {
                longest = longest.max(took);
                if answer["error"]["code"] != -32010 {
                    wrong = Some(shortened(&answer));
                }
            }
        }
        findings.push(Finding::new(
            format!("a batch of {count} is refused as a whole: -32010"),
            wrong.is_none(),
            wrong.unwrap_or_else(|| "always".to_owned()),
        ));
        findings.push(Finding::new(
            format!("a batch of {count} is refused within {AT_ONCE} ms"),
            longest <= AT_ONCE,
            format!("{longest} ms, {CLIENTS} at a time"),
        ));
    }
    let (_, answer) = arena.post(&[], "[]").await?;
    let code = &answer["error"]["code"];
    findings.push(Finding::new("an empty batch: -32600", *code == -32600, code.to_string()));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_large_as_may_be() {
        for case in cases() {
            let is_larger = case.body.len() > MAX_BODY;
            assert_eq!(is_larger, case.status == StatusCode::PAYLOAD_TOO_LARGE, "{}", case.name);
        }
    }
}
