//! Metrics of block building.

use metrics::{counter, histogram};
use std::time::Duration;

/// A block was built.
pub(crate) fn built(elapsed: Duration, transactions: usize) {
    histogram!("peruri_payload_build_duration_seconds").record(elapsed.as_secs_f64());
    histogram!("peruri_payload_transactions").record(transactions as f64);
}

/// A transaction was left out because it is invalid on this state.
pub(crate) fn skipped_invalid() {
    counter!("peruri_payload_skipped_invalid_total").increment(1);
}
