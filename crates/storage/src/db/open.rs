//! Opening: lock, schema check, options of the database as a whole.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rocksdb::{
    Cache, ColumnFamily, DB, DBPinnableSlice, LogLevel, Options, ReadOptions, WriteBatch,
    WriteBufferManager, WriteOptions,
};

use super::columns::{self, Column, TrieVersionFloor};
use crate::{DbOptions, ProviderError, ProviderResult, codecs::meta};

/// Greater than every key of a column family that is cleared.
const LAST_KEY: [u8; 64] = [0xff; 64];

/// Version of the layout of rows and keys. A change that an older build would misread raises it.
pub(crate) const SCHEMA_VERSION: u32 = 5;

/// The version before differs by column families that it lacks; those were made by opening it.
const TAKEN_OVER: u32 = 4;

/// Write-ahead log bytes after which the column families that hold it back are flushed.
const MAX_WAL_BYTES: u64 = 256 << 20;

/// An open RocksDB with this node's column families.
pub(crate) struct Db {
    inner: DB,
    path: PathBuf,
    /// Set by the first failed write: durability of later writes could not be promised.
    poisoned: AtomicBool,
    trie_floor: TrieVersionFloor,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Db {
    /// Opens or creates the database in `path`.
    ///
    /// # Errors
    /// The folder is locked, foreign, of another schema version, or damaged.
    pub(crate) fn open(path: &Path, options: &DbOptions) -> ProviderResult<Arc<Self>> {
        let exists = path.join("CURRENT").exists();
        if exists {
            refuse_foreign(path)?;
        } else if options.must_exist {
            return Err(ProviderError::NotInitialised);
        } else {
            fs::create_dir_all(path).map_err(|source| ProviderError::Io {
                what: "create",
                path: path.to_path_buf(),
                source,
            })?;
        }
        // Without a lock around each look-up; the size of its entries is found out as it goes.
        let cache = Cache::new_hyper_clock_cache(options.block_cache_bytes, 0);
        let trie_floor = TrieVersionFloor::new(AtomicU64::new(0));
        let inner = DB::open_cf_descriptors(
            &db_options(options),
            path,
            columns::descriptors(&cache, &trie_floor),
        )
        .map_err(|source| open_error(path, source))?;
        let db =
            Self { inner, path: path.to_path_buf(), poisoned: AtomicBool::new(false), trie_floor };
        db.check_schema(exists)?;
        Ok(Arc::new(db))
    }

    /// A new database gets its schema row; an old one must have the row this build writes, or one that
    /// it takes over.
    fn check_schema(&self, existed: bool) -> ProviderResult<()> {
        match self.get(Column::Meta, meta::SCHEMA)? {
            Some(row) => {
                let found = meta::decode_u32(&row)?;
                if found == SCHEMA_VERSION {
                    return Ok(());
                }
                if found == TAKEN_OVER {
                    return self.write_schema();
                }
                Err(ProviderError::SchemaVersion {
                    path: self.path.clone(),
                    found,
                    supported: SCHEMA_VERSION,
                })
            }
            // A crash between the creation of the files and this row leaves a database without any
            // row at all; only such a one is taken over.
            None if existed && !self.is_empty()? => Err(ProviderError::ForeignDatabase {
                path: self.path.clone(),
                supported: SCHEMA_VERSION,
                columns: Vec::new(),
            }),
            None => self.write_schema(),
        }
    }

    fn write_schema(&self) -> ProviderResult<()> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.cf(Column::Meta)?, meta::SCHEMA, SCHEMA_VERSION.to_be_bytes());
        self.write_synced("schema version", batch)
    }

    fn is_empty(&self) -> ProviderResult<bool> {
        if self.inner.iterator(rocksdb::IteratorMode::Start).next().transpose()?.is_some() {
            return Ok(false);
        }
        for column in Column::ALL {
            let mut iter = self.inner.raw_iterator_cf_opt(self.cf(column)?, scan_options());
            iter.seek_to_first();
            iter.status()?;
            if iter.valid() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Handle of a column family.
    pub(crate) fn cf(&self, column: Column) -> ProviderResult<&ColumnFamily> {
        self.inner.cf_handle(column.name()).ok_or(ProviderError::MissingColumn(column.name()))
    }

    /// Newest value of a key.
    pub(crate) fn get(
        &self,
        column: Column,
        key: impl AsRef<[u8]>,
    ) -> ProviderResult<Option<DBPinnableSlice<'_>>> {
        Ok(self.inner.get_pinned_cf(self.cf(column)?, key)?)
    }

    /// Newest values of ascending keys, in the same order.
    pub(crate) fn multi_get<K: AsRef<[u8]>>(
        &self,
        column: Column,
        sorted_keys: &[K],
    ) -> ProviderResult<Vec<Option<DBPinnableSlice<'_>>>> {
        let values = self.inner.batched_multi_get_cf(self.cf(column)?, sorted_keys.iter(), true);
        Ok(values.into_iter().collect::<Result<_, _>>()?)
    }

    /// Writes a batch and syncs the write-ahead log.
    ///
    /// # Errors
    /// [`ProviderError::Write`] if write or sync failed, [`ProviderError::Poisoned`] ever after.
    pub(crate) fn write_synced(&self, what: &'static str, batch: WriteBatch) -> ProviderResult<()> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(ProviderError::Poisoned);
        }
        let mut options = WriteOptions::default();
        options.set_sync(cfg!(not(feature = "fault-no-sync")));
        self.inner.write_opt(batch, &options).map_err(|source| {
            self.poisoned.store(true, Ordering::Release);
            tracing::error!(target: "storage::db", what, %source, "write failed, store is closed to writes");
            ProviderError::Write { what, source }
        })
    }

    /// Removes every row of a column family.
    pub(crate) fn clear(&self, column: Column) -> ProviderResult<()> {
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(self.cf(column)?, [].as_slice(), LAST_KEY.as_slice());
        self.write_synced("removal of rows", batch)
    }

    /// True after a failed write.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Behaves as if a write had failed.
    #[cfg(test)]
    pub(crate) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// The underlying handle.
    pub(crate) const fn raw(&self) -> &DB {
        &self.inner
    }

    /// Folder of the database.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Rows of `trie_versions` with a number below `floor` may be dropped by compaction.
    pub(crate) fn set_trie_floor(&self, floor: u64) {
        self.trie_floor.fetch_max(floor, Ordering::AcqRel);
    }
}

