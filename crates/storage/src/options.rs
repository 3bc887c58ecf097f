//! How a database is opened: memory bounds and retention windows.

/// Retention of history, in blocks behind the head. `None` keeps everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryWindows {
    /// State readable at `head - state ..= head`.
    pub state: Option<u64>,
    /// Merkle proofs at `head - proofs ..= head`; 0 keeps none but the head's, `None` all.
    pub proofs: Option<u64>,
    /// Receipts readable at `head - receipts ..= head`.
    pub receipts: Option<u64>,
}

impl Default for HistoryWindows {
    fn default() -> Self {
        Self { state: None, proofs: Some(128), receipts: None }
    }
}

/// Options of [`ProviderFactory::open`](crate::ProviderFactory::open).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DbOptions {
    /// Bytes of the block cache shared by all column families (index and filter blocks included).
    pub block_cache_bytes: usize,
    /// Bytes of decoded trie nodes of the newest state.
    pub node_cache_bytes: usize,
    /// Bytes all memtables together may hold before they are flushed.
    pub write_buffer_bytes: usize,
    /// Open table files RocksDB may keep.
    pub max_open_files: i32,
    /// Background flush and compaction threads.
    pub background_jobs: i32,
    /// Retention of history.
    pub history: HistoryWindows,
    /// Refuse to create a database that does not exist (operator commands).
    pub must_exist: bool,
}

impl Default for DbOptions {
    fn default() -> Self {
        Self {
            block_cache_bytes: 64 << 20,
            node_cache_bytes: 64 << 20,
            write_buffer_bytes: 64 << 20,
            max_open_files: 512,
            background_jobs: 2,
            history: HistoryWindows::default(),
            must_exist: false,
        }
    }
}
