//! Malformed requests have the standard's codes, alone and in batches, over HTTP and WebSocket.

use crate::support::{Node, Servers, error_of, raw_session, recv};
use serde_json::{Value, json};

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

/// A request that is answered.
const GOOD: &str = r#"{"jsonrpc":"2.0","id":"good","method":"eth_chainId"}"#;
const SEND: &str =
    r#"{"jsonrpc":"2.0","id":7,"method":"eth_sendRawTransaction","params":["0x01"]}"#;

/// Message, code, id of the answer.
fn single() -> Vec<(String, i64, Value)> {
    let invalid = |text: &str, id: Value| (text.to_owned(), INVALID_REQUEST, id);
    let no_json = |text: &str| (text.to_owned(), PARSE_ERROR, Value::Null);
    vec![
        no_json("not json"),
        no_json(r#"{"jsonrpc":"#),
        no_json(r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId""#),
        no_json(r#"{"jsonrpc":"2.0","method":"foobar, "params":"bar","baz]"#),
        no_json(&format!("{GOOD} x")),
        no_json("   "),
        invalid("{}", Value::Null),
        invalid(r#"  {"jsonrpc":"2.0"}"#, Value::Null),
        invalid(r#"{"jsonrpc":"2.0","params":[]}"#, Value::Null),
        invalid(r#"{"jsonrpc":"2.0","id":1}"#, json!(1)),
        invalid(r#"{"jsonrpc":"2.0","id":"a","params":[]}"#, json!("a")),
        invalid(r#"{"id":1,"method":"eth_chainId"}"#, json!(1)),
        invalid(r#"{"method":"eth_chainId"}"#, Value::Null),
        invalid(r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#, json!(1)),
        invalid(r#"{"jsonrpc":"2.0","method":1,"params":"bar"}"#, Value::Null),
        invalid(r#"{"jsonrpc":"2.0","id":2,"method":null}"#, json!(2)),
        invalid(r#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#, Value::Null),
        invalid(r#"{"jsonrpc":"2.0","id":true,"method":"eth_chainId"}"#, Value::Null),
        invalid(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"eth_chainId"}"#, Value::Null),
        invalid("1", Value::Null),
        invalid("\"text\"", Value::Null),
        invalid("null", Value::Null),
        invalid("true", Value::Null),
        invalid("[]", Value::Null),
        no_json("["),
        no_json(&format!("[{GOOD},")),
        no_json(&format!("[{GOOD}] x")),
    ]
}

/// Batch, and the code of each entry's answer; `None`: a result.
fn batches() -> Vec<(String, Vec<Option<i64>>)> {
    let invalid = Some(INVALID_REQUEST);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    vec![
        ("[1]".to_owned(), vec![invalid]),
        ("[1,\"x\",null]".to_owned(), vec![invalid; 3]),
        ("[{}]".to_owned(), vec![invalid]),
        ("[[]]".to_owned(), vec![invalid]),
        (deep, vec![invalid]),
        (format!(r#"[{{"jsonrpc":"2.0"}},{GOOD},{{"id":1}}]"#), vec![invalid, None, invalid]),
        (format!(r#"[{{"jsonrpc":"2.0","method":"x"}},{GOOD}]"#), vec![None]),
        // The way of raw transactions that go into the pool together.
        (format!("[{SEND},{{}},{SEND}]"), vec![Some(-32602), invalid, Some(-32602)]),
    ]
}

fn check_single(text: &str, answer: &Value, code: i64, id: &Value) {
    assert_eq!(error_of(answer).0, code, "{text}: {answer}");
    assert_eq!(&answer["id"], id, "{text}: {answer}");
    assert_eq!(answer["jsonrpc"], "2.0", "{text}: {answer}");
}

fn check_batch(text: &str, answer: &Value, codes: &[Option<i64>]) {
    let entries = answer.as_array().unwrap_or_else(|| panic!("{text}: {answer}"));
    let got: Vec<_> = entries.iter().map(|entry| entry["error"]["code"].as_i64()).collect();
    // What the pool says about a transaction is not the matter here.
    let is_refusal = |code: &Option<i64>| code.is_some_and(|code| code != INVALID_REQUEST);
    assert_eq!(got.len(), codes.len(), "{text}: {answer}");
    for (got, code) in got.iter().zip(codes) {
        assert!(got == code || (is_refusal(got) && is_refusal(code)), "{text}: {answer}");
    }
}

async fn servers() -> (Node, Servers) {
    let node = Node::new();
    let servers = node.serve().await;
    (node, servers)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http() {
    let (_node, servers) = servers().await;
    for (text, code, id) in single() {
        check_single(&text, &servers.json(&text).await, code, &id);
    }
    check_single("", &servers.json("").await, PARSE_ERROR, &Value::Null);
    for (text, codes) in batches() {
        check_batch(&text, &servers.json(&text).await, &codes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_websocket() {
    let (_node, servers) = servers().await;
    let (mut sender, mut receiver) = raw_session(servers.ws()).await;
    for (text, code, id) in single() {
        sender.send_text(&text).await.unwrap();
        sender.flush().await.unwrap();
        check_single(&text, &recv(&mut receiver).await, code, &id);
    }
    for (text, codes) in batches() {
        sender.send_text(&text).await.unwrap();
        sender.flush().await.unwrap();
        check_batch(&text, &recv(&mut receiver).await, &codes);
    }
    // Bytes that are no text, in a frame for bytes.
    sender.send_binary(b"{\"jsonrpc\":\"\xff\"}").await.unwrap();
    sender.flush().await.unwrap();
    assert_eq!(error_of(&recv(&mut receiver).await).0, PARSE_ERROR);
}