/// Options of a scan over all keys of a column family, prefix extractor or not.
pub(crate) fn scan_options() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_total_order_seek(true);
    options.set_verify_checksums(true);
    options
}

fn db_options(options: &DbOptions) -> Options {
    let mut opts = Options::default();
    opts.create_if_missing(true);
    opts.create_missing_column_families(true);
    opts.set_paranoid_checks(true);
    opts.set_max_open_files(options.max_open_files);
    opts.set_max_background_jobs(options.background_jobs);
    opts.set_max_total_wal_size(MAX_WAL_BYTES);
    opts.set_keep_log_file_num(4);
    opts.set_max_log_file_size(4 << 20);
    opts.set_log_level(LogLevel::Warn);
    opts.set_stats_dump_period_sec(0);
    opts.set_bytes_per_sync(1 << 20);
    opts.set_avoid_unnecessary_blocking_io(true);
    opts.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager(
        options.write_buffer_bytes,
        false,
    ));
    opts
}

/// Column families that this build does not know mean another program's or a later build's data.
fn refuse_foreign(path: &Path) -> ProviderResult<()> {
    let names =
        DB::list_cf(&Options::default(), path).map_err(|source| open_error(path, source))?;
    let foreign: Vec<String> = names
        .iter()
        .filter(|name| {
            name.as_str() != "default" && !Column::ALL.iter().any(|c| c.name() == name.as_str())
        })
        .cloned()
        .collect();
    let ours = names.iter().any(|name| name == Column::Meta.name());
    if ours && foreign.is_empty() || names == ["default"] {
        return Ok(());
    }
    if ours && let Some(found) = read_schema(path, &names)? {
        return Err(ProviderError::SchemaVersion {
            path: path.to_path_buf(),
            found,
            supported: SCHEMA_VERSION,
        });
    }
    Err(ProviderError::ForeignDatabase {
        path: path.to_path_buf(),
        supported: SCHEMA_VERSION,
        columns: foreign,
    })
}

/// Schema version of a database with unknown column families, read without changing it.
fn read_schema(path: &Path, names: &[String]) -> ProviderResult<Option<u32>> {
    let opened = DB::open_cf_for_read_only(
        &Options::default(),
        path,
        names.iter().filter(|name| name.as_str() == Column::Meta.name()),
        false,
    )
    .map_err(|source| open_error(path, source))?;
    let Some(cf) = opened.cf_handle(Column::Meta.name()) else { return Ok(None) };
    match opened.get_cf(cf, meta::SCHEMA)? {
        Some(row) => {
            let found = meta::decode_u32(&row)?;
            // The same version with unknown column families is not ours either.
            Ok((found != SCHEMA_VERSION).then_some(found))
        }
        None => Ok(None),
    }
}

fn open_error(path: &Path, source: rocksdb::Error) -> ProviderError {
    let text = source.as_ref();
    if text.contains("lock") && (text.contains("LOCK") || text.contains("hold")) {
        ProviderError::Locked { path: path.to_path_buf() }
    } else {
        ProviderError::Open { path: path.to_path_buf(), source }
    }
}
