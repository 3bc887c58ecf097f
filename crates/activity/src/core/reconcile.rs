//! The start: inbox, mark, chain and pools are compared before anything is told or signed.

use super::{Core, adopt::index};
use crate::{
    StopReason,
    mark::{Mark, SealedMark},
    rows::{
        Changes, ENTRIES, PROGRESS, Progress, RESTORE, Restore, SESSION, StoreError, decode_u64,
        numbered,
    },
};
use peruri_plog::Entry;

/// Entries that a rebuild writes with one sync.
const REBUILD_STEP: usize = 1_000;

impl Core {
    /// The extension has read all blocks that this node has. Compares, and from here on accepts and
    /// seals unless [`stopped`](Self::stopped) says why not.
    ///
    /// # Errors
    /// Storage or the chain cannot be read or written; or the mark is missing although the inbox is
    /// not empty.
    pub fn caught_up(&mut self) -> Result<(), StoreError> {
        if self.stopped != Some(StopReason::Starting) {
            return Ok(());
        }
        if self.exported {
            if self.progress.is_none() {
                // Who asks here is answered from the chain.
                self.rebuild()?;
            }
            self.stop(StopReason::Exported);
            return Ok(());
        }
        self.reconcile()
    }

    /// Compares again; what is found to be in order ends the stop.
    pub(super) fn reconcile(&mut self) -> Result<(), StoreError> {
        let unmarked = self.mark.read().is_none();
        if self.progress.is_none() {
            self.rebuild()?;
        } else if unmarked {
            return Err(mark_is_missing());
        }
        let mark = self.mark.read().unwrap_or_else(|| self.first_mark());
        self.note_restore(&mark)?;
        if !self.adopt(self.restore, unmarked)? || self.is_elsewhere()? {
            self.stop(StopReason::KeyInUseElsewhere);
            return Ok(());
        }
        if let Some(numbers) = self.doubt(&mark) {
            self.stop(StopReason::InDoubt { numbers });
            self.offer_sealed();
            return Ok(());
        }
        self.settle(&mark)
    }

    /// The mark of a source that has none.
    pub(super) fn first_mark(&self) -> Mark {
        let signer = self.settings.key.address();
        let (genesis, source) = (self.settings.genesis, self.settings.source);
        Mark {
            genesis,
            source,
            signer,
            session: 0,
            highest: 0,
            floor: 0,
            sealed: None,
            exported: false,
        }
    }

    /// Notes in an inbox that is older than the mark up to where the mark knows better. Until then
    /// the blocks that it has not read hold entries that it does not know.
    pub(super) fn note_restore(&mut self, mark: &Mark) -> Result<(), StoreError> {
        if let Some(restore) = self.found_restore(mark)? {
            let mut changes = Changes::default();
            changes.put(RESTORE, restore.encode());
            self.rows.commit(changes)?;
            self.restore = Some(restore);
        }
        Ok(())
    }

    /// Whether the inbox is older than the mark.
    fn found_restore(&self, mark: &Mark) -> Result<Option<Restore>, StoreError> {
        let session = self.rows.get(SESSION)?.map(|row| decode_u64(&row)).transpose()?;
        let open = mark.sealed.filter(|it| {
            let reached = self.progress.is_some_and(|progress| it.nonce < progress.nonce);
            !reached && it.nonce >= self.granted
        });
        let lacks = open.is_some_and(|it| !self.sealed.iter().any(|known| known.hash == it.hash));
        let older =
            session.unwrap_or_default() < mark.session || self.highest < mark.floor || lacks;
        let known = Restore { seq: mark.highest, nonces_end: mark.nonces_end() };
        Ok((older && self.restore != Some(known)).then_some(known))
    }

    /// The chain has used numbers or nonces that neither inbox nor mark knows.
    fn is_elsewhere(&self) -> Result<bool, StoreError> {
        let (Some(progress), state) = (self.progress, self.chain.source()?) else {
            return Ok(false);
        };
        let read_all = state.height == self.seen;
        Ok(read_all && (state.next_seq, state.nonce) != (progress.next_seq, progress.nonce))
    }

