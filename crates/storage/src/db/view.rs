//! A snapshot that owns its database handle, and cursors over it.

use std::sync::Arc;

use rocksdb::{DB, DBPinnableSlice, DBRawIterator, ReadOptions, Snapshot};

use super::{Column, Db};
use crate::ProviderResult;

/// A consistent view of the whole database. Cheap to make; shared by rayon workers.
///
/// Field order matters: the snapshot is released before the database handle.
pub(crate) struct ReadView {
    /// Options of point reads: making them costs as much as a small read.
    point: ReadOptions,
    snapshot: Snapshot<'static>,
    db: Arc<Db>,
}

impl std::fmt::Debug for ReadView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadView").field("sequence", &self.snapshot.sequence_number()).finish()
    }
}

impl ReadView {
    /// Takes a snapshot now.
    pub(crate) fn new(db: Arc<Db>) -> Self {
        let raw: &DB = db.raw();
        // SAFETY: the snapshot borrows the `DB` inside the `Arc`, whose address is stable. `Self`
        // keeps that `Arc` alive for as long as the snapshot and drops the snapshot first; the
        // extended lifetime is never handed out.
        let snapshot =
            unsafe { std::mem::transmute::<Snapshot<'_>, Snapshot<'static>>(raw.snapshot()) };
        Self { point: options_at(&snapshot), snapshot, db }
    }

    /// Value of a key.
    pub(crate) fn get(
        &self,
        column: Column,
        key: impl AsRef<[u8]>,
    ) -> ProviderResult<Option<DBPinnableSlice<'_>>> {
        Ok(self.db.raw().get_pinned_cf_opt(self.db.cf(column)?, key, &self.point)?)
    }

    /// A cursor over all keys, prefix extractor or not.
    pub(crate) fn cursor(&self, column: Column) -> ProviderResult<Cursor<'_>> {
        let mut options = options_at(&self.snapshot);
        options.set_total_order_seek(true);
        self.raw_cursor(column, options)
    }

    /// A cursor that sees the keys with `prefix` only. The prefix must be as long as the column
    /// family's prefix extractor, or the column family must have none.
    pub(crate) fn prefix_cursor(
        &self,
        column: Column,
        prefix: &[u8],
    ) -> ProviderResult<Cursor<'_>> {
        let mut options = options_at(&self.snapshot);
        options.set_iterate_lower_bound(prefix);
        if let Some(end) = prefix_end(prefix) {
            options.set_iterate_upper_bound(end);
        }
        self.raw_cursor(column, options)
    }

    /// Like [`prefix_cursor`](Self::prefix_cursor) for a prefix of any length.
    pub(crate) fn range_cursor(&self, column: Column, prefix: &[u8]) -> ProviderResult<Cursor<'_>> {
        let mut options = options_at(&self.snapshot);
        options.set_total_order_seek(true);
        options.set_iterate_lower_bound(prefix);
        if let Some(end) = prefix_end(prefix) {
            options.set_iterate_upper_bound(end);
        }
        self.raw_cursor(column, options)
    }

    fn raw_cursor(&self, column: Column, options: ReadOptions) -> ProviderResult<Cursor<'_>> {
        let iter = self.db.raw().raw_iterator_cf_opt(self.db.cf(column)?, options);
        Ok(Cursor { iter })
    }
}

fn options_at(snapshot: &Snapshot<'_>) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_snapshot(snapshot);
    options
}

/// Smallest key greater than every key with `prefix`; `None` if there is none.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=keep].to_vec();
    end[keep] = end[keep].wrapping_add(1);
    Some(end)
}

/// A positioned reader. A RocksDB iterator turns invalid both at the end and on an error; every step
/// here tells the two apart.
pub(crate) struct Cursor<'a> {
    iter: DBRawIterator<'a>,
}

impl Cursor<'_> {
    /// First row at or after `key`.
    pub(crate) fn seek(&mut self, key: impl AsRef<[u8]>) -> ProviderResult<Option<(&[u8], &[u8])>> {
        self.iter.seek(key);
        self.current()
    }

    /// Last row at or before `key`.
    pub(crate) fn seek_for_prev(
        &mut self,
        key: impl AsRef<[u8]>,
    ) -> ProviderResult<Option<(&[u8], &[u8])>> {
        self.iter.seek_for_prev(key);
        self.current()
    }

    /// First row.
    pub(crate) fn first(&mut self) -> ProviderResult<Option<(&[u8], &[u8])>> {
        self.iter.seek_to_first();
        self.current()
    }

    /// Last row.
    pub(crate) fn last(&mut self) -> ProviderResult<Option<(&[u8], &[u8])>> {
        self.iter.seek_to_last();
        self.current()
    }

    /// Next row. At the end it stays there.
    pub(crate) fn next(&mut self) -> ProviderResult<Option<(&[u8], &[u8])>> {
        if self.iter.valid() {
            self.iter.next();
        }
        self.current()
    }

    /// Previous row. Before the first one it stays there.
    pub(crate) fn previous(&mut self) -> ProviderResult<Option<(&[u8], &[u8])>> {
        if self.iter.valid() {
            self.iter.prev();
        }
        self.current()
    }

    /// The row the cursor stands on.
    pub(crate) fn current(&self) -> ProviderResult<Option<(&[u8], &[u8])>> {
        match self.iter.item() {
            Some(item) => Ok(Some(item)),
            None => {
                self.iter.status()?;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::prefix_end;

    #[test]
    fn prefix_ends() {
        assert_eq!(prefix_end(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(prefix_end(&[1, 0xff]), Some(vec![2]));
        assert_eq!(prefix_end(&[0xff, 0xff]), None);
    }
}
