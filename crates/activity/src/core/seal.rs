//! Sealing: the next run of numbers becomes one signed transaction.

use super::{Core, MOST_SEALED, MOST_SEALED_BYTES};
use crate::{
    ActivityId, StopReason,
    chain::{self, Offered},
    mark::{Mark, SealedMark},
    rows::{Changes, Class, ENTRIES, Record, StoreError, damaged, number_of, numbered},
};
use peruri_plog::{ENTRY_LEN, VoidReason};

impl Core {
    /// Seals one run, if there is one and the lane has room; true if it did.
    ///
    /// # Errors
    /// Storage or the chain cannot be read or written.
    pub fn seal(&mut self, now_ms: u64) -> Result<bool, StoreError> {
        let Some(progress) = self.progress.filter(|_| self.may_seal()) else { return Ok(false) };
        let first = self.sealed_end();
        let mut records = self.run(first)?;
        if records.is_empty() {
            return Ok(false);
        }
        let mut changes = Changes::default();
        self.close_duplicates(&mut records, now_ms)?;
        let nonce = progress.nonce + self.sealed.len() as u64;
        let mark = self.mark.read().ok_or_else(|| StoreError::new("the sealer's mark is gone"))?;
        if nonce < mark.nonces_end() && nonce >= self.granted {
            // Never a second transaction for a nonce in the mark.
            self.stop(StopReason::InDoubt { numbers: first..=self.highest });
            return Ok(false);
        }
        let entries: Vec<[u8; ENTRY_LEN]> = records.iter().map(|it| *it.published()).collect();
        let limits = self.chain.limits()?;
        let sealed = chain::seal(&self.settings.terms(), nonce, first, &entries, &limits)?;
        for (seq, record) in (first..sealed.end()).zip(&records) {
            if record.closing.is_some() {
                changes.put(numbered(ENTRIES, seq), record.encode());
            }
        }
        changes.put(sealed.key(), sealed.encode());
        self.rows.commit(changes)?;
        let highest = mark.highest.max(self.highest);
        let last = Some(SealedMark::of(&sealed));
        self.mark.write(&Mark { highest, floor: self.highest, sealed: last, ..mark })?;
        self.lane_full = self.lane.offer(&sealed.raw) == Offered::Full;
        self.sealed.push_back(sealed);
        Ok(true)
    }

    fn may_seal(&self) -> bool {
        let bytes: usize = self.sealed.iter().map(|it| it.raw.len()).sum();
        // What follows a run that was refused cannot succeed: its nonces are used up first.
        let stranded = self.sealed.front().is_some_and(|it| it.first_seq != self.completed_end());
        self.stopped.is_none()
            && !self.lane_full
            && !stranded
            && self.sealed.len() < MOST_SEALED
            && bytes < MOST_SEALED_BYTES
    }

    /// The records from number `first` on that fit into one transaction.
    fn run(&self, first: u64) -> Result<Vec<Record>, StoreError> {
        let from = numbered(ENTRIES, first);
        let rows = self.rows.scan(ENTRIES, &from, self.settings.batch_max)?;
        let numbered = (first..).zip(rows);
        numbered
            .map(|(seq, (key, row))| {
                let found = number_of(&key)?;
                if found == seq {
                    Record::decode(&row)
                } else {
                    Err(damaged("a gap in the numbers"))
                }
            })
            .collect()
    }

    /// An activity that another source has published is closed.
    fn close_duplicates(&self, records: &mut [Record], now_ms: u64) -> Result<(), StoreError> {
        let mut ids = Vec::new();
        let mut activities = Vec::new();
        for record in records.iter_mut().filter(|record| record.closing.is_none()) {
            let entry = record.decoded()?;
            let is_void = record.void_reason()?.is_some();
            if Class::of(entry.kind) == Class::Activity && !is_void {
                ids.push(ActivityId(entry.activity_id));
                activities.push(record);
            }
        }
        for (record, place) in activities.into_iter().zip(self.chain.published(&ids)?) {
            if place.is_some() {
                record.close(VoidReason::Duplicate, now_ms, place)?;
                metrics::counter!("peruri_activity_duplicates_total").increment(1);
            }
        }
        Ok(())
    }

    pub(super) fn stop(&mut self, reason: StopReason) {
        if self.stopped.as_ref() != Some(&reason) {
            tracing::warn!(target: "activity::sealer", source = self.settings.source, %reason, "stopped");
        }
        self.stopped = Some(reason);
    }
}
