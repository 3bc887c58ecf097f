//! Rows and bytes per column family.

use crate::{ProviderFactory, ProviderResult, db::Column};

/// Figures of one column family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnStats {
    /// Name.
    pub name: &'static str,
    /// Estimated number of rows.
    pub rows: u64,
    /// Bytes in table files.
    pub table_bytes: u64,
    /// Bytes in blob files.
    pub blob_bytes: u64,
    /// Bytes in memtables.
    pub memtable_bytes: u64,
}

impl ColumnStats {
    /// Bytes on disk.
    pub const fn disk_bytes(&self) -> u64 {
        self.table_bytes.saturating_add(self.blob_bytes)
    }
}

/// Figures of the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbStats {
    /// One entry per column family.
    pub columns: Vec<ColumnStats>,
}

impl DbStats {
    /// Bytes on disk in all column families.
    pub fn disk_bytes(&self) -> u64 {
        self.columns.iter().fold(0, |sum, column| sum.saturating_add(column.disk_bytes()))
    }
}

impl ProviderFactory {
    /// Rows and bytes per column family.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn stats(&self) -> ProviderResult<DbStats> {
        let columns = Column::ALL.into_iter().map(|column| self.column_stats(column));
        Ok(DbStats { columns: columns.collect::<ProviderResult<_>>()? })
    }

    fn column_stats(&self, column: Column) -> ProviderResult<ColumnStats> {
        let property = |name: &str| -> ProviderResult<u64> {
            let db = self.db();
            Ok(db.raw().property_int_value_cf(db.cf(column)?, name)?.unwrap_or_default())
        };
        Ok(ColumnStats {
            name: column.name(),
            rows: property("rocksdb.estimate-num-keys")?,
            table_bytes: property("rocksdb.total-sst-files-size")?,
            blob_bytes: property("rocksdb.total-blob-file-size")?,
            memtable_bytes: property("rocksdb.cur-size-all-mem-tables")?,
        })
    }

    /// Estimated number of rows of a column family.
    pub(super) fn estimated_rows(&self, column: Column) -> ProviderResult<u64> {
        Ok(self.column_stats(column)?.rows)
    }
}
