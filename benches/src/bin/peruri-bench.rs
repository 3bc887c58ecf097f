//! `make bench`: runs the rows, prints the table, leaves JSON beside it.

use clap::Parser;
use eyre::{Result, ensure};
use peruri_benches::{
    activity,
    conformance::{self, Conformance, Suites},
    growth, import,
    machine::Machine,
    mirror::{self, Mirror, Plan},
    network, plog,
    reads::{self, T9, T10, T11},
    report::{Report, criterion_parts},
    subject::Programs,
    sync,
    throughput::{self, T1, T2, T3, Throughput},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Measures peruri-node beside anvil, bare revm and revme.
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program, built for release.
    #[arg(long)]
    node: PathBuf,
    /// The anvil program.
    #[arg(long)]
    anvil: PathBuf,
    /// The peruri-ef-tests program, built for release (T17).
    #[arg(long)]
    ef_tests: Option<PathBuf>,
    /// The revme program (T17).
    #[arg(long)]
    revme: Option<PathBuf>,
    /// Folder of Ethereum's blockchain tests (T17).
    #[arg(long)]
    vectors: Option<PathBuf>,
    /// Rows to measure.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "T1,T2,T3,T5,T9,T10,T11,sync,plog,T12,T13,steady,burst,submit-batch,T15,T16,T17"
    )]
    rows: Vec<String>,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Transfers of a round of T1; other rows send as much as takes them as long. With fewer, the wait for
    /// the last block would weigh more than the work.
    #[arg(long, default_value_t = 256_000)]
    transactions: usize,
    /// Milliseconds for which a node is asked one question in a round.
    #[arg(long, default_value_t = 1_500)]
    question_ms: u64,
    /// Blocks of the chain that is synced.
    #[arg(long, default_value_t = 300)]
    sync_blocks: u64,
    /// Entries of a round of the transparency log.
    #[arg(long, default_value_t = 204_800)]
    plog_entries: usize,
    /// Entries of the log whose index is fed.
    #[arg(long, default_value_t = 10_000_000)]
    plog_leaves: u64,
    /// Activities of a round of the mirror, where they are not offered at a constant rate.
    #[arg(long, default_value_t = 50_000)]
    activities: usize,
    /// Activities that are offered a second (T13).
    #[arg(long, default_value_t = 10_000)]
    offered: usize,
    /// Seconds for which they are.
    #[arg(long, default_value_t = 15)]
    offered_seconds: usize,
    /// Seconds between blocks meanwhile.
    #[arg(long, default_value_t = 1)]
    offered_period: u64,
    /// Seconds for which 200 activities a second are offered (steady).
    #[arg(long, default_value_t = 60)]
    steady_seconds: usize,
    /// Accounts in the state of block import.
    #[arg(long, default_value_t = 1_000_000)]
    accounts: u64,
    /// Transfers after which memory and disk are looked at, and again after ten times as many.
    #[arg(long, default_value_t = growth::S1)]
    growth_transfers: usize,
    /// Folder of criterion's results.
    #[arg(long)]
    criterion: Option<PathBuf>,
    /// Where table and JSON go; also the disk that is measured on.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Runs a build that is not for release, to try a row: its figures say nothing.
    #[arg(long)]
    unoptimised: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Err(backend) = peruri_primitives::assert_libsecp256k1() {
        eyre::bail!("sender recovery runs on {backend}, not on libsecp256k1");
    }
    let optimised = !cfg!(debug_assertions);
    ensure!(optimised || arguments.unoptimised, "build with --release to measure");
    fs::create_dir_all(&arguments.out)?;
    let folder = tempfile::tempdir_in(&arguments.out)?;
    let report = measure(&arguments, folder.path())?;
    report.write(&arguments.out)?;
    println!("{}", report.table());
    Ok(())
}

