use peruri_storage::{ExtensionStore, ProviderError};
use std::{collections::BTreeMap, sync::Arc};

/// Key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Storage has failed, or what it holds is damaged. After a failed write only a restart knows what is
/// durable.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(Arc<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps what a store says.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl From<ProviderError> for StoreError {
    fn from(error: ProviderError) -> Self {
        Self::new(error)
    }
}

/// Rows that are written together, or not at all.
#[derive(Debug, Default)]
pub struct Changes {
    /// New values; `None` removes the row.
    pub rows: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The block that is finished with them.
    pub height: Option<u64>,
}

impl Changes {
    pub(crate) fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.rows.insert(key.into(), Some(value.into()));
    }

    pub(crate) fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.rows.insert(key.into(), None);
    }
}

/// Where the rows are kept. One caller writes, many read.
pub trait RowStore: Send + Sync + 'static {
    /// Value of a key.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Values of ascending keys, in the same order.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Up to `limit` rows at or after `from` whose keys begin with `prefix`, ascending.
    ///
    /// # Errors
    /// The store cannot be read.
    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError>;

    /// The row with the greatest key that begins with `prefix`.
    ///
    /// # Errors
    /// The store cannot be read.
    fn last(&self, prefix: &[u8]) -> Result<Option<Row>, StoreError>;

    /// Writes and syncs.
    ///
    /// # Errors
    /// The write failed; nothing may be written after it.
    fn commit(&self, changes: Changes) -> Result<(), StoreError>;
}

impl RowStore for ExtensionStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.get(key)?)
    }

    fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        Ok(self.get_many(keys)?)
    }

    fn scan(&self, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
        let view = self.view();
        let rows = view.rows_from(prefix, from)?.take(limit);
        Ok(rows.collect::<Result<_, ProviderError>>()?)
    }

    fn last(&self, prefix: &[u8]) -> Result<Option<Row>, StoreError> {
        Ok(self.view().last(prefix)?)
    }

    fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        let mut batch = self.batch();
        for (key, value) in changes.rows {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        if let Some(height) = changes.height {
            batch.set_finished_height(height);
        }
        Ok(batch.commit()?)
    }
}
