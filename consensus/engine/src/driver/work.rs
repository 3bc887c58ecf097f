//! What waits for a block, for chains on which empty blocks wait longer.

use peruri_txpool::{PendingTransactionsReceiver, TransactionPool};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep_until},
};

/// How often others are told again that something waits.
const AGAIN: Duration = Duration::from_secs(1);

/// Notices transactions that become executable.
pub(super) struct PendingWork {
    pool: Arc<dyn TransactionPool>,
    new_transactions: PendingTransactionsReceiver,
    /// Whether the chain has an empty-block period; without one nobody needs to know.
    matters: bool,
    /// When the running height was told of work last.
    told: Option<Instant>,
}

impl PendingWork {
    pub(super) fn new(pool: Arc<dyn TransactionPool>, matters: bool) -> Self {
        let new_transactions = pool.pending_transactions_listener();
        Self { pool, new_transactions, matters, told: None }
    }

    /// A height begins. Says whether something is left for it.
    pub(super) fn next_height(&mut self) -> bool {
        self.told = None;
        if !self.matters {
            return false;
        }
        // What comes from here on is a notification; what came before the pool shows.
        self.new_transactions = self.new_transactions.resubscribe();
        let left = self.pool.status().pending > 0;
        self.told = left.then(Instant::now);
        left
    }

    /// Waits until something comes up, or has waited for another second.
    pub(super) async fn comes_up(&mut self) {
        if !self.matters {
            return std::future::pending().await;
        }
        if let Some(told) = self.told {
            sleep_until(told + AGAIN).await;
        } else if let Err(RecvError::Closed) = self.new_transactions.recv().await {
            // A listener that lags is told so, and that is news enough.
            return std::future::pending().await;
        }
        self.told = Some(Instant::now());
    }
}
