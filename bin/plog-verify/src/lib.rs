//! Whether receipts and exports of a transparency log hold, offline: the program `plog-verify`, and the
//! same check for the operators' command line of the node.

#![forbid(unsafe_code)]

mod args;
mod exit;
mod input;
mod log;
mod receipt;
mod text;
mod words;

pub use args::{ReceiptArgs, main};
pub use exit::Failure;
pub use receipt::run as verify_receipt;
