//! What receipts say about a log beyond one entry: that a later head extends an earlier one, and
//! that an exported log is whole.

mod consistency;
mod export;

pub use consistency::{ConsistencyError, check_consistency};
pub use export::{ExportAudit, ExportError, ExportSummary, Gap, Repeat, VoidEntry};
