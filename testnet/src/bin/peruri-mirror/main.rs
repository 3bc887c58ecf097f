//! The activity mirror under faults: every accepted activity becomes exactly one entry of the log, at the
//! number that its caller was told, whatever is killed, stalled, restored or sent twice.

mod exactly_once;
mod faults;
mod governance;
mod network;
mod pressure;
mod privacy;
mod queue;
mod restore;
mod told;
mod wire;

use clap::{Parser, ValueEnum};
use peruri_testnet::{Judge, Result, judge};
use std::{path::PathBuf, process::ExitCode};

/// Plays scenarios of the activity mirror and judges them.
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program.
    #[arg(long)]
    node: PathBuf,
    /// The scenarios; all without it.
    #[arg(long, value_enum)]
    only: Vec<Word>,
    /// Activities of the run with faults.
    #[arg(long, default_value_t = 2_000)]
    activities: usize,
    /// Faults of that run.
    #[arg(long, default_value_t = 20)]
    faults: usize,
    /// Seconds for which the chain stands still once in that run.
    #[arg(long, default_value_t = 5)]
    stall: u64,
    /// Seconds of submissions while the chain stands still.
    #[arg(long, default_value_t = 8)]
    pressure: u64,
    /// Seed of faults and deliveries; printed, so that a run can be repeated.
    #[arg(long)]
    seed: Option<u64>,
}

/// A scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    /// Answers to good and bad calls.
    Wire,
    /// Shuffled repeats under faults.
    ExactlyOnce,
    /// Canaries are found nowhere.
    Privacy,
    /// Submissions while the chain stands still.
    Pressure,
    /// An old data folder.
    Restore,
    /// The source is switched off and on; its key is used twice.
    Governance,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.only.is_empty() {
        arguments.only = Word::value_variants().to_vec();
    }
    judge("the mirror", false, None, async |judge: &mut Judge| play(&arguments, judge).await).await
}

async fn play(arguments: &Arguments, judge: &mut Judge) -> Result<()> {
    for word in &arguments.only {
        eprintln!("==> {word:?}");
        let program = &arguments.node;
        match word {
            Word::Wire => wire::play(program, judge).await?,
            Word::ExactlyOnce => exactly_once::play(arguments, judge).await?,
            Word::Privacy => privacy::play(program, judge).await?,
            Word::Pressure => pressure::play(program, arguments.pressure, judge).await?,
            Word::Restore => restore::play(program, judge).await?,
            Word::Governance => governance::play(program, judge).await?,
        }
    }
    Ok(())
}
