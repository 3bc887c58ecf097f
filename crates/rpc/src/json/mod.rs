//! Answers written as text, once, without building values first.
//!
//! Blocks, transactions, receipts and logs are nearly all hex strings under fixed names. Writing
//! them directly takes about a microsecond per transaction; going through generic serialisers with
//! flattened structures takes many times that.

mod block;
mod log;
mod receipt;
mod transaction;
mod writer;

pub(crate) use block::{block_json, header_json, uncle_json, write_block_fields};
pub(crate) use log::{LogContext, write_log};
pub(crate) use receipt::{ReceiptPlace, receipt_json, receipts_json};
pub(crate) use transaction::{TransactionPlace, transaction_json, write_transaction};
pub(crate) use writer::Writer;
