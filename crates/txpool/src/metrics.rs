//! What the pool reports of itself.

use crate::PoolSize;
use metrics::{Counter, Gauge, counter, gauge};

/// Handles of the pool's metrics. They bind to the recorder that is installed when they are made.
pub(crate) struct PoolMetrics {
    pending: Gauge,
    basefee: Gauge,
    queued: Gauge,
    bytes: Gauge,
    blob_bytes: Gauge,
    senders: Gauge,
    lane: Gauge,
    pub(crate) inserted: Counter,
    pub(crate) replaced: Counter,
    pub(crate) refused: Counter,
    pub(crate) not_allowed: Counter,
    pub(crate) overflow: Counter,
    pub(crate) mined: Counter,
    pub(crate) dropped: Counter,
    pub(crate) evicted: Counter,
    pub(crate) recovered: Counter,
    pub(crate) reload_errors: Counter,
    pub(crate) journal_errors: Counter,
    pub(crate) journal_bytes: Gauge,
}

impl PoolMetrics {
    pub(crate) fn new() -> Self {
        Self {
            pending: gauge!("peruri_txpool_pending_transactions"),
            basefee: gauge!("peruri_txpool_basefee_transactions"),
            queued: gauge!("peruri_txpool_queued_transactions"),
            bytes: gauge!("peruri_txpool_memory_bytes"),
            blob_bytes: gauge!("peruri_txpool_blob_bytes"),
            senders: gauge!("peruri_txpool_senders"),
            lane: gauge!("peruri_txpool_lane_transactions"),
            inserted: counter!("peruri_txpool_inserted_transactions_total"),
            replaced: counter!("peruri_txpool_replaced_transactions_total"),
            refused: counter!("peruri_txpool_refused_transactions_total"),
            not_allowed: counter!("peruri_txpool_not_allowed_transactions_total"),
            overflow: counter!("peruri_txpool_overflow_transactions_total"),
            mined: counter!("peruri_txpool_mined_transactions_total"),
            dropped: counter!("peruri_txpool_dropped_transactions_total"),
            evicted: counter!("peruri_txpool_evicted_transactions_total"),
            recovered: counter!("peruri_txpool_recovered_senders_total"),
            reload_errors: counter!("peruri_txpool_senders_reload_errors_total"),
            journal_errors: counter!("peruri_txpool_journal_errors_total"),
            journal_bytes: gauge!("peruri_txpool_journal_bytes"),
        }
    }

    pub(crate) fn set_size(&self, size: &PoolSize) {
        self.pending.set(size.pending as f64);
        self.basefee.set(size.basefee as f64);
        self.queued.set(size.queued as f64);
        self.bytes.set((size.pending_size + size.basefee_size + size.queued_size) as f64);
        self.blob_bytes.set(size.blobs_size as f64);
        self.senders.set(size.senders as f64);
        self.lane.set(size.lane as f64);
    }
}
