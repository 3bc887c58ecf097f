//! The log index: for each address and topic, the blocks in which a log carries it.
//!
//! A row covers [`SECTION_BLOCKS`] blocks; its key is the address or topic and the section number.
//! Writers only add blocks through the merge operator, so that a commit reads nothing.

mod bitmap;
mod logs;

pub use bitmap::BlockBitmap;
pub use logs::LogTerm;
pub(crate) use logs::{collect, merge, operand, row_key, terms};

/// Blocks per row.
pub(crate) const SECTION_BLOCKS: u64 = 4096;
