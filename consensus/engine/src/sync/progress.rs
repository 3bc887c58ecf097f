//! How far catching up has come.

use super::Targets;
use parking_lot::Mutex;
use peruri_storage::{ExecutedBlock, ProviderFactory, ProviderResult};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::error::RecvError;
use tracing::info;

/// Time between two lines of the log.
const LOG_INTERVAL: Duration = Duration::from_secs(5);
/// Distance to the highest known head within which a node does not count as catching up.
const AT_HEAD: u64 = 1;

/// What `eth_syncing` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncProgress {
    /// Head when catching up began.
    pub starting: u64,
    /// Newest executed block.
    pub current: u64,
    /// Highest head that others have told.
    pub highest: u64,
}

/// Shared by the one who catches up and those who ask.
#[derive(Debug, Clone, Default)]
pub struct SyncStatus {
    run: Arc<Mutex<Option<Run>>>,
    targets: Arc<Targets>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    progress: SyncProgress,
    since: Instant,
    logged: Instant,
    transactions: u64,
}

impl SyncStatus {
    pub(crate) fn new(targets: Arc<Targets>) -> Self {
        Self { run: Arc::default(), targets }
    }

    /// Waits until another node is connected, and this one has all blocks but the newest that
    /// connected ones say they have. For ever where no other node is.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn at_head(&self, provider: &ProviderFactory) -> ProviderResult<()> {
        let mut commits = provider.subscribe_to_canonical_state();
        let mut heads = self.targets.heads_changed();
        loop {
            let head = provider.best_block_number()?.saturating_add(AT_HEAD);
            if self.targets.nobody_is_above(head) {
                return Ok(());
            }
            tokio::select! {
                // The sender lives as long as `self`.
                _ = heads.changed() => {}
                committed = commits.recv() => if matches!(committed, Err(RecvError::Closed)) {
                    return std::future::pending().await;
                },
            }
        }
    }

    /// Progress while the node catches up over more than a block.
    pub fn progress(&self) -> Option<SyncProgress> {
        let run = *self.run.lock();
        let progress = run?.progress;
        (progress.highest > progress.starting.saturating_add(AT_HEAD)).then_some(progress)
    }

    pub(super) fn begin(&self, head: u64, highest: u64) {
        let now = Instant::now();
        let progress = SyncProgress { starting: head, current: head, highest };
        *self.run.lock() = Some(Run { progress, since: now, logged: now, transactions: 0 });
    }

    pub(super) fn executed(&self, block: &ExecutedBlock) {
        let mut run = self.run.lock();
        let Some(run) = run.as_mut() else { return };
        run.progress.current = block.number();
        let transactions = block.recovered_block.body().transactions.len();
        run.transactions =
            run.transactions.saturating_add(u64::try_from(transactions).unwrap_or(u64::MAX));
        metrics::gauge!("peruri_sync_height").set(block.number() as f64);
        if run.logged.elapsed() >= LOG_INTERVAL {
            run.logged = Instant::now();
            run.log();
        }
    }

    pub(super) fn end(&self, stored: u64) {
        metrics::gauge!("peruri_sync_height").set(stored as f64);
        *self.run.lock() = None;
    }
}

impl Run {
    fn log(&self) {
        let SyncProgress { starting, current, highest } = self.progress;
        let seconds = self.since.elapsed().as_secs_f64().max(f64::EPSILON);
        let rate = current.saturating_sub(starting) as f64 / seconds;
        let left = highest.saturating_sub(current) as f64;
        info!(
            target: "sync",
            current,
            highest,
            blocks_per_second = rate.round(),
            txs_per_second = (self.transactions as f64 / seconds).round(),
            eta_seconds = (left / rate.max(f64::EPSILON)).round(),
            "catching up"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_block_is_no_catching_up() {
        let status = SyncStatus::default();
        status.begin(5, 6);
        assert_eq!(status.progress(), None);
        status.begin(5, 9);
        assert_eq!(status.progress().map(|it| (it.starting, it.highest)), Some((5, 9)));
        status.end(9);
        assert_eq!(status.progress(), None);
    }
}
