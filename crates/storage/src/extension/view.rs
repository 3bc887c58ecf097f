//! A consistent view of an extension's rows.

use super::ExtensionRow;
use crate::{
    ProviderResult,
    db::{Column, Cursor, ReadView},
};
use std::sync::Arc;

/// The rows of one extension at one moment.
#[derive(Debug)]
pub struct ExtensionView {
    view: ReadView,
    scope: Arc<[u8]>,
}

impl ExtensionView {
    pub(super) const fn new(view: ReadView, scope: Arc<[u8]>) -> Self {
        Self { view, scope }
    }

    /// Value of a key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn get(&self, key: impl AsRef<[u8]>) -> ProviderResult<Option<Vec<u8>>> {
        let row = self.view.get(Column::ExtensionRows, self.key(key))?;
        Ok(row.map(|row| row.to_vec()))
    }

    /// The rows whose keys begin with `prefix`, ascending.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn rows(&self, prefix: impl AsRef<[u8]>) -> ProviderResult<ExtensionRows<'_>> {
        self.rows_from(prefix.as_ref(), prefix.as_ref())
    }

    /// The rows at or after the key `from` whose keys begin with `prefix`, ascending.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn rows_from(
        &self,
        prefix: impl AsRef<[u8]>,
        from: impl AsRef<[u8]>,
    ) -> ProviderResult<ExtensionRows<'_>> {
        let mut cursor = self.cursor(prefix)?;
        cursor.seek(self.key(from))?;
        Ok(ExtensionRows { cursor, scope: self.scope.len(), done: false })
    }

    /// The row with the greatest key that begins with `prefix`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn last(&self, prefix: impl AsRef<[u8]>) -> ProviderResult<Option<ExtensionRow>> {
        let mut cursor = self.cursor(prefix)?;
        Ok(cursor.last()?.map(|row| owned(row, self.scope.len())))
    }

    fn cursor(&self, prefix: impl AsRef<[u8]>) -> ProviderResult<Cursor<'_>> {
        self.view.prefix_cursor(Column::ExtensionRows, &self.key(prefix))
    }

    fn key(&self, key: impl AsRef<[u8]>) -> Vec<u8> {
        [&self.scope, key.as_ref()].concat()
    }
}

/// Rows in ascending order of their keys. Ends after an error.
pub struct ExtensionRows<'a> {
    cursor: Cursor<'a>,
    /// Bytes of a key on disk that are not the extension's own.
    scope: usize,
    done: bool,
}

impl std::fmt::Debug for ExtensionRows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExtensionRows").field("done", &self.done).finish_non_exhaustive()
    }
}

impl ExtensionRows<'_> {
    fn advance(&mut self) -> ProviderResult<Option<ExtensionRow>> {
        let row = self.cursor.current()?.map(|row| owned(row, self.scope));
        if row.is_some() {
            self.cursor.next()?;
        }
        Ok(row)
    }
}

impl Iterator for ExtensionRows<'_> {
    type Item = ProviderResult<ExtensionRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let row = self.advance().transpose();
        self.done = !matches!(row, Some(Ok(_)));
        row
    }
}

fn owned((key, value): (&[u8], &[u8]), scope: usize) -> ExtensionRow {
    (key.get(scope..).unwrap_or_default().to_vec(), value.to_vec())
}
