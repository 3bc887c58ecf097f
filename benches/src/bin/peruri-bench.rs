//! `make bench`: runs the rows, prints the table, leaves JSON beside it.

use clap::Parser;
use eyre::{Result, ensure};
use peruri_benches::{
    import,
    machine::Machine,
    network, plog,
    report::{Report, criterion_parts},
    subject::Programs,
    sync,
    throughput::{self, T1, T2, T3},
};
use std::{fs, path::PathBuf};

/// Measures peruri-node beside anvil and bare revm.
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program, built for release.
    #[arg(long)]
    node: PathBuf,
    /// The anvil program.
    #[arg(long)]
    anvil: PathBuf,
    /// Rows to measure.
    #[arg(long, value_delimiter = ',', default_value = "T1,T3,T5,sync,plog,T15,memory")]
    rows: Vec<String>,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Transactions of a round of transfers; mints are half as many.
    #[arg(long, default_value_t = 64_000)]
    transactions: usize,
    /// Blocks of the chain that is synced.
    #[arg(long, default_value_t = 300)]
    sync_blocks: u64,
    /// Entries of a round of the transparency log.
    #[arg(long, default_value_t = 204_800)]
    plog_entries: usize,
    /// Entries of the log whose index is fed.
    #[arg(long, default_value_t = 10_000_000)]
    plog_leaves: u64,
    /// Accounts in the state of block import.
    #[arg(long, default_value_t = 1_000_000)]
    accounts: u64,
    /// Folder of criterion's results.
    #[arg(long)]
    criterion: Option<PathBuf>,
    /// Where table and JSON go; also the disk that is measured on.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Err(backend) = peruri_primitives::assert_libsecp256k1() {
        eyre::bail!("sender recovery runs on {backend}, not on libsecp256k1");
    }
    ensure!(!cfg!(debug_assertions), "build with --release to measure");
    fs::create_dir_all(&arguments.out)?;
    let folder = tempfile::tempdir_in(&arguments.out)?;
    let wanted = |id: &str| arguments.rows.iter().any(|row| row == id);
    let import = match wanted("T15") {
        true => Some(import::measure(folder.path(), arguments.accounts, arguments.rounds)?),
        false => None,
    };
    let programs = Programs {
        node: arguments.node.clone(),
        anvil: arguments.anvil.clone(),
        folder: folder.path().to_owned(),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut measured = Vec::new();
    for row in [T1, T2, T3].into_iter().filter(|row| wanted(row.id)) {
        let transactions =
            if row == T1 { arguments.transactions } else { arguments.transactions / 2 };
        measured.push(runtime.block_on(throughput::measure(
            row,
            &programs,
            transactions,
            arguments.rounds,
        ))?);
    }
    let networks = match wanted("T5") {
        true => Some(runtime.block_on(network::measure(
            &programs,
            arguments.transactions / 2,
            arguments.rounds,
        ))?),
        false => None,
    };
    let sync = match wanted("sync") {
        true => {
            let blocks = arguments.sync_blocks;
            Some(runtime.block_on(sync::measure(&programs, blocks, arguments.rounds))?)
        }
        false => None,
    };
    let plog = match wanted("plog") {
        true => {
            let (entries, leaves) = (arguments.plog_entries, arguments.plog_leaves);
            Some(runtime.block_on(plog::measure(&programs, entries, arguments.rounds, leaves))?)
        }
        false => None,
    };
    let memory = match wanted("memory") {
        true => Some(runtime.block_on(throughput::memory(&programs, 1_024_000))?),
        false => None,
    };
    let parts = arguments.criterion.as_deref().map_or(Ok(Vec::new()), criterion_parts)?;
    let machine = Machine::read()?;
    let report =
        Report { machine, throughput: measured, networks, sync, plog, import, memory, parts };
    report.write(&arguments.out)?;
    println!("{}", report.table());
    Ok(())
}
