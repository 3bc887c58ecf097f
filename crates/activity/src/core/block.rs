//! Committed blocks: which rows are included, which transactions are gone.

use super::{Core, adopt::Tolerance};
use crate::{
    StopReason,
    chain::{Appended, BlockFacts, ChainEntry, OwnTransaction},
    rows::{
        Changes, ENTRIES, PROGRESS, Place, Progress, Record, Sealed, StoreError, damaged, numbered,
    },
};
use peruri_plog::{batch_root, leaf_hash};
use std::collections::BTreeMap;

/// Blocks without own content after which the height is written all the same.
const QUIET_BLOCKS: u64 = 64;

/// What a block changes.
struct Reading {
    progress: Progress,
    changes: Changes,
    /// Nonces that the block has used up.
    used: Vec<u64>,
    stop: Option<StopReason>,
}

impl Core {
    /// Reads the next block; when this returns, what follows from it is on disk. Blocks that were read
    /// before are passed over.
    ///
    /// # Errors
    /// Storage or the chain cannot be read or written, or a block is missing in between.
    pub fn block(&mut self, facts: &BlockFacts) -> Result<(), StoreError> {
        let Some(progress) = self.progress.filter(|it| facts.number > it.height) else {
            return Ok(());
        };
        if self.stopped == Some(StopReason::KeyInUseElsewhere) || facts.number <= self.seen {
            return Ok(());
        }
        if facts.number != self.seen + 1 {
            let expected = self.seen + 1;
            return Err(StoreError::new(format!(
                "block {expected} expected, got {}",
                facts.number
            )));
        }
        let mut reading = Reading {
            progress: Progress { height: facts.number, ..progress },
            changes: Changes::default(),
            used: Vec::new(),
            stop: None,
        };
        if !self.read_block(&mut reading, facts)? {
            // The block is read again at the next start: nothing of ours is overwritten.
            self.stop(StopReason::KeyInUseElsewhere);
            return Ok(());
        }
        self.finish_block(facts, reading)
    }

    /// False if something in it cannot be this source's own.
    fn read_block(&self, reading: &mut Reading, facts: &BlockFacts) -> Result<bool, StoreError> {
        let mut appends = facts.appends.iter().peekable();
        for tx in &facts.transactions {
            if !self.own_transaction(reading, tx)? {
                return Ok(false);
            }
            while let Some(append) = appends.next_if(|it| it.tx_hash == tx.hash) {
                if !self.append(reading, append, self.exported || tx.nonce < self.granted)? {
                    return Ok(false);
                }
            }
        }
        // What is left came from elsewhere, through a gateway.
        Ok(appends.next().is_none())
    }

    fn finish_block(&mut self, facts: &BlockFacts, mut reading: Reading) -> Result<(), StoreError> {
        let had = self.progress.map_or(0, |progress| progress.height);
        self.seen = facts.number;
        let quiet = facts.transactions.is_empty() && facts.appends.is_empty();
        if !quiet || facts.number - had >= QUIET_BLOCKS {
            for nonce in &reading.used {
                if let Some(sealed) = self.sealed.iter().find(|it| it.nonce == *nonce) {
                    reading.changes.delete(sealed.key());
                }
            }
            reading.changes.put(PROGRESS, reading.progress.encode());
            reading.changes.height = Some(facts.number);
            self.rows.commit(reading.changes)?;
            self.progress = Some(reading.progress);
            self.sealed.retain(|sealed| !reading.used.contains(&sealed.nonce));
            self.highest = self.highest.max(reading.progress.next_seq - 1);
        }
        if let Some(reason) = reading.stop.filter(|_| !self.exported) {
            self.stop(reason);
        }
        self.resume()?;
        if self.stopped != Some(StopReason::Starting) {
            self.offer_sealed();
        }
        Ok(())
    }

