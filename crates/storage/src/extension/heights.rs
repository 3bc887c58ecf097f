//! How far extensions have come.

use crate::{
    ProviderError, ProviderFactory, ProviderResult,
    codecs::meta,
    db::{Batch, Column, Db, ReadView},
};
use alloy_primitives::BlockNumber;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// The finished heights that hold pruning back, as they are on disk.
#[derive(Debug)]
pub(crate) struct Heights {
    values: Mutex<BTreeMap<String, BlockNumber>>,
    /// Held while a height is written, so that of two writes the later one is the higher. Readers do
    /// not wait for it.
    writer: Mutex<()>,
}

impl Heights {
    /// The heights of all extensions that were ever installed.
    pub(crate) fn read(db: &Arc<Db>) -> ProviderResult<Self> {
        Ok(Self { values: Mutex::new(stored(db)?), writer: Mutex::new(()) })
    }

    /// Height of one extension.
    pub(crate) fn height(&self, name: &str) -> Option<BlockNumber> {
        self.values.lock().get(name).copied()
    }

    /// The lowest height: the blocks after it are still needed.
    pub(crate) fn lowest(&self) -> Option<BlockNumber> {
        self.values.lock().values().min().copied()
    }

    /// Raises a height when `write` has made it durable.
    ///
    /// # Errors
    /// [`ProviderError::ExtensionHeight`] if it falls or lies above `head`; what `write` says.
    pub(super) fn raise(
        &self,
        name: &str,
        height: BlockNumber,
        head: BlockNumber,
        write: impl FnOnce() -> ProviderResult<()>,
    ) -> ProviderResult<()> {
        let _writer = self.writer.lock();
        self.raise_locked(name, height, head, write)
    }

    /// The same, but nothing is written if the height stands there or higher already.
    pub(super) fn raise_to(
        &self,
        name: &str,
        height: BlockNumber,
        head: BlockNumber,
        write: impl FnOnce() -> ProviderResult<()>,
    ) -> ProviderResult<()> {
        let _writer = self.writer.lock();
        match self.height(name) {
            Some(reached) if reached >= height => Ok(()),
            _ => self.raise_locked(name, height, head, write),
        }
    }

    fn raise_locked(
        &self,
        name: &str,
        height: BlockNumber,
        head: BlockNumber,
        write: impl FnOnce() -> ProviderResult<()>,
    ) -> ProviderResult<()> {
        let lowest = self.height(name).unwrap_or_default();
        if height < lowest || height > head {
            let (name, got, highest) = (name.to_owned(), height, head);
            return Err(ProviderError::ExtensionHeight { name, got, lowest, highest });
        }
        write()?;
        self.values.lock().insert(name.to_owned(), height);
        Ok(())
    }
}

fn stored(db: &Arc<Db>) -> ProviderResult<BTreeMap<String, BlockNumber>> {
    let view = ReadView::new(Arc::clone(db));
    let mut rows = view.range_cursor(Column::Meta, meta::EXTENSION_PREFIX)?;
    let mut heights = BTreeMap::new();
    let mut row = rows.first()?;
    while let Some((key, value)) = row {
        let name = key.get(meta::EXTENSION_PREFIX.len()..).unwrap_or_default();
        let name = String::from_utf8(name.to_vec())
            .map_err(|error| ProviderError::codec(Column::Meta.name(), error))?;
        heights.insert(name, meta::decode_u64(value)?);
        row = rows.next()?;
    }
    Ok(heights)
}

impl ProviderFactory {
    /// Says which extensions this node has: from now on these alone hold pruning back. (Before, all
    /// do that were ever installed, so that an import loses nothing for them.) One that is new begins
    /// behind the oldest block whose receipts are kept; that height is synced.
    ///
    /// # Errors
    /// A bad name; the database cannot be read; the write failed (fatal).
    pub fn install_extensions<S: AsRef<str>>(&self, names: &[S]) -> ProviderResult<()> {
        // Nothing is pruned meanwhile.
        let _chain = self.write_lock();
        let _heights = self.extension_heights().writer.lock();
        let start = self.windows()?.receipts.saturating_sub(1);
        let known = stored(self.db())?;
        let mut batch = Batch::default();
        let mut heights = BTreeMap::new();
        for name in names {
            let name = self.extension(name.as_ref())?.name().to_owned();
            let height = known.get(&name).copied().unwrap_or_else(|| {
                batch.put(Column::Meta, meta::extension_key(&name), start.to_be_bytes());
                start
            });
            heights.insert(name, height);
        }
        if batch.bytes() > 0 {
            batch.write_synced(self.db(), "extension heights")?;
        }
        *self.extension_heights().values.lock() = heights;
        Ok(())
    }

    /// Finished heights of the installed extensions, by name.
    pub fn finished_heights(&self) -> BTreeMap<String, BlockNumber> {
        self.extension_heights().values.lock().clone()
    }
}
