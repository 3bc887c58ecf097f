//! What waits for a block, for chains on which empty blocks wait longer.

use alloy_rlp::Encodable;
use peruri_primitives::SealedHeader;
use peruri_txpool::{PendingTransactionsReceiver, TransactionPool};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep_until},
};

/// How often others are told again that something waits.
const AGAIN: Duration = Duration::from_secs(1);

/// Bytes of a block beside its header and its transactions: seals, and what encoding adds. Rather too
/// many: a transaction that is held for too long waits for the next empty block, one that is wrongly
/// held for work would cause empty blocks without end.
const BLOCK_OVERHEAD: usize = 8 << 10;

/// Notices transactions that become executable.
pub(super) struct PendingWork {
    pool: Arc<dyn TransactionPool>,
    new_transactions: PendingTransactionsReceiver,
    /// Longest block that may be proposed.
    max_bytes: usize,
    /// Whether the chain has an empty-block period; without one nobody needs to know.
    matters: bool,
    /// When the running height was told of work last.
    told: Option<Instant>,
}

impl PendingWork {
    pub(super) fn new(pool: Arc<dyn TransactionPool>, max_bytes: usize, matters: bool) -> Self {
        let new_transactions = pool.pending_transactions_listener();
        Self { pool, new_transactions, max_bytes, matters, told: None }
    }

    /// A height begins, on `head`. Says whether something waits for it.
    pub(super) fn next_height(&mut self, head: &SealedHeader) -> bool {
        self.told = None;
        if !self.matters {
            return false;
        }
        // What comes from here on is a notification; what came before the pool shows.
        self.new_transactions = self.new_transactions.resubscribe();
        let waits = self.waits(head);
        self.told = waits.then(Instant::now);
        waits
    }

    /// Waits until something comes up, or has waited for another second.
    pub(super) async fn comes_up(&mut self, head: &SealedHeader) {
        if !self.matters {
            return std::future::pending().await;
        }
        loop {
            if let Some(told) = self.told {
                sleep_until(told + AGAIN).await;
            } else if let Err(RecvError::Closed) = self.new_transactions.recv().await {
                // A listener that lags is told so, and that is news enough.
                return std::future::pending().await;
            }
            let waits = self.waits(head);
            self.told = waits.then(Instant::now);
            if waits {
                return;
            }
        }
    }

    /// Whether the pool holds a transaction that a block on `head` can hold.
    fn waits(&self, head: &SealedHeader) -> bool {
        let overhead = head.header().length().saturating_add(BLOCK_OVERHEAD);
        let room = self.max_bytes.saturating_sub(overhead);
        self.pool.status().pending > 0
            && self
                .pool
                .best_transactions()
                .any(|tx| tx.encoded_length() <= room && tx.gas_limit() <= head.gas_limit)
    }
}
