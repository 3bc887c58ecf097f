//! The authenticated server.

use crate::support::{Node, error_of, post};
use alloy_rpc_types_engine::{Claims, JwtSecret};
use jsonrpsee::{
    RpcModule,
    core::client::ClientT as _,
    http_client::{HeaderMap, HeaderValue},
    ws_client::WsClientBuilder,
};
use peruri_rpc::{RpcLimits, RpcServerBuilder};
use serde_json::{Value, json};

const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"admin_nodeInfo","params":[]}"#;

fn token(secret: &JwtSecret) -> String {
    format!("Bearer {}", secret.encode(&Claims::with_current_timestamp()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_it() {
    let node = Node::new();
    let servers = node.serve().await;
    let bearer = token(&node.secret);
    let (status, text) = post(servers.auth(), &[("authorization", &bearer)], BODY).await;
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let genesis = node.evm.chain_spec().genesis_hash();
    assert_eq!(answer["result"]["protocols"]["eth"]["genesis"], json!(genesis));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nothing_runs() {
    let node = Node::new();
    let mut module = RpcModule::new(());
    module
        .register_method("trap_spring", |_, (), _| -> String { panic!("a method was executed") })
        .unwrap();
    let config = node.config(RpcLimits::default());
    let builder = RpcServerBuilder::new(config, node.handles()).extend_rpc_modules("trap", module);
    let servers = node.start(builder).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"trap_spring"}"#;
    let wrong = token(&JwtSecret::random());
    for header in [None, Some(wrong.as_str()), Some("Bearer x"), Some("Basic dXNlcjpwYXNz")] {
        let headers: Vec<_> = header.iter().map(|value| ("authorization", *value)).collect();
        let (status, text) = post(servers.auth(), &headers, body).await;
        assert_eq!(status, 401);
        let (code, message) = error_of(&serde_json::from_str(&text).unwrap());
        assert_eq!(code, -32001);
        assert!(message.starts_with("unauthorised: "), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_need_the_token_too() {
    let node = Node::new();
    let servers = node.serve().await;
    let url = format!("ws://{}", servers.auth());
    WsClientBuilder::default().build(&url).await.unwrap_err();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&token(&node.secret)).unwrap());
    let client = WsClientBuilder::default().set_headers(headers).build(&url).await.unwrap();
    let id: String = client.request("net_version", jsonrpsee::rpc_params![]).await.unwrap();
    assert_eq!(id, "7252");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_offers_everything_and_extensions() {
    let node = Node::new();
    let mut module = RpcModule::new(());
    module.register_method("plog_size", |_, (), _| 7).unwrap();
    let mut config = node.config(RpcLimits::default());
    config.http.as_mut().unwrap().namespaces.push("plog".to_owned());
    let builder = RpcServerBuilder::new(config, node.handles()).extend_rpc_modules("plog", module);
    let servers = node.start(builder).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"plog_size"}"#;
    assert_eq!(servers.json(body).await["result"], 7);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"rpc_modules"}"#;
    let bearer = token(&node.secret);
    let (_, text) = post(servers.auth(), &[("authorization", &bearer)], body).await;
    let answer: Value = serde_json::from_str(&text).unwrap();
    for name in ["admin", "debug", "eth", "net", "plog", "rpc", "trace", "txpool", "web3"] {
        assert_eq!(answer["result"][name], "1.0", "{name}");
    }
}
