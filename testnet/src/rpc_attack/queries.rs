//! R5 and R7: queries that are too large for the limits that a node has by itself, and sessions of
//! pages that may not have one.

use super::{Attack, Extent, arena::Arena, watch::Limits};
use crate::{Result, TestnetError, attack::Finding};
use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// R5 and R7.
pub(super) const LARGE: Attack = Attack {
    id: "R5",
    name: "queries beyond the limits; R7: sessions for other hosts and pages",
    limits: Limits { interval: 1.2, memory: 32.0 },
    run: |arena, _: Extent| Box::pin(large(arena)),
};

async fn large(arena: Arc<Arena>) -> Result<Vec<Finding>> {
    let wildcards = |count: usize| json!([{ "topics": vec![Value::Null; count] }]);
    // As many as a body holds.
    let many: Vec<B256> =
        (0..25_000u64).map(|n| B256::left_padding_from(&n.to_be_bytes())).collect();
    let keys: Vec<String> = (0..10_000).map(|n| format!("{n:#x}")).collect();
    let cases = [
        ("four topics that are anything", "eth_getLogs", wildcards(4), None),
        ("25,000 topics", "eth_getLogs", json!([{ "topics": [many] }]), None),
        ("five topics", "eth_getLogs", wildcards(5), Some(-32602)),
        (
            "a fee history of 1,000,000",
            "eth_feeHistory",
            json!(["0xf4240", "latest", []]),
            Some(-32005),
        ),
        (
            "10,000 keys in a proof",
            "eth_getProof",
            json!([Address::ZERO, keys, "latest"]),
            Some(-32005),
        ),
    ];
    let mut findings = Vec::new();
    for (name, method, params, code) in cases {
        let (seen, text) = match arena.ask(method, params).await? {
            Ok(_) => (None, "a result".to_owned()),
            Err((code, text)) => (Some(code), format!("{code} {text}")),
        };
        let wanted = code.map_or_else(|| "a result".to_owned(), |code| code.to_string());
        findings.push(Finding::new(format!("{name}: {wanted}"), seen == code, text));
    }
    findings.extend(sessions(&arena).await?);
    Ok(findings)
}

/// R7: a page may not have a session where it may not post.
async fn sessions(arena: &Arena) -> Result<Vec<Finding>> {
    let own = arena.ws().to_string();
    let mut findings = Vec::new();
    for (name, host, origin, status) in [
        ("the own host", own.as_str(), None, "101"),
        ("another host", "evil.example", None, "403"),
        ("another page", own.as_str(), Some("https://evil.example"), "403"),
        ("a page without an origin", own.as_str(), Some("null"), "403"),
    ] {
        let answer = upgrade(arena, host, origin).await?;
        let seen = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        findings.push(Finding::new(
            format!("R7: a session for {name}: {status}"),
            seen == status,
            seen,
        ));
    }
    Ok(findings)
}

/// The first bytes of the answer to a request for a session.
async fn upgrade(arena: &Arena, host: &str, origin: Option<&str>) -> Result<String> {
    let origin = origin.map(|origin| format!("origin: {origin}\r\n")).unwrap_or_default();
    let request = format!(
        "GET / HTTP/1.1\r\nhost: {host}\r\n{origin}connection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let io = || TestnetError::io("a request for a session");
    let mut socket = TcpStream::connect(arena.ws()).await.map_err(io())?;
    socket.write_all(request.as_bytes()).await.map_err(io())?;
    let mut answer = [0; 256];
    let read = socket.read(&mut answer).await.map_err(io())?;
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}
