//! The node's store: one RocksDB that holds everything a block changes, one synced batch per block.
//!
//! # Contract
//!
//! - **Commit**: [`ProviderFactory::commit_block`] writes header with seals, body, receipts, look-ups,
//!   flat state, trie nodes, versions, changes and indices in one `WriteBatch` and syncs the
//!   write-ahead log before it returns. A crash leaves the chain at block `N` or `N - 1`, as a whole.
//!   The [`CanonStateNotification`] is sent after that.
//! - **Candidates** ([`ExecutedBlock`]) never touch the database. Their state is read through
//!   [`ProviderFactory::overlay`].
//! - **State** is flat (hashed keys, storage root in the account row); the trie keeps branch nodes
//!   only. History is a version row per change, holding the value *set at* that block, so that a read
//!   at block `N` is one seek.
//! - **Windows**: state, proofs and receipts of old blocks may be dropped
//!   ([`HistoryWindows`]); a read outside is [`ProviderError::OutsideWindow`], never a wrong answer.
//! - **Extensions** keep rows and their height in synced batches of their own ([`ExtensionStore`]);
//!   history they have not read yet is not pruned.
//! - **Failure**: a failed write or sync is fatal ([`ProviderError::is_fatal`]); afterwards every
//!   write is refused until the database is opened again.

mod codecs;
mod db;
mod error;
mod extension;
mod index;
mod options;
mod plog;
mod provider;
mod state;
#[cfg(test)]
mod tests;
mod tools;
mod types;

pub use error::{ProviderError, ProviderResult};
pub use extension::{ExtensionBatch, ExtensionRow, ExtensionRows, ExtensionStore, ExtensionView};
pub use index::{BlockBitmap, LogTerm};
pub use options::{DbOptions, HistoryWindows};
pub use plog::{
    PlogAppend, PlogDiscrepancy, PlogRebuild, PlogRecord, PlogReport, PlogTree, PlogView, plog_size,
};
pub use provider::{Direction, ProviderFactory, Windows};
pub use state::{CandidateChain, StateProvider, StateProviderBox, StateProviderDatabase};
pub use tools::{
    ColumnStats, DbStats, Discrepancy, NoProgress, Progress, RepairReport, VerifyReport, free_space,
};
pub use types::{
    BlockExecutionOutput, CanonStateNotification, CommitExtras, ExecutedBlock, Head,
    IndexedReceipt, RoundChangeRecord, RoundRecord, StoredWish, TransactionMeta,
};