    /// The numbers that are not certain, if the bytes of an open nonce or a number is lost.
    pub(super) fn doubt(&self, mark: &Mark) -> Option<std::ops::RangeInclusive<u64>> {
        let progress = self.progress?;
        let known_nonces = progress.nonce + self.sealed.len() as u64;
        let nonce_lost = known_nonces < mark.nonces_end() && mark.nonces_end() > self.granted;
        let end = self.restore.map_or(self.highest, |it| it.seq.max(self.highest));
        let numbers_lost = end > self.highest;
        let from_nonce = nonce_lost.then(|| self.sealed_end());
        let from_number = numbers_lost.then(|| self.highest + 1);
        let start = from_nonce.into_iter().chain(from_number).min()?;
        Some(start..=end)
    }

    /// Nothing is in doubt: a new session begins, the inbox first.
    fn settle(&mut self, mark: &Mark) -> Result<(), StoreError> {
        let session = self.rows.get(SESSION)?.map(|row| decode_u64(&row)).transpose()?;
        let session = session.unwrap_or_default().max(mark.session) + 1;
        let mut changes = Changes::default();
        changes.put(SESSION, session.to_be_bytes());
        changes.delete(RESTORE);
        self.rows.commit(changes)?;
        self.restore = None;
        let highest = mark.highest.max(self.highest);
        // Bytes that a crash kept from the mark are released now: the mark first, as always.
        let stored = self.sealed.back().map(SealedMark::of);
        let newer = stored.filter(|it| it.nonce.saturating_add(1) >= mark.nonces_end());
        let sealed = newer.or(mark.sealed);
        self.mark.write(&Mark { session, highest, floor: self.highest, sealed, ..*mark })?;
        let refused = self.progress.map_or((0, 0), |progress| progress.refused);
        if let Some(reason) = self.stopped.take() {
            tracing::info!(target: "activity::sealer", source = self.settings.source, after = %reason, "goes on");
        }
        if refused.1 > 1 {
            self.stop(StopReason::AppendRefused { first_seq: refused.0 });
        } else if !self.chain.source()?.may_append {
            self.stop(StopReason::NotASource);
        }
        self.offer_sealed();
        Ok(())
    }

    /// Writes the inbox anew from the source's own entries on chain, each of which carries its id.
    /// A crash in between leaves no progress, and the next start begins again.
    pub(super) fn rebuild(&mut self) -> Result<(), StoreError> {
        let state = self.chain.source()?;
        let mut next = 1;
        while next < state.next_seq {
            let missing = usize::try_from(state.next_seq - next).unwrap_or(usize::MAX);
            let entries = self.chain.entries(next, missing.min(REBUILD_STEP))?;
            let mut changes = Changes::default();
            for found in &entries {
                let entry = Entry::decode(&found.entry).map_err(StoreError::new)?;
                changes.put(numbered(ENTRIES, entry.source_seq), found.record().encode());
                index(&*self.rows, &mut changes, &entry)?;
            }
            if entries.is_empty() {
                return Err(StoreError::new(format!("the chain's index lacks number {next}")));
            }
            self.rows.commit(changes)?;
            next += entries.len() as u64;
        }
        let (height, next_seq, nonce) = (state.height, state.next_seq, state.nonce);
        let progress = Progress { height, next_seq, nonce, refused: (0, 0) };
        let mut changes = Changes { height: Some(height), ..Changes::default() };
        changes.put(PROGRESS, progress.encode());
        self.rows.commit(changes)?;
        (self.progress, self.seen, self.highest) = (Some(progress), height, next_seq - 1);
        Ok(())
    }
}

pub(super) fn mark_is_missing() -> StoreError {
    StoreError::new(
        "the sealer's mark is missing although the inbox is not empty: bring it from the machine that sealed",
    )
}
