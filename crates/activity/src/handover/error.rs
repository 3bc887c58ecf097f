use crate::{StopReason, rows::StoreError};
use alloy_primitives::{Address, B256};

/// Why a file was not taken. Unless storage has failed, nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// A line cannot be read.
    #[error("damaged at line {line}: {reason}")]
    Damaged {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The lines do not fit together.
    #[error("damaged: {0}")]
    Inconsistent(String),
    /// A form that this build does not know.
    #[error("form {0} of the file is not known here, only 1")]
    Version(u32),
    /// Another chain.
    #[error("it is of the chain with genesis {got}, this node is on {expected}")]
    OtherChain {
        /// Genesis hash here.
        expected: B256,
        /// Genesis hash in the file.
        got: B256,
    },
    /// Another log.
    #[error("it is of log {got}, this node writes {expected}")]
    OtherLog {
        /// The log here.
        expected: B256,
        /// The log in the file.
        got: B256,
    },
    /// Another source, or the same with another key.
    #[error(
        "it is of source {} with signer {}, this node has source {} with signer {}",
        got.0, got.1, expected.0, expected.1
    )]
    OtherSource {
        /// Source and signer here.
        expected: (u32, Address),
        /// Source and signer in the file.
        got: (u32, Address),
    },
    /// The chain or the inbox of this node is not far enough.
    #[error("this node is behind: {0}")]
    Behind(String),
    /// The chain went on otherwise.
    #[error("it does not continue the chain: {0}")]
    Discontinuous(String),
    /// This node has told or signed what the file does not know.
    #[error("it does not continue this node's inbox: {0}")]
    OwnInbox(String),
    /// This node exported the source itself.
    #[error(
        "this node exported the source itself; only a later export, of the node that took over, brings it back"
    )]
    ExportedHere,
    /// New numbers can be given only by a source that runs.
    #[error("new numbers cannot be given: the source is stopped: {0}")]
    Stopped(StopReason),
    /// New numbers can be given only by a source that has begun.
    #[error("new numbers cannot be given: start the node once, so that its source begins")]
    NotBegun,
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Storage has failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HandoverError {
    /// Whether what the file holds can be accepted under new numbers.
    pub(crate) const fn can_renumber(&self) -> bool {
        matches!(self, Self::OtherSource { .. } | Self::Discontinuous(_) | Self::OwnInbox(_))
    }

    /// Whether the file or where it is taken is wrong, not the machine.
    pub const fn is_refusal(&self) -> bool {
        !matches!(self, Self::Io(_) | Self::Store(_))
    }
}
