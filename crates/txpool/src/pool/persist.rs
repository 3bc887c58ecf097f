//! The journal's place in the pool.
//!
//! Order of locks: the journal's before the pool's data; never the other way round.

use super::Pool;
use crate::{
    JournalError, JournalLoad, JournalSync, PoolError, PoolErrorKind, PoolResult,
    TransactionOrigin, TransactionPool,
    journal::{Journal, RECORD_HEADER},
    state::{Changes, PoolState, Removal},
    validate,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bytes, TxHash};
use parking_lot::{Mutex, RwLock};
use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Transactions that are restored in one batch.
const RESTORE_BATCH: usize = 1_024;

/// Least time between two error lines: on a full disk every transaction fails.
const ALARM_INTERVAL: Duration = Duration::from_secs(10);

/// The journal, if there is one, and how much of it is still in the pool.
#[derive(Default)]
pub(super) struct PoolJournal {
    journal: Mutex<Option<Journal>>,
    /// Bytes of records whose transactions are in the pool. Kept beside the lock, so that following
    /// the chain never waits for a disk.
    live: AtomicU64,
    alarm: Mutex<Alarm>,
}

/// Transactions withdrawn since the last error line, and when that was.
#[derive(Debug, Default)]
struct Alarm {
    last: Option<Instant>,
    withdrawn: usize,
}

impl Alarm {
    /// Counts; the number to report if it is time for a line.
    fn count(&mut self, withdrawn: usize, now: Instant) -> Option<usize> {
        self.withdrawn += withdrawn;
        let recent = |last| now.saturating_duration_since(last) < ALARM_INTERVAL;
        if self.last.is_some_and(recent) {
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.withdrawn))
    }
}

impl PoolJournal {
    pub(super) fn is_open(&self) -> bool {
        self.journal.lock().is_some()
    }

    pub(super) fn len(&self) -> u64 {
        self.journal.lock().as_ref().map_or(0, Journal::len)
    }

    /// Writes a new file with what is in the pool and keeps it open.
    pub(super) fn open(
        &self,
        path: &Path,
        sync: JournalSync,
        state: &RwLock<PoolState>,
    ) -> Result<(), JournalError> {
        let mut journal = self.journal.lock();
        *journal = Some(Journal::create(path, sync, self.take_stock(state).into_iter())?);
        Ok(())
    }

    /// Notes that `bytes` of records are no longer needed.
    pub(super) fn forget(&self, bytes: u64) {
        if bytes > 0 {
            // Saturating: a transaction may leave before its record is counted.
            let _ = self.live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| {
                Some(live.saturating_sub(bytes))
            });
        }
    }

    fn append(&self, raw: &[&[u8]], state: &RwLock<PoolState>) -> Result<u64, JournalError> {
        let mut guard = self.journal.lock();
        let Some(journal) = guard.as_mut() else { return Ok(0) };
        let added: usize = raw.iter().map(|raw| RECORD_HEADER + raw.len()).sum();
        let live = self.live.fetch_add(added as u64, Ordering::Relaxed) + added as u64;
        if journal.wants_rotation(live) {
            // The pool holds the new transactions already: the new file has them too.
            journal.rotate(self.take_stock(state).into_iter())?;
        } else {
            journal.append(raw.iter().copied())?;
        }
        Ok(journal.len())
    }

    /// The encodings of all local transactions, each sender's in nonce order so that they can be
    /// restored in the file's order; counts them anew.
    fn take_stock(&self, state: &RwLock<PoolState>) -> Vec<Vec<u8>> {
        let state = state.read();
        let mut local: Vec<_> = state
            .transactions()
            .filter(|tx| tx.origin.is_local())
            .map(|tx| (tx.clone(), state.sidecar(&tx.hash).cloned()))
            .collect();
        drop(state);
        local.sort_unstable_by_key(|(tx, _)| (tx.sender(), tx.nonce()));
        let encoded: Vec<Vec<u8>> = local
            .into_iter()
            .filter_map(|(tx, sidecar)| {
                let tx = tx.transaction.inner().clone();
                Some(validate::join_sidecar(tx, sidecar.as_deref())?.encoded_2718())
            })
            .collect();
        let live: usize = encoded.iter().map(|raw| RECORD_HEADER + raw.len()).sum();
        self.live.store(live as u64, Ordering::Relaxed);
        encoded
    }
}

impl Pool {
    /// Puts the journal's transactions back into the pool. What is no longer valid stays out.
    pub(super) fn restore(&self, path: &Path) -> Result<JournalLoad, JournalError> {
        let mut restored = 0;
        let mut batch = Vec::new();
        let mut add = |batch: Vec<Bytes>| {
            let results = self.add_raw_transactions(TransactionOrigin::Local, batch);
            restored += results.iter().filter(|result| result.is_ok()).count();
        };
        let load = Journal::read(path, |payload| {
            batch.push(Bytes::from(payload));
            if batch.len() == RESTORE_BATCH {
                add(std::mem::take(&mut batch));
            }
        })?;
        add(batch);
        Ok(JournalLoad { restored, ..load })
    }

    /// Journals the local transactions of a batch (index in the batch, hash, encoding). If that
    /// fails they are withdrawn: what is acknowledged is journalled.
    pub(super) fn journal(
        &self,
        local: &[(usize, TxHash, Bytes)],
        results: &mut [PoolResult<TxHash>],
        changes: &mut Changes,
    ) {
        if local.is_empty() {
            return;
        }
        let raw: Vec<&[u8]> = local.iter().map(|(.., raw)| raw.as_ref()).collect();
        match self.shared.journal.append(&raw, &self.shared.state) {
            Ok(len) => self.shared.metrics.journal_bytes.set(len as f64),
            Err(error) => {
                let alarm = self.shared.journal.alarm.lock().count(local.len(), Instant::now());
                if let Some(transactions) = alarm {
                    tracing::error!(
                        target: "txpool::journal",
                        %error,
                        transactions,
                        "local transactions withdrawn: journal not written"
                    );
                }
                self.shared.metrics.journal_errors.increment(1);
                let mut state = self.shared.state.write();
                for (index, hash, _) in local {
                    state.remove(hash, Removal::Asked, changes);
                    let kind = PoolErrorKind::Journal(error.to_string());
                    results[*index] = Err(PoolError::new(*hash, kind));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_does_not_flood_the_log() {
        let mut alarm = Alarm::default();
        let start = Instant::now();
        assert_eq!(alarm.count(50, start), Some(50));
        assert_eq!(alarm.count(50, start + ALARM_INTERVAL / 2), None);
        assert_eq!(alarm.count(20, start + ALARM_INTERVAL), Some(70));
    }
}
