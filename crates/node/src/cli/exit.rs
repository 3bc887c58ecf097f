//! What a command's failure means for the process: the one place where exit codes are decided.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | the node or the machine failed: a full disk, a damaged database, a missing permission |
//! | 2 | the input was wrong: flag, config file, genesis, key file; nothing was written |

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

/// The exit code of a finished command: 2 if a [`UsageError`] is anywhere in the chain, else 1.
pub fn code(result: &eyre::Result<()>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(report) if is_usage(report) => 2,
        Err(_) => 1,
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

/// The error and its causes, joined by `: `.
pub fn describe(report: &eyre::Report) -> String {
    let causes: Vec<String> = report.chain().map(ToString::to_string).collect();
    causes.join(": ")
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
    }

    #[test]
    fn context_around_a_usage_error_keeps_its_code() {
        let inner: eyre::Result<()> = "x".parse::<u64>().map(drop).or_usage("--limit");
        let outer = inner.wrap_err("cannot start");
        assert_eq!(code(&outer), 2);
        let text = describe(&outer.expect_err("an error"));
        assert_eq!(text, "cannot start: --limit: invalid digit found in string");
    }
}
