//! WebSocket sessions: a bounded number of requests is in flight on each.

use crate::support::{Node, Servers, error_of, raw_session, recv};
use jsonrpsee::{RpcModule, types::ErrorObjectOwned};
use peruri_rpc::{RpcLimits, RpcServerBuilder};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// Methods that end when they are told to.
struct Gate {
    open: Semaphore,
    calls: AtomicUsize,
}

/// `test_wait` answers when the gate lets it through, `test_large` at once with a mebibyte.
async fn serve(node: &Node, limits: RpcLimits) -> (Servers, Arc<Gate>) {
    let gate = Arc::new(Gate { open: Semaphore::new(0), calls: AtomicUsize::new(0) });
    let mut module = RpcModule::from_arc(gate.clone());
    module
        .register_async_method("test_wait", async |_, gate, _| {
            gate.calls.fetch_add(1, Ordering::SeqCst);
            gate.open.acquire().await.unwrap().forget();
            Ok::<_, ErrorObjectOwned>("done")
        })
        .unwrap();
    module
        .register_method("test_large", |_, gate, _| {
            gate.calls.fetch_add(1, Ordering::SeqCst);
            "x".repeat(1 << 20)
        })
        .unwrap();
    let mut config = node.config(limits);
    config.ws.as_mut().unwrap().namespaces.push("test".to_owned());
    let builder = RpcServerBuilder::new(config, node.handles()).extend_rpc_modules("test", module);
    (node.start(builder).await, gate)
}

fn request(id: usize, method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_place_in_time_is_refused_by_name() {
    let node = Node::new();
    let call_timeout = Duration::from_millis(100);
    let limits = RpcLimits { max_in_flight: 2, call_timeout, ..RpcLimits::default() };
    let (servers, gate) = serve(&node, limits).await;
    let (mut sender, mut receiver) = raw_session(servers.ws()).await;
    for id in 1..=3 {
        sender.send_text(request(id, "test_wait")).await.unwrap();
    }
    sender.flush().await.unwrap();
    let refused = recv(&mut receiver).await;
    assert_eq!(refused["id"], 3);
    assert_eq!(
        error_of(&refused),
        (-32005, "limit exceeded: rpc.max-in-flight is full (2)".to_owned())
    );
    // Another connection has places of its own.
    let (mut other, mut answers) = raw_session(servers.ws()).await;
    other.send_text(request(9, "eth_chainId")).await.unwrap();
    other.flush().await.unwrap();
    assert_eq!(recv(&mut answers).await["id"], 9);
    gate.open.add_permits(2);
    let mut ids =
        [recv(&mut receiver).await["id"].clone(), recv(&mut receiver).await["id"].clone()];
    ids.sort_by_key(|id| id.as_u64());
    assert_eq!(ids, [1, 2]);
    sender.send_text(request(4, "eth_chainId")).await.unwrap();
    sender.flush().await.unwrap();
    assert_eq!(recv(&mut receiver).await["result"], "0x1c54");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_beyond_the_bound_waits_and_is_answered() {
    let node = Node::new();
    let limits = RpcLimits { max_in_flight: 2, ..RpcLimits::default() };
    let (servers, _) = serve(&node, limits).await;
    let (mut sender, mut receiver) = raw_session(servers.ws()).await;
    for id in 0..500 {
        sender.send_text(request(id, "eth_chainId")).await.unwrap();
    }
    sender.flush().await.unwrap();
    let mut seen = vec![false; 500];
    for _ in 0..500 {
        let answer = recv(&mut receiver).await;
        assert_eq!(answer["result"], "0x1c54");
        seen[answer["id"].as_u64().unwrap() as usize] = true;
    }
    assert!(seen.into_iter().all(|seen| seen));
}

/// What it costs: a mebibyte for each place, and what the system keeps for the socket.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_not_worked_for() {
    const REQUESTS: usize = 200;
    let node = Node::new();
    let call_timeout = Duration::from_secs(60);
    let limits = RpcLimits { max_in_flight: 4, call_timeout, ..RpcLimits::default() };
    let (servers, gate) = serve(&node, limits).await;
    let (mut sender, mut receiver) = raw_session(servers.ws()).await;
    for id in 0..REQUESTS {
        sender.send_text(request(id, "test_large")).await.unwrap();
    }
    sender.flush().await.unwrap();
    let calls = || gate.calls.load(Ordering::SeqCst);
    let mut last = usize::MAX;
    while last != calls() {
        last = calls();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!((1..REQUESTS / 2).contains(&last), "{last} calls");
    for _ in 0..REQUESTS {
        assert_eq!(recv(&mut receiver).await["result"].as_str().unwrap().len(), 1 << 20);
    }
    assert_eq!(calls(), REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_is_refused_and_the_session_lives() {
    let node = Node::new();
    let limits = RpcLimits { max_request_bytes: 1000, ..RpcLimits::default() };
    let (servers, _) = serve(&node, limits).await;
    let (mut sender, mut receiver) = raw_session(servers.ws()).await;
    sender.send_text(request(1, &"x".repeat(1000))).await.unwrap();
    sender.send_text(request(2, "eth_chainId")).await.unwrap();
    sender.flush().await.unwrap();
    assert_eq!(error_of(&recv(&mut receiver).await).0, -32007);
    assert_eq!(recv(&mut receiver).await["id"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_is_under_way() {
    let node = Node::new();
    let (servers, gate) = serve(&node, RpcLimits::default()).await;
    let (mut sender, mut receiver) = raw_session(servers.ws()).await;
    sender.send_text(request(1, "test_wait")).await.unwrap();
    sender.flush().await.unwrap();
    while gate.calls.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stopped = tokio::spawn(servers.handle.stop());
    gate.open.add_permits(1);
    assert_eq!(recv(&mut receiver).await["result"], "done");
    let mut rest = Vec::new();
    let closed = receiver.receive(&mut rest).await;
    assert!(matches!(closed, Ok(soketto::Incoming::Closed(_)) | Err(_)), "{closed:?}");
    stopped.await.unwrap();
}
