//! Making the index anew.

use super::{Index, PlogAppend};
use crate::{
    ProviderFactory, ProviderResult,
    db::{Batch, Column},
};
use alloy_primitives::BlockNumber;

/// Rows per synced write, by their bytes.
const CHUNK: usize = 32 << 20;

/// The index while it is made anew: emptied, then given the appends of all blocks in order. If this is
/// not finished the index is incomplete, and the next rebuild begins from the start.
#[allow(missing_debug_implementations)]
pub struct PlogRebuild {
    factory: ProviderFactory,
    index: Index,
    batch: Batch,
    entries: u64,
}

impl ProviderFactory {
    /// Empties the index of the transparency log to make it anew. Nothing may be committed meanwhile.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn rebuild_plog(&self) -> ProviderResult<PlogRebuild> {
        for column in [Column::PlogLogs, Column::PlogLookup, Column::PlogBatches, Column::PlogNodes]
        {
            self.db().clear(column)?;
        }
        let (factory, index, batch) = (self.clone(), Index::default(), Batch::default());
        Ok(PlogRebuild { factory, index, batch, entries: 0 })
    }
}

impl PlogRebuild {
    /// Adds what a block appended.
    ///
    /// # Errors
    /// As a commit of the block: the appends do not follow one another, or the database fails.
    pub fn add(&mut self, block: BlockNumber, appends: &[PlogAppend]) -> ProviderResult<()> {
        self.index.write(self.factory.db(), &mut self.batch, block, appends)?;
        let entries = appends.iter().map(|it| it.entries.len() / peruri_plog::ENTRY_LEN);
        self.entries = self.entries.saturating_add(entries.sum::<usize>() as u64);
        if self.batch.bytes() >= CHUNK {
            std::mem::take(&mut self.batch).write_synced(self.factory.db(), "plog index")?;
        }
        Ok(())
    }

    /// Writes the rest; returns the number of entries.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn finish(self) -> ProviderResult<u64> {
        self.batch.write_synced(self.factory.db(), "plog index")?;
        Ok(self.entries)
    }
}
