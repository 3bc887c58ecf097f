//! The rows of one extension.

use super::{ExtensionBatch, ExtensionView};
use crate::{
    ProviderError, ProviderFactory, ProviderResult,
    codecs::meta,
    db::{Batch, Column, ReadView},
};
use alloy_primitives::BlockNumber;
use std::sync::Arc;

/// Longest name in bytes.
const MAX_NAME: usize = 64;

/// The rows of one extension, read and written under its name. Clones share everything.
#[derive(Debug, Clone)]
pub struct ExtensionStore {
    factory: ProviderFactory,
    name: Arc<str>,
    /// What the keys of this extension begin with on disk.
    scope: Arc<[u8]>,
}

impl ProviderFactory {
    /// The rows of the extension `name`: 1 to 64 characters of `a-z`, `0-9`, `-` and `_`.
    ///
    /// # Errors
    /// [`ProviderError::ExtensionName`].
    pub fn extension(&self, name: &str) -> ProviderResult<ExtensionStore> {
        let scope = scope(name).ok_or_else(|| ProviderError::ExtensionName(name.to_owned()))?;
        Ok(ExtensionStore { factory: self.clone(), name: name.into(), scope: scope.into() })
    }
}

/// Names of different lengths differ in the first byte, so no scope is the beginning of another.
fn scope(name: &str) -> Option<Vec<u8>> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        return None;
    }
    let length = u8::try_from(name.len()).ok()?;
    Some([&[length], name.as_bytes()].concat())
}

impl ExtensionStore {
    /// Name of the extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The newest block the extension has done everything for; `None` if it was never installed.
    pub fn finished_height(&self) -> Option<BlockNumber> {
        self.factory.extension_heights().height(&self.name)
    }

    /// Newest value of a key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn get(&self, key: impl AsRef<[u8]>) -> ProviderResult<Option<Vec<u8>>> {
        let row = self.factory.db().get(Column::ExtensionRows, self.key(key))?;
        Ok(row.map(|row| row.to_vec()))
    }

    /// Newest values of ascending keys, in the same order.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn get_many<K: AsRef<[u8]>>(
        &self,
        sorted_keys: &[K],
    ) -> ProviderResult<Vec<Option<Vec<u8>>>> {
        let keys: Vec<_> = sorted_keys.iter().map(|key| self.key(key)).collect();
        let rows = self.factory.db().multi_get(Column::ExtensionRows, &keys)?;
        Ok(rows.into_iter().map(|row| row.map(|row| row.to_vec())).collect())
    }

    /// The rows as they are now.
    pub fn view(&self) -> ExtensionView {
        let view = ReadView::new(Arc::clone(self.factory.db()));
        ExtensionView::new(view, Arc::clone(&self.scope))
    }

    /// An empty batch.
    pub fn batch(&self) -> ExtensionBatch {
        ExtensionBatch::new(self.clone())
    }

    /// Raises the finished height, alone, in a synced write. Nothing is written if it stands there
    /// or higher already.
    ///
    /// # Errors
    /// [`ProviderError::ExtensionHeight`] if it would lead the committed head; or the write failed,
    /// which is fatal.
    pub fn set_finished_height(&self, height: BlockNumber) -> ProviderResult<()> {
        let head = self.factory.best_block_number()?;
        self.factory.extension_heights().raise_to(&self.name, height, head, || {
            let mut rows = Batch::default();
            rows.put(Column::Meta, meta::extension_key(&self.name), height.to_be_bytes());
            rows.write_synced(self.factory.db(), "extension height")
        })
    }

    pub(super) const fn factory(&self) -> &ProviderFactory {
        &self.factory
    }

    /// Key on disk.
    pub(super) fn key(&self, key: impl AsRef<[u8]>) -> Vec<u8> {
        [&self.scope, key.as_ref()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(scope("a-1_z").as_deref(), Some(b"\x05a-1_z".as_slice()));
        assert!(scope(&"a".repeat(64)).is_some());
        for bad in ["", "A", "a b", "ä", "a/b", &"a".repeat(65)] {
            assert!(scope(bad).is_none(), "{bad}");
        }
    }
}
