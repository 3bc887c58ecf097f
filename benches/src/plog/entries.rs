//! Entries through full blocks.

use super::proofs::{self, Proofs};
use crate::{
    load,
    machine::{Quiet, cpu_time},
    subject::{CHAIN_ID, GAS_LIMIT, Programs},
};
use alloy_primitives::{Address, B256, keccak256};
use alloy_sol_types::SolCall;
use eyre::{OptionExt, Result, ensure};
use hyper::body::Bytes;
use peruri_chainspec::PLOG_ADDRESS;
use peruri_evm::plog::abi::IPlog;
use peruri_plog::{Entry, EntryType};
use peruri_testnet::{GenesisFile, Network, Node, NodeOptions, Wallet};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};
use std::{fs, time::Instant};

/// The log.
pub(super) const LOG: B256 = B256::repeat_byte(0x61);
/// Entries of one call.
const BATCH: usize = 256;
/// Sources, each with a signer and a connection of its own.
const SOURCES: usize = 4;
/// Calls in a body.
const BODY: usize = 8;
/// Gas offered for a call.
const CALL_GAS: u64 = 4_000_000;
const NETWORK: Network = Network { chain_id: CHAIN_ID, max_fee_per_gas: 0 };

/// One round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    /// The machine before it.
    pub quiet: Quiet,
    /// Entries final a second, from the first request to the sight of the last block.
    pub per_second: f64,
    /// The node's CPU time per entry in microseconds.
    pub cpu_us: f64,
}

/// All rounds on one node, whose log grows.
#[derive(Debug, Clone, Serialize)]
pub struct Entries {
    /// Entries of a round.
    pub entries: usize,
    /// The rounds.
    pub rounds: Vec<Round>,
    /// Bytes on disk per entry, look-ups included.
    pub bytes_per_entry: f64,
}

pub(super) async fn measure(
    programs: &Programs,
    entries: usize,
    rounds: usize,
) -> Result<(Entries, Proofs)> {
    let calls = (entries / (SOURCES * BATCH)).max(1);
    let entries = calls * SOURCES * BATCH;
    eprintln!("PLOG: signing {} calls of {BATCH} entries", rounds * calls * SOURCES);
    let mut sources = (1..=SOURCES as u32).map(Source::new).collect::<Result<Vec<_>>>()?;
    let options = start(programs, &sources).await?;
    let node = Node::start(&options).await?;
    let client = node.client();
    let pid = node.pid().ok_or_eyre("no process")?;
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let bodies =
            sources.par_iter_mut().map(|it| it.bodies(calls)).collect::<Result<Vec<_>>>()?;
        let quiet = Quiet::wait(&programs.folder)?;
        let from = client.block_number().await?;
        let (cpu, start) = (cpu_time(pid)?, Instant::now());
        load::send(&[client.address()], bodies).await?;
        load::mined(client, from, calls * SOURCES).await?;
        let (wall, cpu) = (start.elapsed(), cpu_time(pid)?.saturating_sub(cpu));
        let log = client.call("plog_getLog", json!([LOG])).await?;
        ensure!(log["size"] == round * entries, "not all entries are there: {log}");
        let per_second = entries as f64 / wall.as_secs_f64();
        eprintln!("PLOG: round {round}: {per_second:.0} entries a second");
        let cpu_us = cpu.as_secs_f64() * 1e6 / entries as f64;
        measured.push(Round { quiet, per_second, cpu_us });
    }
    let leaves = (rounds * entries) as u64;
    let by_rpc = proofs::by_rpc(client.address(), leaves).await?;
    node.stop().await?;
    let (proofs, bytes_per_entry) = proofs::from_index(&options, leaves, by_rpc)?;
    Ok((Entries { entries, rounds: measured, bytes_per_entry }, proofs))
}

/// A validator on its own with the log from the genesis block on.
async fn start(programs: &Programs, sources: &[Source]) -> Result<NodeOptions> {
    let folder = programs.folder.join("plog");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let genesis = GenesisFile {
        chain_id: CHAIN_ID,
        block_period_seconds: 1,
        gas_limit: GAS_LIMIT,
        funded: sources.iter().map(|source| source.wallet.address()).collect(),
        plog: Some(config(sources)),
        ..GenesisFile::pilot()
    };
    let arguments = ["--http.api", "eth,net,web3,plog", "--db.min-free", "256"];
    Ok(genesis.solo(&programs.node, &folder).await?.with_args(arguments))
}

fn config(sources: &[Source]) -> Value {
    let listed = |source: &Source| json!({ "id": source.id, "signer": source.wallet.address() });
    json!({
        "governance": Address::repeat_byte(0x60),
        "logs": [{ "id": LOG, "mode": 0 }],
        "sources": sources.iter().map(listed).collect::<Vec<_>>(),
        "writers": sources.iter().map(|it| json!({ "log": LOG, "source": it.id })).collect::<Vec<_>>(),
    })
}

/// A source and the number of its next entry.
struct Source {
    id: u32,
    wallet: Wallet,
    next_seq: u64,
}

impl Source {
    fn new(id: u32) -> Result<Self> {
        let wallet = Wallet::fresh(2_000_000 + u64::from(id), NETWORK)?;
        Ok(Self { id, wallet, next_seq: 1 })
    }

    /// Bodies with the next `calls` calls.
    fn bodies(&mut self, calls: usize) -> Result<Vec<Bytes>> {
        let signed = (0..calls).map(|_| self.call()).collect::<Result<Vec<_>>>()?;
        Ok(signed.chunks(BODY).map(|calls| Value::from_iter(calls.to_vec())).map(body).collect())
    }

    /// The request of the next call.
    fn call(&mut self) -> Result<Value> {
        let first_seq = self.next_seq;
        self.next_seq += BATCH as u64;
        let entries: Vec<u8> =
            (first_seq..self.next_seq).flat_map(|seq| entry(self.id, seq).encode()).collect();
        let call = IPlog::appendCall {
            logId: LOG,
            sourceId: self.id,
            firstSeq: first_seq,
            entries: entries.into(),
        };
        let signed = self.wallet.call(PLOG_ADDRESS, call.abi_encode().into(), CALL_GAS)?;
        let params = [signed.raw];
        Ok(json!({
            "jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": params,
        }))
    }
}

fn body(requests: Value) -> Bytes {
    requests.to_string().into()
}

/// An entry as an activity has it: pseudonym, commitment and id look random.
pub(super) fn entry(source: u32, seq: u64) -> Entry {
    let random = |salt: u8| keccak256([&[salt][..], &seq.to_be_bytes(), &[source as u8]].concat());
    let mut activity_id = [0; 16];
    activity_id.copy_from_slice(&random(1)[..16]);
    Entry {
        kind: EntryType::Activity,
        flags: 0,
        schema: 1,
        source_id: source,
        source_seq: seq,
        occurred_at: 1_767_225_600_000 + seq * 37,
        activity_id,
        // 2,000 users.
        subject: keccak256((seq % 2_000).to_be_bytes()),
        commitment: random(2),
        effect: B256::ZERO,
    }
}
