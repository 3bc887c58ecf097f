//! C11 RPC batch: 100 balances in one body through the server over loopback, beside the same bytes
//! read and the same answers made with nothing in between.

#![allow(missing_docs)]

use alloy_primitives::{Address, U256};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hyper::body::Bytes;
use peruri_benches::{
    chain::{Chain, SENDERS},
    server::serve,
};
use peruri_storage::ProviderFactory;
use peruri_testnet::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::hint::black_box;

const BATCH: usize = 100;

#[derive(Deserialize)]
struct Request {
    id: u64,
    params: (Address, String),
}

#[derive(Serialize)]
struct Response {
    jsonrpc: &'static str,
    id: u64,
    result: U256,
}

fn body(accounts: &[Address]) -> Bytes {
    let request = |(id, account): (usize, &Address)| {
        let params = json!([account, "latest"]);
        json!({ "jsonrpc": "2.0", "id": id, "method": "eth_getBalance", "params": params })
    };
    let requests: serde_json::Value = accounts.iter().enumerate().map(request).collect();
    requests.to_string().into()
}

/// What cannot be left out: the requests are read, each balance is read, the answers are written.
fn bare(factory: &ProviderFactory, body: &[u8]) -> Vec<u8> {
    let requests: Vec<Request> = serde_json::from_slice(body).expect("JSON");
    let answer = |Request { id, params: (account, _) }| {
        let account = factory.latest().expect("state").account(&account).expect("read");
        let result = account.map_or(U256::ZERO, |account| account.balance);
        Response { jsonrpc: "2.0", id, result }
    };
    let answers: Vec<Response> = requests.into_iter().map(answer).collect();
    serde_json::to_vec(&answers).expect("JSON")
}

fn batch(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("folder");
    let chain = Chain::create(folder.path(), 2 * SENDERS as u64).expect("chain");
    let accounts: Vec<Address> = chain.holders().into_iter().step_by(397).take(BATCH).collect();
    let body = body(&accounts);
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let server = runtime.block_on(serve(&chain.factory, chain.evm.clone(), "eth"));
    let (server, address) = server.expect("started");
    let mut connection = runtime.block_on(Connection::open(address)).expect("connected");
    let answer = runtime.block_on(connection.post(body.clone())).expect("answered");
    assert_eq!(answer, bare(&chain.factory, &body), "both ways give the same bytes");

    let mut group = criterion.benchmark_group("C11 RPC batch of 100 balances");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("through the server", |bencher| {
        bencher.iter(|| runtime.block_on(connection.post(body.clone())).expect("answered"));
    });
    group.bench_function("bare reading and writing", |bencher| {
        bencher.iter(|| black_box(bare(&chain.factory, &body)));
    });
    group.finish();
    runtime.block_on(server.stop());
}

criterion_group!(benches, batch);
criterion_main!(benches);
