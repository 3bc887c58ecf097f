//! What a command's failure means for the process: the one place where exit codes are decided.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | the node or the machine failed: a full disk, a damaged database, a missing permission |
//! | 2 | the input was wrong: flag, config file, genesis, key file; nothing was written |
//! | 11 to 21 | `plog verify`: the receipt fails at a step, as `plog-verify` says it |

use jsonrpsee::{core::client::Error as ClientError, types::ErrorObjectOwned};
use std::process::ExitCode;

/// The input of a command is wrong; the message names the field or file.
///
/// Everything else that a command returns counts as a failure of the node or the machine.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl UsageError {
    /// A wrong input, described in full.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// A wrong input that another error describes; `what` says which input it was.
    pub fn with_source(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { message: what.into(), source: Some(source.into()) }
    }
}

/// A receipt that does not hold; the report was printed.
#[derive(Debug, thiserror::Error)]
#[error("the receipt does not hold")]
pub struct ReceiptFails {
    /// The exit code of `plog-verify`.
    pub code: u8,
}

/// Turns a library's error about the input into a [`UsageError`].
pub trait OrUsage<T> {
    /// `what` names the input, for example the path of the file.
    ///
    /// # Errors
    ///
    /// [`UsageError`] with the original error as its source.
    fn or_usage(self, what: impl Into<String>) -> eyre::Result<T>;
}

impl<T, E> OrUsage<T> for Result<T, E>
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn or_usage(self, what: impl Into<String>) -> eyre::Result<T> {
        self.map_err(|error| UsageError::with_source(what, error).into())
    }
}

/// The exit code of a finished command: that of a [`ReceiptFails`], 2 if a [`UsageError`] is anywhere in
/// the chain, else 1.
pub fn code(result: &eyre::Result<()>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(report) if is_usage(report) => 2,
        Err(report) => report.downcast_ref().map_or(1, |receipt: &ReceiptFails| receipt.code),
    }
}

/// Writes the error, if there is one, to standard error in one line and gives the exit code.
pub fn finish(result: eyre::Result<()>) -> ExitCode {
    let code = code(&result);
    if let Err(report) = result {
        eprintln!("error: {}", describe(&report));
    }
    ExitCode::from(code)
}

/// What an operator can do about a full disk; behind the error that says which file could not be
/// written.
const NO_SPACE: &str = "the disk is full: make space on it or move the folder to a larger one, then \
    start again; every acknowledged block is kept, so remove nothing from the data folder or the sign \
    state";

/// The error and its causes, joined by `: `, and what to do about it where that is known. A cause that
/// the text before it tells already is left out.
pub fn describe(report: &eyre::Report) -> String {
    let mut text = String::new();
    for cause in report.chain().map(tell) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    if is_disk_full(report, &text) { format!("{text}; {NO_SPACE}") } else { text }
}

/// An error's own text; a node's refusal as message, code and data, where the client would show its
/// type.
fn tell(cause: &(dyn std::error::Error + 'static)) -> String {
    let Some(refusal) = refusal(cause) else { return cause.to_string() };
    let data = refusal.data().map(|data| format!(", {data}")).unwrap_or_default();
    format!("{} (code {}{data})", refusal.message(), refusal.code())
}

fn refusal<'e>(cause: &'e (dyn std::error::Error + 'static)) -> Option<&'e ErrorObjectOwned> {
    match cause.downcast_ref() {
        Some(ClientError::Call(refusal)) => Some(refusal),
        _ => cause.downcast_ref(),
    }
}

/// RocksDB tells the system's error as text only.
fn is_disk_full(report: &eyre::Report, text: &str) -> bool {
    let by_kind = report.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| {
            matches!(
                error.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            )
        })
    });
    by_kind || text.contains("No space left on device") || text.contains("Disk quota exceeded")
}

fn is_usage(report: &eyre::Report) -> bool {
    report.chain().any(|cause| cause.is::<UsageError>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyre::WrapErr;

    #[test]
    fn wrong_input_is_two_and_anything_else_one() {
        assert_eq!(code(&Ok(())), 0);
        assert_eq!(code(&Err(eyre::eyre!("disk full"))), 1);
        assert_eq!(code(&Err(UsageError::new("--period: 0").into())), 2);
        assert_eq!(code(&Err(ReceiptFails { code: 14 }.into())), 14);
    }

    #[test]
    fn context_around_a_usage_error_keeps_its_code() {
        let inner: eyre::Result<()> = "x".parse::<u64>().map(drop).or_usage("--limit");
        let outer = inner.wrap_err("cannot start");
        assert_eq!(code(&outer), 2);
        let text = describe(&outer.expect_err("an error"));
        assert_eq!(text, "cannot start: --limit: invalid digit found in string");
    }

    #[test]
    fn a_cause_is_told_once() {
        let error = eyre::eyre!("inner").wrap_err("storage: inner").wrap_err("task engine");
        assert_eq!(describe(&error), "task engine: storage: inner");
    }

    #[test]
    fn a_refusal_of_the_node_reads_as_a_sentence() {
        let data = serde_json::json!({ "size": 7 });
        let refusal = ErrorObjectOwned::owned(-32010, "no such entry", Some(data));
        let report = eyre::Report::new(ClientError::Call(refusal)).wrap_err("node at http://a");
        let expected = r#"node at http://a: no such entry (code -32010, {"size":7})"#;
        assert_eq!(describe(&report), expected);
    }

    #[test]
    fn a_full_disk_comes_with_what_to_do() {
        let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        let rocksdb = eyre::eyre!("While appending to file: /x/1.log: No space left on device");
        for error in [eyre::Report::new(full()).wrap_err("/x/slot-0"), rocksdb] {
            let text = describe(&error);
            assert!(text.contains("/x/") && text.contains("make space"), "{text}");
        }
        let other = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert!(!describe(&eyre::Report::new(other)).contains("make space"));
    }
}
