//! What can go wrong between a scenario and the nodes it drives.

use std::{path::PathBuf, process::ExitStatus, time::Duration};

/// Result of this crate.
pub type Result<T, E = TestnetError> = std::result::Result<T, E>;

/// An error of a scenario's machinery, as opposed to a finding about the node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestnetError {
    /// A file or a process could not be handled.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path or program.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The node ended by itself.
    #[error("the node ended ({status}) before it was told to; last lines of {log}:\n{tail}")]
    NodeEnded {
        /// How it ended.
        status: ExitStatus,
        /// Its log file.
        log: PathBuf,
        /// The end of that file.
        tail: String,
    },
    /// Something did not happen in time.
    #[error("{what} did not happen within {} s", limit.as_secs())]
    Timeout {
        /// What was awaited.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// The HTTP exchange failed: refused, reset, not HTTP.
    #[error("HTTP to {address}: {reason}")]
    Http {
        /// The server.
        address: std::net::SocketAddr,
        /// What the client library said.
        reason: String,
    },
    /// The node answered with a JSON-RPC error.
    #[error("{method}: error {code}: {message}")]
    Rpc {
        /// The method called.
        method: String,
        /// JSON-RPC error code.
        code: i64,
        /// The node's message.
        message: String,
    },
    /// The node's answer has another form than the method's.
    #[error("{method}: expected {expected}, got {got}")]
    Answer {
        /// The method called.
        method: String,
        /// The form expected.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// A transaction could not be signed.
    #[error("signing: {0}")]
    Signer(#[from] alloy_signer::Error),
    /// A scenario's file is wrong.
    #[error("{}: {reason}", file.display())]
    Scenario {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A helper program (mount, mkfs, cp, the node's own subcommands) failed.
    #[error("{command} failed ({status}): {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        stderr: String,
    },
}

impl TestnetError {
    /// For `map_err`: names what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// True if the connection failed, so that the node may be gone.
    pub const fn is_connection(&self) -> bool {
        matches!(self, Self::Http { .. })
    }
}
