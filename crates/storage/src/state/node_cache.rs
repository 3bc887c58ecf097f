//! Decoded trie nodes of the newest state.
//!
//! Commits alone write here, after the database has the rows. A node carries the block that made it;
//! who reads at a block takes only nodes that are not newer, and only once all nodes of that block are
//! here. What does not fit is forgotten, and read from the database again.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{B256, BlockNumber, map::DefaultHashBuilder};
use peruri_trie::{Nibbles, StoredBranch};
use quick_cache::{
    Weighter,
    sync::{Cache, DefaultLifecycle},
};

use crate::ExecutedBlock;

/// Bytes of an entry without its hashes: key, masks, and the cache's own bookkeeping.
const ENTRY_BYTES: u64 = 240;
/// Bytes of a usual entry, to size the cache's tables.
const USUAL_BYTES: usize = 640;

/// Hashed address of the account whose storage it is, or `None` for the account trie; and the path.
type Key = (Option<B256>, Nibbles);

#[derive(Debug, Clone)]
struct Entry {
    node: StoredBranch,
    /// The block that made it.
    since: BlockNumber,
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Key, Entry> for Bytes {
    fn weight(&self, _key: &Key, entry: &Entry) -> u64 {
        ENTRY_BYTES + 32 * entry.node.hashes.len() as u64
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct NodeCache {
    nodes: Cache<Key, Entry, Bytes, DefaultHashBuilder>,
    /// The newest block whose nodes are all here, or were.
    head: AtomicU64,
}

impl NodeCache {
    /// A cache of about `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let nodes = Cache::with(
            bytes / USUAL_BYTES,
            bytes as u64,
            Bytes,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        );
        Self { nodes, head: AtomicU64::new(0) }
    }

    /// The node at `path` in the state of block `head`, if it is here.
    pub(crate) fn get(
        &self,
        head: BlockNumber,
        address: Option<B256>,
        path: Nibbles,
    ) -> Option<StoredBranch> {
        if head > self.head.load(Ordering::Acquire) {
            return None;
        }
        let entry = self.nodes.get(&(address, path))?;
        (entry.since <= head).then_some(entry.node)
    }

    /// Takes the nodes of a committed block, the child of the one before.
    pub(crate) fn update(&self, block: &ExecutedBlock) {
        let updates = &block.trie.updates;
        let since = block.number();
        let accounts = updates.account_nodes.iter().map(|change| (None, change));
        let storages = updates.storage_tries.iter().flat_map(|(address, updates)| {
            updates.nodes.iter().map(|change| (Some(*address), change))
        });
        for (address, (path, node)) in accounts.chain(storages) {
            let key = (address, *path);
            match node {
                Some(node) => self.nodes.insert(key, Entry { node: node.clone(), since }),
                None => {
                    self.nodes.remove(&key);
                }
            }
        }
        self.head.store(since, Ordering::Release);
    }

    /// Forgets all nodes: the database was changed by something else than a commit.
    pub(crate) fn clear(&self) {
        self.nodes.clear();
    }
}
