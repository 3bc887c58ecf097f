//! What operators do: close numbers, and go on after a refusal.

use super::Core;
use crate::{
    ActivityError, ActivityId, StopReason,
    rows::{Changes, Class, ENTRIES, GRANTED, RESTORE, Record, StoreError, decode_u64, numbered},
};
use alloy_primitives::B256;
use peruri_plog::{Entry, VoidReason};
use std::ops::RangeInclusive;

impl Core {
    /// Closes the number of an activity that is accepted and neither sealed nor included.
    ///
    /// # Errors
    /// Outside: storage has failed. Inside: [`ActivityError::NotClosable`].
    pub fn void_activity(
        &mut self,
        id: ActivityId,
        reason: VoidReason,
        now_ms: u64,
    ) -> Result<Result<(), ActivityError>, StoreError> {
        let row = self.rows.get(&Class::Activity.key(id))?;
        match row.map(|row| decode_u64(&row)).transpose()? {
            Some(seq) => self.void(seq..=seq, reason, now_ms),
            None => Ok(Err(ActivityError::NotClosable("no such activity".into()))),
        }
    }

    /// Closes numbers that are accepted and neither sealed nor included; or, in doubt, exactly the
    /// numbers that are in doubt: that gives up what was signed for them, and their nonces may be
    /// signed anew. Lost numbers are closed for reason 4 without an activity.
    ///
    /// # Errors
    /// Outside: storage has failed. Inside: [`ActivityError::NotClosable`].
    pub fn void(
        &mut self,
        numbers: RangeInclusive<u64>,
        reason: VoidReason,
        now_ms: u64,
    ) -> Result<Result<(), ActivityError>, StoreError> {
        let refuse = |reason: String| Ok(Err(ActivityError::NotClosable(reason.into())));
        let doubt = match &self.stopped {
            Some(StopReason::InDoubt { numbers }) => Some(numbers.clone()),
            Some(StopReason::AppendRefused { .. }) | None => None,
            Some(other) => return refuse(format!("the source is stopped: {other}")),
        };
        if let Some(doubt) = &doubt
            && *doubt != numbers
        {
            return refuse(format!("in doubt are {} to {}", doubt.start(), doubt.end()));
        }
        let (open, highest) = (self.sealed_end(), self.highest);
        let within = *numbers.start() >= open && *numbers.end() <= highest;
        if doubt.is_none() && (numbers.is_empty() || !within) {
            return refuse(format!("neither sealed nor included are {open} to {highest}"));
        }
        let mut changes = Changes::default();
        let mut known = self.records(*numbers.start(), numbers.end().saturating_add(1))?;
        for seq in numbers.clone() {
            let record = match known.remove(&seq) {
                Some(mut record) => {
                    record.close(reason, now_ms, None)?;
                    record
                }
                None => self.lost(seq, now_ms),
            };
            changes.put(numbered(ENTRIES, seq), record.encode());
        }
        if doubt.is_some() {
            self.grant(&mut changes);
        }
        self.rows.commit(changes)?;
        self.highest = self.highest.max(*numbers.end());
        if doubt.is_some() {
            self.restore = None;
            self.granted = self.granted.max(self.marked_nonces_end());
            self.reconcile()?;
        }
        Ok(Ok(()))
    }

    /// Goes on after `append refused`: the same numbers are tried again.
    ///
    /// # Errors
    /// The inbox cannot be written.
    pub fn retry_refused(&mut self) -> Result<(), StoreError> {
        let Some(progress) = self.progress.as_mut() else { return Ok(()) };
        if !matches!(self.stopped, Some(StopReason::AppendRefused { .. })) {
            return Ok(());
        }
        progress.refused = (0, 0);
        let mut changes = Changes::default();
        changes.put(crate::rows::PROGRESS, progress.encode());
        self.rows.commit(changes)?;
        self.reconcile()
    }

    /// The operator's decision is durable in the inbox, with the VOIDs.
    fn grant(&self, changes: &mut Changes) {
        changes.put(GRANTED, self.granted.max(self.marked_nonces_end()).to_be_bytes());
        changes.delete(RESTORE);
    }

    fn marked_nonces_end(&self) -> u64 {
        self.mark.read().map_or(0, |mark| mark.nonces_end())
    }

    /// The VOID of a number of which nothing is known.
    fn lost(&self, seq: u64, now_ms: u64) -> Record {
        let source = self.settings.source;
        let id = ActivityId::NIL.0;
        let void = Entry::void(source, seq, now_ms, VoidReason::Operator, id, B256::ZERO);
        Record::accepted(&void, now_ms)
    }
}
