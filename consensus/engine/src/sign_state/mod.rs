//! The sign state: what this validator has signed, durable before anyone can see it.
//!
//! It lies outside the data folder, so that restoring a data folder can never restore it, and is not
//! part of ordinary backups. A validator that is not certain what it has signed does not sign
//! ([`peruri_ibft2::core`], doubt).
//!
//! Two slot files are written in turn; each holds one [`SignRecord`] with its sequence number and is
//! synced before the call returns. The blocks that the two records name lie in files beside them and
//! are synced before a record names them ([`SignStore::persist`]). All files are overwritten in place,
//! framed with a CRC-32C ([`slot`]). A lock keeps two processes from signing with one sign state.
//!
//! [`SignRecord`]: peruri_ibft2::SignRecord

mod blocks;
mod files;
mod slot;
mod store;
mod writer;

pub use store::{FoundSignState, SignStore};
pub(crate) use writer::{Persist, SignWriter, Written};

use alloy_primitives::{Address, B256};
use std::path::PathBuf;

/// Why the sign state cannot be used. Every variant means: do not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignStateError {
    /// There is no sign state.
    #[error(
        "no sign state in {path}; if this validator has never signed on this chain run `peruri-node init`, \
         otherwise bring the folder from the machine that signed"
    )]
    Missing {
        /// Folder that was searched.
        path: PathBuf,
    },
    /// The sign state was moved to another machine.
    #[error(
        "the sign state of {path} was exported: this validator signs elsewhere now; \
         bring it back by `consensus sign-state import` if it does not"
    )]
    Exported {
        /// Folder that it was exported from.
        path: PathBuf,
    },
    /// `init` found a sign state.
    #[error("a sign state exists already in {path}; it is never overwritten")]
    Exists {
        /// Folder of the existing sign state.
        path: PathBuf,
    },
    /// Another process has the sign state open.
    #[error("the sign state in {path} is in use by another process (its LOCK file is held)")]
    Locked {
        /// Folder of the sign state.
        path: PathBuf,
    },
    /// No slot holds a whole record.
    #[error(
        "the sign state in {path} is damaged: {reason}; this validator must not sign until it is released"
    )]
    Damaged {
        /// Folder of the sign state.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The record belongs to another chain.
    #[error("the sign state belongs to the chain with genesis {got}, this node runs {expected}")]
    WrongChain {
        /// Genesis hash of the node's chain.
        expected: B256,
        /// Genesis hash in the record.
        got: B256,
    },
    /// The record belongs to another validator.
    #[error("the sign state belongs to validator {got}, this node's key is {expected}")]
    WrongValidator {
        /// Address of the node's key.
        expected: Address,
        /// Address in the record.
        got: Address,
    },
    /// An earlier write failed: what is durable is known only after a restart.
    #[error(
        "an earlier write of the sign state failed: nothing is signed until the node is restarted"
    )]
    Failed,
    /// Reading, writing or syncing failed.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
}
