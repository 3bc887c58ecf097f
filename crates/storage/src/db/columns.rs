//! The column families and their RocksDB options.
//!
//! [`descriptors`] is the only place that builds options: a merge operator or a prefix extractor that
//! is missing in one of several openers shows only when a row is read.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DataBlockIndexType, Options, SliceTransform, compaction_filter::Decision,
};

use crate::{codecs::keys, index};

/// A column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub(crate) enum Column {
    Headers,
    HeaderNumbers,
    Bodies,
    Receipts,
    TxLookup,
    HashedAccounts,
    HashedStorages,
    AccountsTrie,
    StoragesTrie,
    Bytecodes,
    AccountVersions,
    StorageVersions,
    BlockChanges,
    TrieVersions,
    LogIndex,
    Rounds,
    Votes,
    PlogLogs,
    PlogNodes,
    PlogBatches,
    PlogLookup,
    ExtensionRows,
    Meta,
}

impl Column {
    /// Every column family, in declaration order.
    pub(crate) const ALL: [Self; 23] = [
        Self::Headers,
        Self::HeaderNumbers,
        Self::Bodies,
        Self::Receipts,
        Self::TxLookup,
        Self::HashedAccounts,
        Self::HashedStorages,
        Self::AccountsTrie,
        Self::StoragesTrie,
        Self::Bytecodes,
        Self::AccountVersions,
        Self::StorageVersions,
        Self::BlockChanges,
        Self::TrieVersions,
        Self::LogIndex,
        Self::Rounds,
        Self::Votes,
        Self::PlogLogs,
        Self::PlogNodes,
        Self::PlogBatches,
        Self::PlogLookup,
        Self::ExtensionRows,
        Self::Meta,
    ];

    /// Name on disk.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Headers => "headers",
            Self::HeaderNumbers => "header_numbers",
            Self::Bodies => "bodies",
            Self::Receipts => "receipts",
            Self::TxLookup => "tx_lookup",
            Self::HashedAccounts => "hashed_accounts",
            Self::HashedStorages => "hashed_storages",
            Self::AccountsTrie => "accounts_trie",
            Self::StoragesTrie => "storages_trie",
            Self::Bytecodes => "bytecodes",
            Self::AccountVersions => "account_versions",
            Self::StorageVersions => "storage_versions",
            Self::BlockChanges => "block_changes",
            Self::TrieVersions => "trie_versions",
            Self::LogIndex => "log_index",
            Self::Rounds => "rounds",
            Self::Votes => "votes",
            Self::PlogLogs => "plog_logs",
            Self::PlogNodes => "plog_nodes",
            Self::PlogBatches => "plog_batches",
            Self::PlogLookup => "plog_lookup",
            Self::ExtensionRows => "extension_rows",
            Self::Meta => "meta",
        }
    }
}

/// Oldest row number of `trie_versions` that may still be read; the compaction filter drops rows
/// below it.
pub(crate) type TrieVersionFloor = Arc<AtomicU64>;

const BLOOM_BITS: f64 = 10.0;
/// Part of a memtable's size for a filter over its keys.
const MEMTABLE_BLOOM_RATIO: f64 = 0.02;
const MEMTABLE_ARENA_BYTES: usize = 256 << 10;
const MEMTABLE_BYTES: usize = 32 << 20;
const BLOB_MIN_BYTES: u64 = 4 << 10;
/// zstd: default window and strategy, level 3, no RocksDB dictionary.
const ZSTD_OPTIONS: (i32, i32, i32, i32) = (-14, 3, 0, 0);

/// The descriptors of all column families, for the node, the operator's tools and verifiers alike.
pub(crate) fn descriptors(
    cache: &Cache,
    trie_floor: &TrieVersionFloor,
) -> Vec<ColumnFamilyDescriptor> {
    Column::ALL
        .into_iter()
        .map(|column| {
            ColumnFamilyDescriptor::new(column.name(), options(column, cache, trie_floor))
        })
        .collect()
}

