//! Every limit has an error that names it.

use crate::support::{LOGGER, Node, error_of, post};
use alloy_primitives::{Address, B256};
use jsonrpsee::core::client::SubscriptionClientT as _;
use peruri_rpc::{RpcLimits, RpcServerBuilder};
use peruri_rpc_api::{EthFilterApiClient as _, EthPubSubApiClient as _};
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn request(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[]}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters() {
    let node = Node::new();
    let servers = node.serve().await;
    for (method, params) in [
        ("eth_getBalance", json!([])),
        ("eth_getBalance", json!(["0x12"])),
        ("eth_getBalance", json!([Address::ZERO, "newest"])),
        ("eth_getBlockByNumber", json!(["5", true])),
        ("eth_sendRawTransaction", json!(["0xzz"])),
        ("eth_call", json!([7])),
    ] {
        assert_eq!(servers.error(method, params).await.0, -32602, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_that_are_not_offered_do_not_exist() {
    let node = Node::new();
    let mut config = node.config(RpcLimits::default());
    config.http.as_mut().unwrap().namespaces = vec!["net".to_owned()];
    let servers = node.start(RpcServerBuilder::new(config, node.handles())).await;
    let unknown = [
        "eth_chainId",
        "debug_getRawHeader",
        "debug_traceTransaction",
        "trace_block",
        "admin_nodeInfo",
        "personal_sign",
        "x",
    ];
    for method in unknown {
        assert_eq!(error_of(&servers.json(&request(method)).await).0, -32601, "{method}");
    }
    let modules = servers.json(&request("rpc_modules")).await;
    assert_eq!(modules["result"], json!({"net": "1.0", "rpc": "1.0"}));
    assert_eq!(servers.json(&request("net_version")).await["result"], "7252");
    let batch = format!(
        "[{0},{0}]",
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x01"]}"#
    );
    let answer = servers.json(&batch).await;
    assert_eq!(error_of(&answer[0]).0, -32601);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_namespaces_and_wildcards_do_not_start() {
    let node = Node::new();
    let mut config = node.config(RpcLimits::default());
    config.http.as_mut().unwrap().namespaces.push("personal".to_owned());
    let error = RpcServerBuilder::new(config, node.handles()).start().await.unwrap_err();
    assert!(error.to_string().contains("unknown namespace \"personal\""), "{error}");
    let mut config = node.config(RpcLimits::default());
    config.ws.as_mut().unwrap().cors_origins.push("*".to_owned());
    let error = RpcServerBuilder::new(config, node.handles()).start().await.unwrap_err();
    assert!(error.to_string().contains("origin \"*\""), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches() {
    let node = Node::new();
    let limits = RpcLimits { max_batch: 3, ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let batch = |count| format!("[{}]", vec![request("eth_chainId"); count].join(","));
    assert_eq!(servers.json(&batch(3)).await.as_array().unwrap().len(), 3);
    let (code, message) = error_of(&servers.json(&batch(4)).await);
    assert_eq!(code, -32010);
    assert_eq!(message, "The batch request was too large: Exceeded max limit of 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_bytes() {
    let node = Node::new();
    let limits = RpcLimits { max_request_bytes: 1000, ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(1000));
    let (status, text) = servers.post(&body).await;
    assert_eq!(status, 413);
    let (code, message) = error_of(&serde_json::from_str(&text).unwrap());
    assert_eq!(
        (code, message.as_str()),
        (-32007, "Request is too big: Exceeded max limit of 1000")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn response_bytes() {
    let node = Node::new();
    let limits = RpcLimits { max_response_bytes: 500, ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let (code, message) = servers.error("eth_getBlockByNumber", json!(["0x0", true])).await;
    assert_eq!(
        (code, message.as_str()),
        (-32008, "Response is too big: Exceeded max limit of 500")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn connections() {
    let node = Node::new();
    let limits = RpcLimits { max_connections: 2, ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let first = TcpStream::connect(servers.http()).await.unwrap();
    let second = TcpStream::connect(servers.http()).await.unwrap();
    let (status, text) = servers.post(&request("eth_chainId")).await;
    assert_eq!(status, 429);
    let (code, message) = error_of(&serde_json::from_str(&text).unwrap());
    assert_eq!((code, message.as_str()), (-32005, "limit exceeded: rpc.max-connections 2"));
    // The WebSocket server has places of its own, and sessions keep theirs.
    let ws = servers.ws_client().await;
    let ws2 = servers.ws_client().await;
    let (status, _) = post(servers.ws(), &[], "").await;
    assert_eq!(status, 429);
    drop((first, second, ws, ws2));
    for _ in 0..100 {
        if servers.post(&request("eth_chainId")).await.0 == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("places were not given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_are_closed() {
    let node = Node::new();
    let limits = RpcLimits { request_timeout: Duration::from_millis(100), ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let mut silent = TcpStream::connect(servers.http()).await.unwrap();
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(10), silent.read(&mut byte)).await;
    assert!(matches!(read, Ok(Ok(0) | Err(_))), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let node = Node::new();
    let limits = RpcLimits { request_timeout: Duration::from_millis(100), ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let mut slow = TcpStream::connect(servers.http()).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
        content-length: 1000\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = slow.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(10), read).await.expect("closed").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let (code, message) = error_of(&serde_json::from_str(body).unwrap());
    assert_eq!((code, message.as_str()), (-32005, "no request within 100ms"));
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions() {
    let node = Node::new();
    let limits = RpcLimits { max_subscriptions: 1, ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let client = servers.ws_client().await;
    let kind = alloy_rpc_types_eth::pubsub::SubscriptionKind::NewHeads;
    let _first = client.subscribe_events(kind, None).await.unwrap();
    let error = client.subscribe_events(kind, None).await.unwrap_err().to_string();
    assert!(error.contains("-32006") && error.contains("Exceeded max limit of 1"), "{error}");
    // Over HTTP there are no subscriptions at all.
    let http = servers.request("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(error_of(&http).0, -32601);
    let rejected = client
        .subscribe::<serde_json::Value, _>(
            "eth_subscribe",
            jsonrpsee::rpc_params!["transactionReceipts"],
            "eth_unsubscribe",
        )
        .await;
    assert!(rejected.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn logs() {
    let mut node = Node::new();
    let logger = node.deploy(LOGGER);
    let txs = (0..4).map(|n| node.sign(logger.into(), 0, crate::support::word_of(n))).collect();
    node.mine(txs);
    let limits = RpcLimits { max_log_blocks: 2, max_log_entries: 3, ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let range = json!([{"fromBlock": "0x0", "toBlock": "0x2"}]);
    assert_eq!(
        servers.error("eth_getLogs", range).await,
        (-32005, "limit exceeded: rpc.max-blocks-per-filter 3 > 2".to_owned())
    );
    let range = json!([{"fromBlock": "0x1", "toBlock": "0x2"}]);
    assert_eq!(
        servers.error("eth_getLogs", range).await,
        (-32005, "limit exceeded: rpc.max-logs-per-response 4 > 3".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_history_and_filters() {
    let node = Node::new();
    let limits = RpcLimits {
        max_slots: 1,
        max_fee_history: 5,
        max_filters: 1,
        filter_expiry: Duration::from_millis(1),
        ..RpcLimits::default()
    };
    let servers = node.serve_with(limits).await;
    let proof = json!([Address::ZERO, ["0x0", "0x1"], "latest"]);
    assert_eq!(
        servers.error("eth_getProof", proof).await,
        (-32005, "limit exceeded: rpc.max-slots 2 > 1".to_owned())
    );
    let values = json!([{Address::ZERO.to_string(): [B256::ZERO, B256::ZERO]}]);
    assert_eq!(servers.error("eth_getStorageValues", values).await.0, -32005);
    assert_eq!(
        servers.error("eth_feeHistory", json!(["0xf4240", "latest", []])).await,
        (-32005, "limit exceeded: rpc.max-fee-history 1000000 > 5".to_owned())
    );
    let client = servers.client();
    let id = client.new_block_filter().await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let expired = servers.error("eth_getFilterChanges", json!([id])).await;
    assert_eq!(expired, (-32000, "filter not found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_bounded() {
    let node = Node::new();
    let servers = node.serve_with(RpcLimits { max_filters: 1, ..RpcLimits::default() }).await;
    servers.client().new_block_filter().await.unwrap();
    assert_eq!(
        servers.error("eth_newBlockFilter", json!([])).await,
        (-32005, "limit exceeded: rpc.max-filters is full (1)".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_transactions() {
    let node = Node::new();
    let limits = RpcLimits { max_waiting_transactions: 1, ..RpcLimits::default() };
    let servers = node.serve_with(limits).await;
    let send = r#"{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x01"]}"#;
    let answer = servers.json(&format!("[{send},{send}]")).await;
    for entry in answer.as_array().unwrap() {
        let (code, message) = error_of(entry);
        assert_eq!(code, -32005);
        assert_eq!(message, "limit exceeded: queue of raw transactions is full (1)");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_and_origins() {
    let node = Node::new();
    let mut config = node.config(RpcLimits::default());
    config.http.as_mut().unwrap().cors_origins.push("https://app.example".to_owned());
    let servers = node.start(RpcServerBuilder::new(config, node.handles())).await;
    let body = request("eth_chainId");
    let status = async |headers: &[(&str, &str)]| post(servers.http(), headers, &body).await.0;
    assert_eq!(status(&[]).await, 200);
    assert_eq!(status(&[("host", "evil.example")]).await, 403);
    assert_eq!(status(&[("origin", "https://evil.example")]).await, 403);
    assert_eq!(status(&[("origin", "https://app.example")]).await, 200);
}
