//! T1 to T4: transactions over HTTP until they are mined, and the CPU time of each.

use crate::{
    load::{self, Kind, Plan},
    machine::{Quiet, own_cpu_time},
    stats::Summary,
    subject::{CHAIN_ID, Programs, Subject},
};
use eyre::{Result, ensure};
use peruri_testnet::Network;
use serde::Serialize;
use std::time::Instant;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its id: `T1`.
    pub id: &'static str,
    /// What is sent.
    pub kind: Kind,
    /// Requests in a body.
    pub batch: usize,
    /// Connections.
    pub connections: usize,
}

/// Transfers, batches of 100 over 4 connections.
pub const T1: Row = Row { id: "T1", kind: Kind::Transfers, batch: 100, connections: 4 };
/// Transfers, one request each over 16 connections.
pub const T2: Row = Row { id: "T2", kind: Kind::Transfers, batch: 1, connections: 16 };
/// ERC-20 mints to new holders, batches of 100 over 4 connections.
pub const T3: Row = Row { id: "T3", kind: Kind::Mints, batch: 100, connections: 4 };

/// One node in one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// The machine before it.
    pub quiet: Quiet,
    /// Transactions mined a second, from the first request to the sight of the last block.
    pub per_second: f64,
    /// Transactions accepted a second.
    pub accepted_per_second: f64,
    /// The node's CPU time per transaction in microseconds.
    pub cpu_us: f64,
    /// The load client's own, not part of the above.
    pub client_cpu_us: f64,
    /// The node's resident memory at the end, in MiB.
    pub resident_mib: f64,
}

/// All rounds of a row.
#[derive(Debug, Clone, Serialize)]
pub struct Throughput {
    /// The row's id.
    pub id: &'static str,
    /// Transactions in a round.
    pub transactions: usize,
    /// This project's samples.
    pub peruri: Vec<Sample>,
    /// anvil's.
    pub anvil: Vec<Sample>,
}

/// Median and range of a figure over the undisturbed samples.
pub fn of(samples: &[Sample], figure: impl Fn(&Sample) -> f64) -> Option<Summary> {
    Summary::of(samples.iter().filter(|sample| sample.quiet.quiet).map(figure))
}

/// Measures a row in interleaved rounds.
///
/// # Errors
/// If a node fails, or a transaction is refused or does not succeed.
pub async fn measure(
    row: Row,
    programs: &Programs,
    transactions: usize,
    rounds: usize,
) -> Result<Throughput> {
    let network = Network { chain_id: CHAIN_ID, max_fee_per_gas: 0 };
    eprintln!("{}: signing {transactions} transactions", row.id);
    let plan = Plan::sign(row.kind, network, transactions, row.batch, row.connections)?;
    let (mut peruri, mut anvil) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for (subject, samples) in [(Subject::Peruri, &mut peruri), (Subject::Anvil, &mut anvil)] {
            let sample = sample(subject, programs, &plan).await?;
            eprintln!(
                "{}: round {round}: {} {:.0} a second, {:.0} CPU µs",
                row.id,
                subject.name(),
                sample.per_second,
                sample.cpu_us
            );
            samples.push(sample);
        }
    }
    Ok(Throughput { id: row.id, transactions, peruri, anvil })
}

async fn sample(subject: Subject, programs: &Programs, plan: &Plan) -> Result<Sample> {
    let quiet = Quiet::wait(&programs.folder)?;
    let node = subject.start(programs, &plan.senders).await?;
    let client = node.client();
    load::prepare(&client, plan).await?;
    let from = client.block_number().await?;
    let (cpu, own, start) = (node.cpu_time()?, own_cpu_time()?, Instant::now());
    let sent = load::send(&[node.address()], plan.bodies.clone()).await?;
    load::mined(&client, from, plan.transactions).await?;
    let wall = start.elapsed();
    let (cpu, own) = (node.cpu_time()? - cpu, own_cpu_time()? - own);
    let resident_mib = node.resident_mib()?;
    let succeeded = load::succeeded(&client, plan).await?;
    ensure!(
        succeeded == plan.transactions,
        "{}: {succeeded} of {} transactions succeeded",
        subject.name(),
        plan.transactions
    );
    node.stop().await?;
    let each = plan.transactions as f64;
    Ok(Sample {
        quiet,
        per_second: each / wall.as_secs_f64(),
        accepted_per_second: each / sent.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / each,
        client_cpu_us: own.as_secs_f64() * 1e6 / each,
        resident_mib,
    })
}
