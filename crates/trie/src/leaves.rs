//! Flat rows as a stream of leaves.

use crate::{Change, HashedCursor, TrieError, prefix_set::shares};
use alloy_primitives::B256;

/// How many rows are read over before a seek is tried. A seek in a database costs as much as a
/// dozen steps.
const MAX_STEPS: usize = 12;

/// A leaf cursor that looks one row ahead and moves forward, unless it is told otherwise.
#[derive(Debug)]
pub(crate) struct Leaves<C: HashedCursor> {
    cursor: C,
    ahead: Option<(B256, C::Value)>,
    positioned: bool,
    /// Whether many rows may lie between the row ahead and the next one wanted.
    far: bool,
}

impl<C: HashedCursor> Leaves<C> {
    pub(crate) const fn new(cursor: C) -> Self {
        Self { cursor, ahead: None, positioned: false, far: false }
    }

    /// Tells that a large subtree was skipped, so that stepping over it does not pay.
    pub(crate) const fn skipped_far(&mut self) {
        self.far = true;
    }

    /// Allows the next position to be below an earlier one.
    pub(crate) const fn rewind(&mut self) {
        self.positioned = false;
    }

    /// Moves to the first row at or after `lower`, which is not below any earlier position since
    /// the last [`Self::rewind`].
    pub(crate) fn position(&mut self, lower: &B256) -> Result<(), TrieError<C::Error>> {
        if self.positioned {
            if self.is_at_or_after(lower) {
                return Ok(());
            }
            if !self.far {
                for _ in 0..MAX_STEPS {
                    self.advance()?;
                    if self.is_at_or_after(lower) {
                        return Ok(());
                    }
                }
            }
        }
        self.ahead = self.cursor.seek(*lower)?;
        self.positioned = true;
        self.far = false;
        match &self.ahead {
            Some((got, _)) if got < lower => {
                Err(TrieError::UnorderedRows { previous: *lower, got: *got })
            }
            _ => Ok(()),
        }
    }

    /// What the row of a key was and is.
    pub(crate) fn change(&mut self, key: B256) -> Result<Change<C::Value>, TrieError<C::Error>> {
        Ok(self.cursor.change(key)?)
    }

    fn is_at_or_after(&self, lower: &B256) -> bool {
        self.ahead.as_ref().is_none_or(|(key, _)| key >= lower)
    }

    /// Whether the row ahead shares the first `len` nibbles of `key`.
    #[inline]
    pub(crate) fn shares(&self, key: &B256, len: usize) -> bool {
        self.ahead.as_ref().is_some_and(|(ahead, _)| shares(ahead, key, len))
    }

    /// Takes the row ahead and puts it where it belongs.
    pub(crate) fn take_with<R>(
        &mut self,
        put: impl FnOnce(B256, &C::Value) -> R,
    ) -> Result<Option<R>, TrieError<C::Error>> {
        let Some((key, value)) = &self.ahead else { return Ok(None) };
        let taken = put(*key, value);
        self.advance()?;
        Ok(Some(taken))
    }

    /// Drops the row ahead and reads the next one.
    fn advance(&mut self) -> Result<(), TrieError<C::Error>> {
        let Some((previous, _)) = self.ahead else { return Ok(()) };
        self.ahead = self.cursor.next()?;
        match &self.ahead {
            Some((got, _)) if *got <= previous => {
                Err(TrieError::UnorderedRows { previous, got: *got })
            }
            _ => Ok(()),
        }
    }
}
