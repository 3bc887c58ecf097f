//! Dead letters: why a message was rejected, beside its hash, never its content.

use super::Core;
use crate::{
    ActivityError,
    rows::{Changes, DEAD, DeadLetter, StoreError, number_of, numbered},
};
use alloy_primitives::B256;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Dead letters that are kept; older ones make room.
const MOST_KEPT: u64 = 10_000;

impl DeadLetter {
    /// What is kept of `message`, which was refused because of `error`.
    pub fn new(message: &[u8], error: &ActivityError, now_ms: u64) -> Self {
        let reason = match error {
            // The name of an unknown member is the sender's text.
            ActivityError::Malformed { field: Cow::Owned(_), reason } => reason.to_string(),
            other => other.to_string(),
        };
        let sha256 = B256::new(Sha256::digest(message).into());
        Self { at_ms: now_ms, sha256, reason }
    }
}

impl Core {
    /// Keeps dead letters; when this returns, they are on disk.
    ///
    /// # Errors
    /// Storage has failed.
    pub fn keep_dead(&self, letters: &[DeadLetter]) -> Result<(), StoreError> {
        let last = self.rows.last(DEAD)?.map(|(key, _)| number_of(&key)).transpose()?;
        let next = last.map_or(0, |last| last + 1);
        let mut changes = Changes::default();
        for (number, letter) in (next..).zip(letters) {
            changes.put(numbered(DEAD, number), letter.encode());
            if let Some(old) = number.checked_sub(MOST_KEPT) {
                changes.delete(numbered(DEAD, old));
            }
        }
        self.rows.commit(changes)?;
        metrics::counter!("peruri_activity_dead_letters_total").increment(letters.len() as u64);
        Ok(())
    }
}
