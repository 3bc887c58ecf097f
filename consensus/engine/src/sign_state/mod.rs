//! The sign state: what this validator has signed, durable before anyone can see it.
//!
//! It lies outside the data folder, so that restoring a data folder can never restore it, and is not
//! part of ordinary backups. A validator that is not certain what it has signed does not sign.
//!
//! Two slot files are written in turn ([`slot`]); each holds one [`SignRecord`] with a sequence
//! number and a CRC-32C and is synced before the call returns. Blocks lie beside them, named by
//! block hash: synced before a record names them ([`SignStore::persist`]), removed when no slot does
//! any more. A lock keeps two processes from signing with one sign state.

mod record;
mod slot;
mod store;

pub use record::SignRecord;
pub use store::SignStore;

use alloy_primitives::{Address, B256};
use std::path::PathBuf;

/// Why the sign state cannot be used. Every variant means: do not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignStateError {
    /// There is no sign state although the chain has begun.
    #[error(
        "no sign state in {path}; if this validator has never signed on this chain run `peruri-node init`, \
         otherwise restore the folder from this machine's own disk"
    )]
    Missing {
        /// Folder that was searched.
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
    /// The database has seen a newer record than the store holds: an old copy was put back.
    #[error(
        "the sign state holds record {got} but the database has seen record {expected}: an old copy was put back"
    )]
    BehindDatabase {
        /// Sequence number that the database knows.
        expected: u64,
        /// Newest sequence number in the store.
        got: u64,
    },
    /// The chain holds blocks of this validator that the store does not know.
    #[error(
        "the database ends at block {head} but the sign state knows of no signature above block {signed}: \
         it was lost or replaced, or the key signs elsewhere; bring the folder from the machine that signed"
    )]
    BehindChain {
        /// Height of the database.
        head: u64,
        /// Height of the newest signed block.
        signed: u64,
    },
    /// The chain is shorter than what has been signed.
    #[error(
        "block {signed} is signed but the database ends at {head}: an old data folder was put back; \
         import the missing blocks before this validator signs again"
    )]
    AheadOfDatabase {
        /// Height of the newest signed block.
        signed: u64,
        /// Height of the database.
        head: u64,
    },
    /// The chain holds another block than the one that was signed at that height.
    #[error("block {height} in the database is {stored}, this validator has sealed {signed}")]
    Conflict {
        /// The height.
        height: u64,
        /// Block hash in the database.
        stored: B256,
        /// Block hash in the record.
        signed: B256,
    },
    /// A record would fall behind the present one.
    #[error("refused to sign height {got}: height {newest} is signed already")]
    HeightFalls {
        /// Height of the newest record.
        newest: u64,
        /// Height that was to be signed.
        got: u64,
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