/// Measures the wanted rows, with files under `folder`.
fn measure(arguments: &Arguments, folder: &Path) -> Result<Report> {
    let rounds = arguments.rounds;
    let wanted = |id: &str| arguments.rows.iter().any(|row| row == id);
    // In this process: first, while its memory is fresh.
    let import = wanted("T15").then(|| import::measure(folder, arguments.accounts, rounds));
    let import = import.transpose()?;
    let programs = Programs {
        node: arguments.node.clone(),
        anvil: arguments.anvil.clone(),
        folder: folder.to_owned(),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let throughput = throughput(arguments, &programs, &runtime)?;
    let questions = [T9, T10, T11].into_iter().filter(|row| wanted(row.id)).collect::<Vec<_>>();
    let window = Duration::from_millis(arguments.question_ms);
    let reads = runtime.block_on(reads::measure(&questions, &programs, window, rounds))?;
    let networks = wanted("T5")
        .then(|| network::measure(&programs, arguments.transactions / 8, rounds))
        .map(|it| runtime.block_on(it));
    let sync = wanted("sync")
        .then(|| sync::measure(&programs, arguments.sync_blocks, rounds))
        .map(|it| runtime.block_on(it));
    let plog = wanted("plog")
        .then(|| plog::measure(&programs, arguments.plog_entries, rounds, arguments.plog_leaves))
        .map(|it| runtime.block_on(it));
    let activity = wanted("T12")
        .then(|| activity::measure(folder, arguments.activities, rounds))
        .map(|it| runtime.block_on(it));
    let mirror = mirror(arguments, &programs, &runtime)?;
    let growth = wanted("T16")
        .then(|| growth::measure(&programs, arguments.growth_transfers))
        .map(|it| runtime.block_on(it));
    let conformance = match wanted("T17") {
        true => conformance(arguments, folder)?,
        false => None,
    };
    Ok(Report {
        machine: Machine::read()?,
        throughput,
        networks: networks.transpose()?,
        sync: sync.transpose()?,
        plog: plog.transpose()?,
        activity: activity.transpose()?.flatten(),
        mirror,
        import,
        reads,
        growth: growth.transpose()?,
        conformance,
        parts: arguments.criterion.as_deref().map_or(Ok(Vec::new()), criterion_parts)?,
    })
}

fn throughput(
    arguments: &Arguments,
    programs: &Programs,
    runtime: &tokio::runtime::Runtime,
) -> Result<Vec<Throughput>> {
    let mut measured = Vec::new();
    for row in [T1, T2, T3] {
        if arguments.rows.iter().any(|id| id == row.id) {
            let all = arguments.transactions;
            let transactions = if row == T1 { all } else { all / 2 };
            let of_row = throughput::measure(row, programs, transactions, arguments.rounds);
            measured.push(runtime.block_on(of_row)?);
        }
    }
    Ok(measured)
}

fn mirror(
    arguments: &Arguments,
    programs: &Programs,
    runtime: &tokio::runtime::Runtime,
) -> Result<Mirror> {
    let Arguments { activities, rounds, offered, offered_seconds, .. } = *arguments;
    let Arguments { offered_period, steady_seconds, .. } = *arguments;
    let wanted = |id: &str| arguments.rows.iter().any(|row| row == id);
    let plans = [Plan::t13(offered, offered_seconds, offered_period), Plan::steady(steady_seconds)];
    let mut measured = Mirror::default();
    for plan in plans.into_iter().filter(|plan| wanted(plan.id)) {
        measured.paced.push(runtime.block_on(mirror::paced(programs, plan, rounds))?);
    }
    if wanted("burst") {
        measured.burst = Some(runtime.block_on(mirror::burst(programs, activities, rounds))?);
    }
    if wanted("submit-batch") {
        measured.batches = Some(runtime.block_on(mirror::batches(programs, activities, rounds))?);
    }
    Ok(measured)
}

/// Without peer or files the row is left out, and the reason told.
fn conformance(arguments: &Arguments, folder: &Path) -> Result<Option<Conformance>> {
    let Arguments { ef_tests, revme, vectors, .. } = arguments;
    let missing = match (ef_tests, revme, vectors) {
        (None, ..) => "no peruri-ef-tests (--ef-tests)",
        (_, None, _) => "no revme here (cargo install revme)",
        (.., None) => "no Ethereum blockchain tests here (PERURI_VECTORS)",
        (Some(ef_tests), Some(revme), Some(files)) => {
            let (ef_tests, revme) = (ef_tests.clone(), revme.clone());
            let suites = Suites { ef_tests, revme, files: files.clone() };
            return conformance::measure(&suites, folder, arguments.rounds).map(Some);
        }
    };
    eprintln!("T17: left out: {missing}");
    Ok(None)
}
