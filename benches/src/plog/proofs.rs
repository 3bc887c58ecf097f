//! Inclusion proofs of a log: over JSON-RPC, from the index, and by `ct-merkle` in memory.

use super::entries::LOG;
use alloy_primitives::B256;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use eyre::{OptionExt, Result, ensure};
use hyper::body::Bytes;
use peruri_chainspec::ChainSpec;
use peruri_plog::{
    TreeNodes,
    proof::{inclusion_proof, root_at, verify_inclusion},
};
use peruri_storage::{DbOptions, ProviderFactory};
use peruri_testnet::{Connection, NodeOptions};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;
use std::{cell::Cell, fs, hint::black_box, net::SocketAddr, sync::Arc, time::Instant};

/// Proofs that are timed in process.
const IN_PROCESS: u64 = 50_000;
/// Proofs that are timed over JSON-RPC, by each of the connections.
const BY_RPC: u64 = 5_000;
const CONNECTIONS: u64 = 4;

/// Proofs a second.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Proofs {
    /// Entries of the log.
    pub leaves: u64,
    /// Over JSON-RPC with four connections.
    pub rpc_per_second: f64,
    /// From the index, one thread.
    pub index_per_second: f64,
    /// By `ct-merkle` over the same tree in memory, one thread.
    pub ct_merkle_per_second: f64,
    /// Nodes that a proof reads at most.
    pub most_reads: usize,
}

/// A walk over all indices that jumps about.
const fn walk(step: u64, leaves: u64) -> u64 {
    step.wrapping_mul(2_654_435_761) % leaves
}

/// The request for a proof.
fn request(index: u64) -> Bytes {
    let params = json!([LOG, index]);
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "plog_getInclusionProof", "params": params,
    });
    request.to_string().into()
}

/// Proofs a second of four connections.
pub(super) async fn by_rpc(server: SocketAddr, leaves: u64) -> Result<f64> {
    let start = Instant::now();
    let tasks = (0..CONNECTIONS).map(|connection| {
        tokio::spawn(async move {
            let mut http = Connection::open(server).await?;
            for step in 0..BY_RPC {
                let index = walk(connection * BY_RPC + step, leaves);
                let answer = http.post(request(index)).await?;
                let answer: Value = serde_json::from_slice(&answer)?;
                ensure!(answer["result"]["index"] == index, "no proof: {answer}");
            }
            Ok(())
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await??;
    }
    Ok((CONNECTIONS * BY_RPC) as f64 / start.elapsed().as_secs_f64())
}

/// Milliseconds of a proof on one connection: median and 99th percentile.
pub(super) async fn latency(server: SocketAddr, leaves: u64) -> Result<[f64; 2]> {
    let mut http = Connection::open(server).await?;
    let mut times = Vec::new();
    for step in 0..BY_RPC {
        let index = walk(step, leaves);
        let start = Instant::now();
        let answer = http.post(request(index)).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["result"]["index"] == index, "no proof: {answer}");
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok([times[times.len() / 2], times[times.len() * 99 / 100]])
}

/// Counts the nodes that are read.
struct Counted<'a, T>(&'a T, Cell<usize>);

impl<T: TreeNodes> TreeNodes for Counted<'_, T> {
    type Error = T::Error;

    fn node(&self, level: u8, index: u64) -> Result<B256, T::Error> {
        self.1.set(self.1.get() + 1);
        self.0.node(level, index)
    }
}

/// The same proofs from the index of a stopped node, and by `ct-merkle`; and bytes of the index on
/// disk per entry.
pub(super) fn from_index(
    options: &NodeOptions,
    leaves: u64,
    rpc_per_second: f64,
) -> Result<(Proofs, f64)> {
    let genesis = fs::read_to_string(options.chain.as_ref().ok_or_eyre("no genesis file")?)?;
    let spec = Arc::new(ChainSpec::from_genesis_json(&genesis)?.0);
    let db = options.datadir.join("db");
    let factory = ProviderFactory::open(db, spec.clone(), DbOptions::default())?;
    let tree = factory.plog()?.tree(LOG).ok_or_eyre("no entries")?;
    let root = root_at(&tree, leaves)?;
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    let view = factory.plog()?;
    let mut from = 0;
    while from < leaves {
        let page = view.entries(LOG, from, 10_000)?;
        from += page.len() as u64;
        page.iter().for_each(|record| theirs.push(record.entry.to_vec()));
    }
    ensure!(theirs.root().as_bytes().as_slice() == root.as_slice(), "the roots differ");
    let mut most_reads = 0;
    for step in 0..1_000 {
        let (index, counted) = (walk(step, leaves), Counted(&tree, Cell::new(0)));
        let path = inclusion_proof(&counted, index, leaves)?;
        verify_inclusion(&tree.node(0, index)?, index, leaves, &root, &path)?;
        most_reads = most_reads.max(counted.1.get());
    }
    let rate = |prove: &mut dyn FnMut(u64) -> Result<()>| -> Result<f64> {
        let start = Instant::now();
        (0..IN_PROCESS).try_for_each(|step| prove(walk(step, leaves)))?;
        Ok(IN_PROCESS as f64 / start.elapsed().as_secs_f64())
    };
    let index_per_second = rate(&mut |index| {
        black_box(inclusion_proof(&tree, index, leaves)?);
        Ok(())
    })?;
    let ct_merkle_per_second = rate(&mut |index| {
        black_box(theirs.prove_inclusion(index as usize));
        Ok(())
    })?;
    drop((tree, view));
    let bytes = bytes_of_index(factory, &options.datadir.join("copy"), spec)? / leaves as f64;
    let proofs =
        Proofs { leaves, rpc_per_second, index_per_second, ct_merkle_per_second, most_reads };
    Ok((proofs, bytes))
}

/// Bytes of the index's tables, after everything was written out.
fn bytes_of_index(
    factory: ProviderFactory,
    copy: &std::path::Path,
    spec: Arc<ChainSpec>,
) -> Result<f64> {
    factory.checkpoint(copy)?;
    drop(factory);
    let written = ProviderFactory::open(copy, spec, DbOptions::default())?;
    let columns = written.stats()?.columns;
    let of_log = columns.iter().filter(|column| column.name.starts_with("plog_"));
    Ok(of_log.map(|column| column.disk_bytes() as f64).sum())
}
