//! The index of the transparency log: every node of every tree, every entry, and look-ups.
//!
//! | column family | key | value |
//! |---|---|---|
//! | `plog_logs` | log id | number of the log here, its size |
//! | `plog_nodes` | log number, tile, level and index within it | hash of the complete subtree (RFC 9162 §2.1) |
//! | `plog_batches` | log number, index of the first entry | block, transaction, source, first sequence number, the entries of one call |
//! | `plog_lookup` | see [`rows`] | – |
//!
//! The rows are written in the batch of their block. They follow from blocks alone: whoever executes
//! them again gets them again ([`PlogRebuild`]). Logs without entries have no rows.

mod logs;
mod read;
mod rebuild;
mod rows;
mod verify;
mod write;

pub use logs::plog_size;
pub use read::{PlogRecord, PlogTree, PlogView};
pub use rebuild::PlogRebuild;
pub use verify::{PlogDiscrepancy, PlogReport};
pub(crate) use write::Index;

use alloy_primitives::{B256, Bytes};

/// The entries that one call appended to a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlogAppend {
    /// Id of the log.
    pub log: B256,
    /// Number of the source.
    pub source: u32,
    /// Sequence number of the first entry.
    pub first_seq: u64,
    /// Index of the first entry in the log.
    pub first_index: u64,
    /// The transaction within its block.
    pub tx_index: u32,
    /// The entries, [`ENTRY_LEN`](peruri_plog::ENTRY_LEN) bytes each.
    pub entries: Bytes,
}
