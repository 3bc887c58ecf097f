//! What can go wrong in the store, with expected and got values.

use std::path::PathBuf;

use alloy_primitives::B256;
use peruri_trie::TrieError;
use revm::database_interface::DBErrorMarker;

/// Result of every storage call.
pub type ProviderResult<T> = Result<T, ProviderError>;

/// Errors of the storage layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The folder could not be opened as a database.
    #[error("cannot open the database at {path}: {source}")]
    Open {
        /// Folder of the database.
        path: PathBuf,
        /// What RocksDB says.
        source: rocksdb::Error,
    },
    /// Another process holds the database.
    #[error("the database at {path} is in use by another process (its LOCK file is held)")]
    Locked {
        /// Folder of the database.
        path: PathBuf,
    },
    /// A RocksDB folder that this node did not write.
    #[error(
        "{path} holds a RocksDB that is not this node's: schema version found: none, \
         supported: {supported} (unexpected column families: {columns:?})"
    )]
    ForeignDatabase {
        /// Folder of the database.
        path: PathBuf,
        /// Schema version of this build.
        supported: u32,
        /// Column families this build does not know.
        columns: Vec<String>,
    },
    /// The database was written by another schema version.
    #[error("{path} has schema version {found}, this build supports version {supported}")]
    SchemaVersion {
        /// Folder of the database.
        path: PathBuf,
        /// Schema version on disk.
        found: u32,
        /// Schema version of this build.
        supported: u32,
    },
    /// The database belongs to another chain.
    #[error("the database has genesis hash {found}, the chain specification has {expected}")]
    GenesisMismatch {
        /// Hash of the chain specification's genesis block.
        expected: B256,
        /// Hash of block 0 in the database.
        found: B256,
    },
    /// The chain specification's allocation does not give the state root of its header.
    #[error("the genesis allocation has state root {got}, its header says {expected}")]
    GenesisStateRoot {
        /// Root in the genesis header.
        expected: B256,
        /// Root computed from the allocation.
        got: B256,
    },
    /// There is no genesis block yet.
    #[error("the database is empty: the genesis block has not been written")]
    NotInitialised,
    /// A read or maintenance call of RocksDB failed.
    #[error("database: {0}")]
    Database(#[from] rocksdb::Error),
    /// A synced write failed. Nothing of it may be assumed to be on disk.
    #[error("writing {what} failed: {source}")]
    Write {
        /// What was being written.
        what: &'static str,
        /// What RocksDB says.
        source: rocksdb::Error,
    },
    /// An earlier write failed; the store takes no further writes.
    #[error("an earlier write failed: the store takes no more writes until the node is restarted")]
    Poisoned,
    /// The index of the transparency log does not end where new entries begin.
    #[error(
        "the index of log {log} has {got} entries, the chain {expected}: stop the node and run \
         `peruri-node db rebuild-plog`"
    )]
    PlogIndex {
        /// Id of the log.
        log: alloy_primitives::B256,
        /// Entries before the block.
        expected: u64,
        /// Entries in the index.
        got: u64,
    },
    /// A stored row does not decode.
    #[error("row in {column} does not decode: {reason}")]
    Codec {
        /// Column family of the row.
        column: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A column family is missing from the open database.
    #[error("column family {0} is missing")]
    MissingColumn(&'static str),
    /// The state trie could not be walked.
    #[error("trie: {0}")]
    Trie(String),
    /// The block does not build on the committed head.
    #[error("block {number} has parent {got}, the committed head is {expected}")]
    UnexpectedParent {
        /// Number of the refused block.
        number: u64,
        /// Hash of the committed head.
        expected: B256,
        /// Parent hash of the refused block.
        got: B256,
    },
    /// The block's number does not follow the committed head's.
    #[error("expected block number {expected}, got {got}")]
    UnexpectedNumber {
        /// Number of the head plus one.
        expected: u64,
        /// Number of the refused block.
        got: u64,
    },
    /// The executed block's state root differs from its header's.
    #[error("block {number}: state root {got} computed, {expected} in the header")]
    StateRootMismatch {
        /// Block number.
        number: u64,
        /// Root in the header.
        expected: B256,
        /// Root that was computed.
        got: B256,
    },
    /// A header to be re-written (late seals) has another hash than the stored one.
    #[error("header {number} with hash {got} cannot replace the one with hash {expected}")]
    HeaderMismatch {
        /// Block number.
        number: u64,
        /// Hash of the stored header.
        expected: B256,
        /// Hash of the given header.
        got: B256,
    },
    /// No block with this number is committed.
    #[error("block {0} is not in the database")]
    BlockNotFound(u64),
    /// No block with this hash is committed.
    #[error("block {0} is not in the database")]
    HashNotFound(B256),
    /// The overlay's blocks do not form a chain on a committed block.
    #[error("block {got} does not connect to {expected}")]
    Disconnected {
        /// Hash the block had to have as parent.
        expected: B256,
        /// Hash of the block that does not connect.
        got: B256,
    },
    /// The data of this block was outside the retention window (JSON-RPC error 4444).
    #[error(
        "{what} of block {requested} are outside the window of this node: oldest available is \
         block {oldest}"
    )]
    OutsideWindow {
        /// What was asked for: `state`, `proofs` or `receipts`.
        what: &'static str,
        /// Block that was asked for.
        requested: u64,
        /// Oldest block for which the answer exists.
        oldest: u64,
    },
    /// No name of an extension.
    #[error("{0:?} is no name of an extension: 1 to 64 characters of a-z, 0-9, - and _")]
    ExtensionName(String),
    /// The finished height of an extension would fall, or lead the chain.
    #[error(
        "extension {name} cannot have finished block {got}: it stands at {lowest}, the head is {highest}"
    )]
    ExtensionHeight {
        /// Name of the extension.
        name: String,
        /// Height that was to be set.
        got: u64,
        /// Its height so far.
        lowest: u64,
        /// Number of the committed head.
        highest: u64,
    },
    /// A contract's code is missing.
    #[error("code {0} is not in the database")]
    CodeNotFound(B256),
    /// An operating-system call failed.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// File or folder.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
}

impl ProviderError {
    /// True if the node must stop writing and signing: durability can no longer be promised.
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Poisoned)
    }

    /// True if the answer is refused because of a retention window.
    pub const fn is_outside_window(&self) -> bool {
        matches!(self, Self::OutsideWindow { .. })
    }

    pub(crate) fn codec(column: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Codec { column, reason: reason.to_string() }
    }
}

impl From<TrieError<Self>> for ProviderError {
    fn from(error: TrieError<Self>) -> Self {
        match error {
            TrieError::Cursor(error) => error,
            other => Self::Trie(other.to_string()),
        }
    }
}

impl DBErrorMarker for ProviderError {}
