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

/// What a built block holds of the lane. `room` is the gas that the lane may have.
pub(crate) fn lane(transactions: usize, gas_used: u64, room: u64) {
    histogram!("peruri_payload_lane_transactions").record(transactions as f64);
    if room > 0 {
        histogram!("peruri_payload_lane_fill_ratio").record(gas_used as f64 / room as f64);
    }
}

/// A transaction of the lane was reverted and left out.
pub(crate) fn lane_reverted() {
    counter!("peruri_payload_lane_reverted_total").increment(1);
}
