//! Collects the rows of one atomic write and hands them to RocksDB sorted by key.

use rocksdb::WriteBatch;

use super::{Column, Db};
use crate::ProviderResult;

enum Op {
    Put(Vec<u8>),
    Merge(Vec<u8>),
    Delete,
}

/// Rows of one atomic, synced write. Where a key is given twice, the later row counts; merge operands
/// all count.
#[derive(Default)]
pub(crate) struct Batch {
    ops: [Vec<(Vec<u8>, Op)>; Column::ALL.len()],
    bytes: usize,
}

impl Batch {
    /// Sets a row.
    pub(crate) fn put(
        &mut self,
        column: Column,
        key: impl Into<Vec<u8>>,
        value: impl Into<Vec<u8>>,
    ) {
        let (key, value) = (key.into(), value.into());
        self.push(column, key, Op::Put(value));
    }

    /// Adds a merge operand.
    pub(crate) fn merge(
        &mut self,
        column: Column,
        key: impl Into<Vec<u8>>,
        operand: impl Into<Vec<u8>>,
    ) {
        let (key, operand) = (key.into(), operand.into());
        self.push(column, key, Op::Merge(operand));
    }

    /// Removes a row.
    pub(crate) fn delete(&mut self, column: Column, key: impl Into<Vec<u8>>) {
        self.push(column, key.into(), Op::Delete);
    }

    /// Adds the rows of another batch behind those of this one.
    pub(crate) fn append(&mut self, other: Self) {
        self.bytes += other.bytes;
        for (ours, theirs) in self.ops.iter_mut().zip(other.ops) {
            if ours.is_empty() {
                *ours = theirs;
            } else {
                ours.extend(theirs);
            }
        }
    }

    fn push(&mut self, column: Column, key: Vec<u8>, op: Op) {
        let value = match &op {
            Op::Put(value) | Op::Merge(value) => value.len(),
            Op::Delete => 0,
        };
        self.bytes += key.len() + value;
        self.ops[column as usize].push((key, op));
    }

    /// Bytes of keys and values so far.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Builds the RocksDB batch: sorted keys per column family, so that memtable inserts and later
    /// compactions find neighbours together. The sort is stable, which keeps the order of equal keys;
    /// what a later row replaces is left out.
    pub(crate) fn build(self, db: &Db) -> ProviderResult<WriteBatch> {
        let mut batch = WriteBatch::with_capacity_bytes(self.bytes + (64 << 10));
        for (column, mut ops) in Column::ALL.into_iter().zip(self.ops) {
            if ops.is_empty() {
                continue;
            }
            ops.sort_by(|(a, _), (b, _)| a.cmp(b));
            let cf = db.cf(column)?;
            let mut ops = ops.into_iter().peekable();
            while let Some((key, op)) = ops.next() {
                let replaced = ops
                    .peek()
                    .is_some_and(|(next, after)| *next == key && !matches!(after, Op::Merge(_)));
                if replaced {
                    continue;
                }
                match op {
                    Op::Put(value) => batch.put_cf(cf, key, value),
                    Op::Merge(operand) => batch.merge_cf(cf, key, operand),
                    Op::Delete => batch.delete_cf(cf, key),
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
