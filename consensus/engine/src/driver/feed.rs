//! Blocks from sync on their way to the core, one at a time.

use super::{Driver, effects::consensus_block};
use crate::{EngineError, sync::Synced};
use peruri_ibft2::{ExtraData, core::Input};
use peruri_storage::ExecutedBlock;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The block that waits, and who waits for the end.
#[derive(Debug, Default)]
pub(super) struct Feed {
    next: Option<Box<ExecutedBlock>>,
    flush: Option<oneshot::Sender<()>>,
}

impl Feed {
    /// Whether another one can be taken.
    pub(super) const fn is_free(&self) -> bool {
        self.next.is_none() && self.flush.is_none()
    }
}

impl Driver {
    pub(super) fn on_synced(&mut self, synced: Synced) -> Result<(), EngineError> {
        match synced {
            Synced::Block(block) => self.feed.next = Some(block),
            Synced::Seals { number, seals } => {
                self.late_seals.entry(number).or_default().extend(seals);
            }
            Synced::Flush(done) => self.feed.flush = Some(done),
        }
        self.feed_next()
    }

    /// Gives the waiting block to the core unless one is being stored.
    pub(super) fn feed_next(&mut self) -> Result<(), EngineError> {
        if self.core.is_finalising() {
            return Ok(());
        }
        if let Some(block) = self.feed.next.take() {
            self.give_synced(*block)?;
        }
        if !self.core.is_finalising()
            && let Some(done) = self.feed.flush.take()
        {
            // Nobody waits any more when sync has ended.
            let _ = done.send(());
        }
        Ok(())
    }

    /// A block that is final here already only matters if it is another one, which the core judges.
    fn give_synced(&mut self, executed: ExecutedBlock) -> Result<(), EngineError> {
        let number = executed.number();
        if self.provider.block_hash(number)? == Some(executed.hash()) {
            return Ok(());
        }
        let block = Arc::new(consensus_block(&executed)?);
        let extra = ExtraData::decode(&block.header.extra_data)
            .map_err(|source| EngineError::ExtraData { number, source })?;
        self.candidates.put(executed);
        self.give(Input::Finalised { block, seals: extra.seals })
    }
}
