//! One atomic, synced write of an extension.

use super::ExtensionStore;
use crate::{
    ProviderResult,
    codecs::meta,
    db::{Batch, Column},
};
use alloy_primitives::BlockNumber;

/// Rows of an extension, and its finished height, that are written together or not at all. Where a
/// key is given twice, the later row counts.
#[must_use = "nothing is written before `commit`"]
pub struct ExtensionBatch {
    store: ExtensionStore,
    rows: Batch,
    height: Option<BlockNumber>,
}

impl std::fmt::Debug for ExtensionBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExtensionBatch")
            .field("name", &self.store.name())
            .field("bytes", &self.rows.bytes())
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

impl ExtensionBatch {
    pub(super) fn new(store: ExtensionStore) -> Self {
        Self { store, rows: Batch::default(), height: None }
    }

    /// Sets a row.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.rows.put(Column::ExtensionRows, self.store.key(key), value);
    }

    /// Removes a row.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) {
        self.rows.delete(Column::ExtensionRows, self.store.key(key));
    }

    /// Raises the finished height.
    pub const fn set_finished_height(&mut self, height: BlockNumber) {
        self.height = Some(height);
    }

    /// Bytes of keys and values so far.
    pub fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    /// Writes everything and syncs it. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`ProviderError::ExtensionHeight`](crate::ProviderError::ExtensionHeight) if the height falls
    /// or leads the committed head, and nothing is written; or the write failed, which is fatal.
    pub fn commit(self) -> ProviderResult<()> {
        let Self { store, mut rows, height } = self;
        let factory = store.factory();
        let Some(height) = height else {
            return rows.write_synced(factory.db(), "extension rows");
        };
        let head = factory.best_block_number()?;
        factory.extension_heights().raise(store.name(), height, head, || {
            rows.put(Column::Meta, meta::extension_key(store.name()), height.to_be_bytes());
            rows.write_synced(factory.db(), "extension rows")
        })
    }
}