    /// False for a transaction that this source cannot have signed.
    fn own_transaction(
        &self,
        reading: &mut Reading,
        tx: &OwnTransaction,
    ) -> Result<bool, StoreError> {
        let ours = self.sealed.iter().find(|it| it.nonce == tx.nonce);
        let known = ours.filter(|it| it.hash == tx.hash);
        if known.is_none() && !self.tolerates_nonce(tx.nonce) {
            return Ok(false);
        }
        reading.progress.nonce = tx.nonce + 1;
        // What else was signed for this nonce can never be included.
        reading.used.extend(ours.map(|it| it.nonce));
        if let Some(sealed) = known.filter(|_| !tx.success) {
            self.refused(reading, sealed)?;
        }
        Ok(true)
    }

    /// A sealed transaction was included and reverted.
    fn refused(&self, reading: &mut Reading, sealed: &Sealed) -> Result<(), StoreError> {
        if !self.chain.source()?.may_append {
            reading.stop = Some(StopReason::NotASource);
        } else if sealed.first_seq == reading.progress.next_seq {
            // Anything behind a refused run is refused because of it.
            let (first, times) = reading.progress.refused;
            let times = if first == sealed.first_seq { times.saturating_add(1) } else { 1 };
            reading.progress.refused = (sealed.first_seq, times);
            if times > 1 {
                reading.stop = Some(StopReason::AppendRefused { first_seq: sealed.first_seq });
            }
        }
        Ok(())
    }

    /// False for entries that this source cannot have made.
    fn append(
        &self,
        reading: &mut Reading,
        append: &Appended,
        granted: bool,
    ) -> Result<bool, StoreError> {
        let first = append.first_seq;
        if append.log != self.settings.log || first != reading.progress.next_seq {
            return Ok(false);
        }
        let Some(end) = first.checked_add(append.count) else { return Ok(false) };
        let mut known = self.records(first, end)?;
        let leaves: Vec<_> = known.values().map(|it| leaf_hash(it.published())).collect();
        let whole = known.len() as u64 == append.count && batch_root(&leaves) == append.batch_root;
        for seq in first..end {
            let index = append.first_index + (seq - first);
            let place = Place { tx_hash: append.tx_hash, block: reading.progress.height, index };
            if let Some(record) = known.get_mut(&seq).filter(|_| whole) {
                record.place = Some(place);
                reading.changes.put(numbered(ENTRIES, seq), record.encode());
            }
        }
        if !whole {
            let limit = usize::try_from(append.count).unwrap_or(usize::MAX);
            let entries = self.chain.entries(first, limit)?;
            if entries.len() != limit {
                return Err(damaged("the chain's index lacks entries"));
            }
            let tolerance = Tolerance { restore: self.restore, granted };
            if !self.take_over(&mut reading.changes, &known, &entries, tolerance)? {
                return Ok(false);
            }
        }
        reading.progress.next_seq = end;
        if reading.progress.refused.0 < end {
            reading.progress.refused = (0, 0);
        }
        Ok(true)
    }

    /// The records from `first` to before `end`, as far as they are known.
    pub(super) fn records(
        &self,
        first: u64,
        end: u64,
    ) -> Result<BTreeMap<u64, Record>, StoreError> {
        let keys: Vec<_> = (first..end).map(|seq| numbered(ENTRIES, seq)).collect();
        let rows = (first..end).zip(self.rows.get_many(&keys)?);
        let known = rows.filter_map(|(seq, row)| Some((seq, row?)));
        known.map(|(seq, row)| Ok((seq, Record::decode(&row)?))).collect()
    }

    /// Ends a stop that the chain can end.
    fn resume(&mut self) -> Result<(), StoreError> {
        match &self.stopped {
            // What was in doubt before is looked at again.
            Some(StopReason::NotASource) if self.chain.source()?.may_append => self.reconcile(),
            Some(StopReason::InDoubt { .. }) => self.reconcile(),
            _ => Ok(()),
        }
    }

    fn tolerates_nonce(&self, nonce: u64) -> bool {
        // After an export the other node goes on.
        self.exported
            || nonce < self.granted
            || self.restore.is_some_and(|it| nonce < it.nonces_end)
    }
}

impl ChainEntry {
    /// The record of an entry that is known from the chain only.
    pub(super) fn record(&self) -> Record {
        Record { entry: self.entry, accepted_ms: 0, closing: None, place: Some(self.place) }
    }
}
