use super::{Core, Settings};
use crate::{
    StopReason,
    chain::{ChainView, Lane},
    mark::{Mark, MarkStore},
    rows::{
        ENTRIES, EXPORTED, GRANTED, PROGRESS, Progress, RESTORE, Restore, RowStore, SEALED, Sealed,
        StoreError, decode_u64, number_of,
    },
};
use std::{collections::VecDeque, sync::Arc};

impl Core {
    /// Reads the inbox. Nothing is accepted before [`caught_up`](Self::caught_up).
    ///
    /// # Errors
    /// The inbox cannot be read or written, or the mark is another chain's, source's or key's.
    pub fn open(
        settings: Settings,
        rows: Arc<dyn RowStore>,
        mark: Box<dyn MarkStore>,
        chain: Arc<dyn ChainView>,
        lane: Arc<dyn Lane>,
    ) -> Result<Self, StoreError> {
        if let Some(mark) = mark.read() {
            let expected = (settings.genesis, settings.source, settings.key.address());
            if (mark.genesis, mark.source, mark.signer) != expected {
                return Err(StoreError::new(format!(
                    "the sealer's mark is of source {} with signer {} on the chain with genesis {}",
                    mark.source, mark.signer, mark.genesis
                )));
            }
        }
        let progress = rows.get(PROGRESS)?.map(|row| Progress::decode(&row)).transpose()?;
        let restore = rows.get(RESTORE)?.map(|row| Restore::decode(&row)).transpose()?;
        let granted = rows.get(GRANTED)?.map(|row| decode_u64(&row)).transpose()?;
        let exported =
            mark.read().is_some_and(|mark| mark.exported) || rows.get(EXPORTED)?.is_some();
        let highest = rows.last(ENTRIES)?.map(|(key, _)| number_of(&key)).transpose()?;
        let mut sealed = VecDeque::new();
        for (key, row) in rows.scan(SEALED, SEALED, usize::MAX)? {
            sealed.push_back(Sealed::decode(number_of(&key)?, &row)?);
        }
        let mut core = Self {
            settings,
            rows,
            mark,
            chain,
            lane,
            highest: highest.unwrap_or_default(),
            seen: progress.map_or(0, |progress| progress.height),
            progress,
            sealed,
            restore,
            exported,
            granted: granted.unwrap_or_default(),
            stopped: Some(StopReason::Starting),
            lane_full: false,
        };
        if let Some(mark) = core.mark.read().filter(|_| core.progress.is_some()) {
            core.note_restore(&mark)?;
        }
        Ok(core)
    }

    /// Notes the inbox's highest number in the mark, as sealing does: when nothing can be sealed for
    /// long, an inbox that is restored from that time is recognised all the same.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn note_highest(&mut self) -> Result<(), StoreError> {
        let behind = |mark: &Mark| mark.floor < self.highest;
        match self.mark.read().filter(behind).filter(|_| self.restore.is_none()) {
            Some(mark) => self.mark.write(&Mark { floor: self.highest, ..mark }),
            None => Ok(()),
        }
    }

    /// Makes the mark's highest number exact. After that nothing is accepted.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn close(&mut self) -> Result<(), StoreError> {
        let settled = self.stopped.is_none() && self.restore.is_none();
        if let Some(mark) = self.mark.read().filter(|_| settled) {
            let (highest, floor) = (self.highest, self.highest);
            self.mark.write(&Mark { highest, floor, ..mark })?;
        }
        self.stopped = Some(StopReason::Starting);
        Ok(())
    }
}
