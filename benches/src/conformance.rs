//! T17: Ethereum's blockchain tests through this node's storage, state root and executor, beside
//! `revme btest` on the same files. Both on one thread.

use crate::{machine::Quiet, stats::Summary};
use eyre::{OptionExt, Result, WrapErr};
use serde::Serialize;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// Programs and files of the row.
#[derive(Debug, Clone)]
pub struct Suites {
    /// The `peruri-ef-tests` program, built for release.
    pub ef_tests: PathBuf,
    /// The `revme` program.
    pub revme: PathBuf,
    /// Folder of blockchain tests.
    pub files: PathBuf,
}

/// One run over all files.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Run {
    /// Cases that passed.
    pub passed: u64,
    /// Cases that failed; revme counts files.
    pub failed: u64,
    /// From the start of the process to its end.
    pub seconds: f64,
}

/// One round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    /// The machine before it.
    pub quiet: Quiet,
    /// This project.
    pub peruri: Run,
    /// revme.
    pub revme: Run,
}

/// All rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Conformance {
    /// The rounds.
    pub rounds: Vec<Round>,
}

impl Conformance {
    /// Median and range of a figure over the undisturbed rounds.
    pub fn of(&self, figure: impl Fn(&Round) -> f64) -> Option<Summary> {
        Summary::of(self.rounds.iter().filter(|round| round.quiet.quiet).map(figure))
    }
}

/// Runs both in interleaved rounds.
///
/// # Errors
/// If a program cannot be run, or says something else than its counts.
pub fn measure(suites: &Suites, folder: &Path, rounds: usize) -> Result<Conformance> {
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let quiet = Quiet::wait(folder)?;
        let mut own = Command::new(&suites.ef_tests);
        let peruri = run(own.arg(&suites.files).args(["--jobs", "1"]), own_counts)?;
        let mut theirs = Command::new(&suites.revme);
        theirs.args(["btest", "--keep-going", "--omit-progress", "--json"]).arg(&suites.files);
        let revme = run(&mut theirs, revme_counts)?;
        eprintln!("T17: round {round}: peruri {peruri:?}, revme {revme:?}");
        measured.push(Round { quiet, peruri, revme });
    }
    Ok(Conformance { rounds: measured })
}

/// Counts of passed and failed cases in a program's output.
type Counts = fn(&str) -> Option<(u64, u64)>;

fn run(command: &mut Command, counts: Counts) -> Result<Run> {
    let start = Instant::now();
    let output = command.output().wrap_err_with(|| format!("{command:?}"))?;
    let seconds = start.elapsed().as_secs_f64();
    let said = String::from_utf8_lossy(&output.stdout);
    let counted = counts(&said).ok_or_eyre("a conformance run without counts");
    let (passed, failed) = counted.wrap_err_with(|| format!("{command:?}"))?;
    Ok(Run { passed, failed, seconds })
}

/// `N passed, N failed, N skipped`.
fn own_counts(said: &str) -> Option<(u64, u64)> {
    let mut words = said.lines().last()?.split(' ');
    let passed = words.next()?.parse().ok()?;
    let failed = words.nth(1)?.parse().ok()?;
    Some((passed, failed))
}

/// A last line `{"summary": {"passed": N, "failed": N, …}}`.
fn revme_counts(said: &str) -> Option<(u64, u64)> {
    let summary: Value = serde_json::from_str(said.lines().last()?).ok()?;
    let count = |key: &str| summary["summary"][key].as_u64();
    Some((count("passed")?, count("failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_say_their_counts_last() {
        assert_eq!(own_counts("1234 passed, 5 failed, 6 skipped\n"), Some((1234, 5)));
        assert_eq!(own_counts("no such folder"), None);
        let said = "{\"file\":\"a\"}\n{\"summary\":{\"passed\":7,\"failed\":1,\"skipped\":0}}\n";
        assert_eq!(revme_counts(said), Some((7, 1)));
        assert_eq!(revme_counts(""), None);
    }
}
