//! Exit codes.

use peruri_plog::{Report, verify::Check};
use std::{io, process::ExitCode};

/// Everything holds.
pub(crate) const OK: u8 = 0;

/// The receipts hold, but the log or the proof does not fit them.
pub(crate) const DOES_NOT_FIT: u8 = 3;

/// The receipt does not hold: 10 and the number of the step.
pub(crate) fn of_report(report: &Report) -> u8 {
    match report.failure() {
        Some(step) => step.check.number().saturating_add(10),
        // No failed step and no verified receipt cannot be, and is not a yes.
        None if !report.ok() => Check::Container.number().saturating_add(10),
        None => OK,
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Wrong usage, or a file that cannot be used: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The answer cannot be written: exit code 1.
    #[error("the answer cannot be written: {0}")]
    Output(#[from] io::Error),
    /// The answer cannot be put together: exit code 1.
    #[error("the answer cannot be put together: {0}")]
    Json(#[from] serde_json::Error),
}

/// Reports a failure and gives the exit code.
pub(crate) fn finish(result: Result<u8, Failure>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("plog-verify: {failure}");
            ExitCode::from(if matches!(failure, Failure::Usage(_)) { 2 } else { 1 })
        }
    }
}
