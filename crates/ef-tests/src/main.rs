//! Runs Ethereum blockchain tests through the node's storage, incremental state root and executor.
//!
//! `peruri-ef-tests PATH [--filter TEXT]`: a JSON file, or a folder with such files at any depth.
//! Each test gets a database of its own. Blocks are decoded, validated and executed on overlays;
//! then the chain that `lastblockhash` names is committed block by block, and the state in the
//! database is compared with the test's. Invalid blocks must be refused for the right class of
//! reason. Proof-of-work seals are not checked.
//!
//! Failures and skips are named on standard error; standard output is one line,
//! `N passed, N failed, N skipped`. The exit code is 0 with no failure and at least one pass, 2 if the path
//! has no tests.

mod exceptions;
mod files;
mod model;
mod network;
mod runner;
mod tree;

use std::{
    io::Write,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use clap::Parser;

use crate::{files::Case, runner::Outcome};

/// Runs Ethereum blockchain tests.
#[derive(Debug, Parser)]
#[command(name = "peruri-ef-tests", version, about)]
struct Args {
    /// JSON file, or folder with JSON files.
    path: PathBuf,
    /// Run only tests whose `file::name` contains this text.
    #[arg(long)]
    filter: Option<String>,
    /// Tests that run at the same time [default: number of cores].
    #[arg(long)]
    jobs: Option<usize>,
}

/// What became of the tests.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    fn note(&mut self, name: &str, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(reason) => {
                self.failed += 1;
                eprintln!("FAILED {name}: {reason}");
            }
            Outcome::Skipped(reason) => {
                self.skipped += 1;
                eprintln!("skipped {name}: {reason}");
            }
        }
    }
}

fn main() -> eyre::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::ERROR)
        .init();
    let args = Args::parse();
    let cases = match files::load(&args.path, args.filter.as_deref()) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("{error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    let jobs = args
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let tally = run_all(&cases, jobs.max(1));
    let mut stdout = std::io::stdout().lock();
    writeln!(
        stdout,
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    )?;
    let good = tally.failed == 0 && tally.passed > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs the tests on threads of their own. Not on rayon's: the state root uses its pool, and a
/// worker that waits for a part of a root would begin another whole test on top of it.
fn run_all(cases: &[Case], jobs: usize) -> Tally {
    let tally = Mutex::new(Tally::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = runner::run(case);
                    tally.lock().unwrap_or_else(PoisonError::into_inner).note(&case.name, &outcome);
                }
            });
        }
    });
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}
