//! Collects the rows of one atomic write and hands them to RocksDB sorted by key.

use rocksdb::WriteBatch;

use super::{Column, Db};
use crate::ProviderResult;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Put,
    Merge,
    Delete,
}

/// One row: its key, directly followed by its value, lies in the buffer of its column family.
#[derive(Debug, Clone, Copy)]
struct Row {
    kind: Kind,
    at: usize,
    key: usize,
    value: usize,
}

/// Rows of one column family. One buffer for all, as there are many and they are small.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    bytes: Vec<u8>,
}

/// Rows of one atomic, synced write. Where a key is given twice, the later row counts; merge operands
/// all count.
#[derive(Default)]
pub(crate) struct Batch {
    columns: [Rows; Column::ALL.len()],
}

impl Batch {
    /// Sets a row.
    pub(crate) fn put(&mut self, column: Column, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.push(column, Kind::Put, key.as_ref(), value.as_ref());
    }

    /// Adds a merge operand.
    pub(crate) fn merge(
        &mut self,
        column: Column,
        key: impl AsRef<[u8]>,
        operand: impl AsRef<[u8]>,
    ) {
        self.push(column, Kind::Merge, key.as_ref(), operand.as_ref());
    }

    /// Removes a row.
    pub(crate) fn delete(&mut self, column: Column, key: impl AsRef<[u8]>) {
        self.push(column, Kind::Delete, key.as_ref(), &[]);
    }

    fn push(&mut self, column: Column, kind: Kind, key: &[u8], value: &[u8]) {
        let Rows { rows, bytes } = &mut self.columns[column as usize];
        rows.push(Row { kind, at: bytes.len(), key: key.len(), value: value.len() });
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }

    /// Adds the rows of another batch behind those of this one.
    pub(crate) fn append(&mut self, other: Self) {
        for (ours, theirs) in self.columns.iter_mut().zip(other.columns) {
            if ours.rows.is_empty() {
                *ours = theirs;
                continue;
            }
            let base = ours.bytes.len();
            ours.rows.extend(theirs.rows.iter().map(|row| Row { at: base + row.at, ..*row }));
            ours.bytes.extend_from_slice(&theirs.bytes);
        }
    }

    /// Bytes of keys and values so far.
    pub(crate) fn bytes(&self) -> usize {
        self.columns.iter().map(|rows| rows.bytes.len()).sum()
    }

    /// Builds the RocksDB batch: sorted keys per column family, so that memtable inserts and later
    /// compactions find neighbours together. The sort is stable, which keeps the order of equal keys;
    /// what a later row replaces is left out.
    pub(crate) fn build(self, db: &Db) -> ProviderResult<WriteBatch> {
        let mut batch = WriteBatch::with_capacity_bytes(self.bytes() + (64 << 10));
        for (column, Rows { mut rows, bytes }) in Column::ALL.into_iter().zip(self.columns) {
            if rows.is_empty() {
                continue;
            }
            let key = |row: &Row| &bytes[row.at..row.at + row.key];
            let value = |row: &Row| &bytes[row.at + row.key..row.at + row.key + row.value];
            // Blocks bring most of their rows in order: the stable sort merges these runs.
            rows.sort_by(|a, b| key(a).cmp(key(b)));
            let cf = db.cf(column)?;
            let mut rows = rows.iter().peekable();
            while let Some(row) = rows.next() {
                let replaced = rows
                    .peek()
                    .is_some_and(|next| next.kind != Kind::Merge && key(next) == key(row));
                if replaced {
                    continue;
                }
                match row.kind {
                    Kind::Put => batch.put_cf(cf, key(row), value(row)),
                    Kind::Merge => batch.merge_cf(cf, key(row), value(row)),
                    Kind::Delete => batch.delete_cf(cf, key(row)),
                }
            }
        }
        Ok(batch)
    }

    /// Writes the rows and syncs them.
    pub(crate) fn write_synced(self, db: &Db, what: &'static str) -> ProviderResult<()> {
        let batch = self.build(db)?;
        db.write_synced(what, batch)
    }
}
