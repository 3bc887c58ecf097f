//! Metrics of extensions.

use alloy_primitives::BlockNumber;
use metrics::{counter, gauge};

/// Where an extension stands.
pub(crate) fn height(name: &'static str, finished: BlockNumber, head: BlockNumber) {
    gauge!("peruri_exex_height", "extension" => name).set(finished as f64);
    gauge!("peruri_exex_lag_blocks", "extension" => name).set(head.saturating_sub(finished) as f64);
}

/// Blocks that wait in an extension's buffer.
pub(crate) fn buffered(name: &'static str, blocks: u64) {
    gauge!("peruri_exex_buffer_blocks", "extension" => name).set(blocks as f64);
}

/// An extension was slower than its buffer is deep.
pub(crate) fn lagged(name: &'static str) {
    counter!("peruri_exex_lagged_total", "extension" => name).increment(1);
}