fn options(column: Column, cache: &Cache, trie_floor: &TrieVersionFloor) -> Options {
    let mut opts = Options::default();
    opts.set_write_buffer_size(MEMTABLE_BYTES);
    opts.set_max_write_buffer_number(3);
    opts.set_arena_block_size(MEMTABLE_ARENA_BYTES);
    opts.set_level_compaction_dynamic_level_bytes(true);
    opts.set_compression_type(DBCompressionType::None);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    // In pieces: whole filters and indices of large tables of old rows would drive the state out of
    // the cache, and each look-up would read and checksum megabytes.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(4 << 10);
    table.set_pin_top_level_index_and_filter(true);
    table.set_format_version(5);
    table.set_block_size(8 << 10);
    specialise(column, &mut opts, &mut table, trie_floor);
    opts.set_block_based_table_factory(&table);
    opts
}

fn specialise(
    column: Column,
    opts: &mut Options,
    table: &mut BlockBasedOptions,
    trie_floor: &TrieVersionFloor,
) {
    match column {
        Column::Headers | Column::PlogBatches => opts.set_compression_type(DBCompressionType::Lz4),
        Column::HeaderNumbers | Column::TxLookup => table.set_bloom_filter(BLOOM_BITS, false),
        Column::Bodies | Column::Receipts | Column::Bytecodes => blobs(opts),
        Column::HashedAccounts => hot(opts, table),
        Column::HashedStorages => {
            opts.set_prefix_extractor(SliceTransform::create_fixed_prefix(32));
            hot(opts, table);
        }
        Column::AccountsTrie => {
            table.set_block_size(4 << 10);
            hot(opts, table);
        }
        Column::StoragesTrie => {
            opts.set_prefix_extractor(SliceTransform::create_fixed_prefix(32));
            table.set_block_size(4 << 10);
            hot(opts, table);
        }
        Column::AccountVersions => versions(opts, table, 32),
        Column::StorageVersions => versions(opts, table, 64),
        Column::BlockChanges | Column::Rounds => zstd(opts),
        Column::TrieVersions => {
            let floor = Arc::clone(trie_floor);
            opts.set_compaction_filter("peruri.trie_versions", move |_level, key, _value| {
                match keys::trie_version_number(key) {
                    Some(number) if number < floor.load(Ordering::Acquire) => Decision::Remove,
                    _ => Decision::Keep,
                }
            });
        }
        Column::LogIndex => {
            opts.set_merge_operator_associative("peruri.log_index", index::merge);
            table.set_bloom_filter(BLOOM_BITS, false);
        }
        // Look-ups of what is mostly not there: an identifier that comes for the first time.
        Column::PlogNodes | Column::ExtensionRows => table.set_bloom_filter(BLOOM_BITS, false),
        Column::Votes | Column::PlogLogs | Column::PlogLookup | Column::Meta => {}
    }
}

/// State and trie: read at every step of every block, by exact key for the most part. Their filters
/// and indices are small beside the cache, so they are whole: one look-up instead of two.
fn hot(opts: &mut Options, table: &mut BlockBasedOptions) {
    table.set_bloom_filter(BLOOM_BITS, false);
    table.set_partition_filters(false);
    table.set_index_type(BlockBasedIndexType::BinarySearch);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table.set_data_block_hash_ratio(0.75);
    opts.set_memtable_whole_key_filtering(true);
    opts.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
}

/// Rows that are compressed by their codec; large ones go to blob files, so that compaction does not
/// copy them again and again.
fn blobs(opts: &mut Options) {
    opts.set_enable_blob_files(true);
    opts.set_min_blob_size(BLOB_MIN_BYTES);
    opts.set_enable_blob_gc(true);
    opts.set_blob_file_size(128 << 20);
}

fn versions(opts: &mut Options, table: &mut BlockBasedOptions, prefix: usize) {
    opts.set_prefix_extractor(SliceTransform::create_fixed_prefix(prefix));
    table.set_bloom_filter(BLOOM_BITS, false);
    let (window, level, strategy, dictionary) = ZSTD_OPTIONS;
    opts.set_bottommost_compression_type(DBCompressionType::Zstd);
    opts.set_bottommost_compression_options(window, level, strategy, dictionary, true);
}

fn zstd(opts: &mut Options) {
    let (window, level, strategy, dictionary) = ZSTD_OPTIONS;
    opts.set_compression_type(DBCompressionType::Zstd);
    opts.set_compression_options(window, level, strategy, dictionary);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_declared_in_order() {
        let names: BTreeSet<_> = Column::ALL.iter().map(|column| column.name()).collect();
        assert_eq!(names.len(), Column::ALL.len());
        for (position, column) in Column::ALL.into_iter().enumerate() {
            assert_eq!(column as usize, position);
        }
    }
}
