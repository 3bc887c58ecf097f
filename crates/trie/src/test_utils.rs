//! A store in memory, for tests and benches.

use crate::{
    HashedCursor, HashedCursorFactory, HashedPostState, HashedStorageCursor, Rebuild, RebuildSink,
    StateRootOutput, StoredBranch, TrieAccountRow, TrieCursor, TrieCursorFactory, TrieError,
};
use alloy_primitives::{B256, U256};
use alloy_trie::Nibbles;
use std::{
    collections::{BTreeMap, btree_map::Range},
    convert::Infallible,
    ops::Bound,
};

/// Stored nodes of one trie.
pub type Nodes = BTreeMap<Nibbles, StoredBranch>;

/// Flat rows and stored nodes in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    /// Hashed address → row.
    pub accounts: BTreeMap<B256, TrieAccountRow>,
    /// Hashed address → hashed slot → value. Never an empty map, never a zero value.
    pub storages: BTreeMap<B256, BTreeMap<B256, U256>>,
    /// Stored nodes of the account trie.
    pub account_nodes: Nodes,
    /// Hashed address → stored nodes of the storage trie. Never an empty map.
    pub storage_nodes: BTreeMap<B256, Nodes>,
}

impl MemoryStore {
    /// Writes a state change and what its root computation yielded, as a database would.
    pub fn apply(&mut self, state: &HashedPostState, output: &StateRootOutput) {
        self.apply_rows(state, output);
        self.apply_nodes(output);
    }

    fn apply_rows(&mut self, state: &HashedPostState, output: &StateRootOutput) {
        let sorted = state.to_sorted(&output.storage_roots);
        for (address, change) in sorted.accounts {
            match change.apply(self.accounts.get(&address).copied()) {
                Some(row) => self.accounts.insert(address, row),
                None => self.accounts.remove(&address),
            };
        }
        for (address, storage) in sorted.storages {
            let slots = self.storages.entry(address).or_default();
            if storage.wiped {
                slots.clear();
            }
            for (slot, value) in storage.slots {
                if value.is_zero() {
                    slots.remove(&slot);
                } else {
                    slots.insert(slot, value);
                }
            }
        }
        self.storages.retain(|_, slots| !slots.is_empty());
    }

    fn apply_nodes(&mut self, output: &StateRootOutput) {
        let updates = &output.updates;
        apply_nodes(&mut self.account_nodes, &updates.account_nodes);
        for (address, updates) in &updates.storage_tries {
            let nodes = self.storage_nodes.entry(*address).or_default();
            if updates.is_deleted {
                nodes.clear();
            }
            apply_nodes(nodes, &updates.nodes);
        }
        self.storage_nodes.retain(|_, nodes| !nodes.is_empty());
    }

    /// Replaces all stored nodes and storage roots by those of the flat rows; returns the state
    /// root.
    ///
    /// # Errors
    /// Never: the rows of a map are in order.
    pub fn rebuild(&mut self) -> Result<B256, TrieError<Infallible>> {
        let mut rebuilt = Rebuilt::default();
        let root = Rebuild::new(&*self).state(&mut rebuilt)?;
        self.account_nodes = rebuilt.account_nodes;
        self.storage_nodes = rebuilt.storage_nodes;
        for (address, root) in rebuilt.wrong_storage_roots {
            if let Some(row) = self.accounts.get_mut(&address) {
                row.storage_root = root;
            }
        }
        Ok(root)
    }
}

fn apply_nodes(nodes: &mut Nodes, updates: &[(Nibbles, Option<StoredBranch>)]) {
    for (path, node) in updates {
        match node {
            Some(node) => nodes.insert(*path, node.clone()),
            None => nodes.remove(path),
        };
    }
}

/// What a rebuild found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Nodes of the account trie.
    pub account_nodes: Nodes,
    /// Nodes of the storage tries.
    pub storage_nodes: BTreeMap<B256, Nodes>,
    /// Accounts whose row names another root than this one.
    pub wrong_storage_roots: BTreeMap<B256, B256>,
}

impl RebuildSink for Rebuilt {
    type Error = Infallible;

    fn account_node(&mut self, path: Nibbles, node: StoredBranch) -> Result<(), Infallible> {
        self.account_nodes.insert(path, node);
        Ok(())
    }

    fn storage_node(
        &mut self,
        hashed_address: B256,
        path: Nibbles,
        node: StoredBranch,
    ) -> Result<(), Infallible> {
        self.storage_nodes.entry(hashed_address).or_default().insert(path, node);
        Ok(())
    }

    fn wrong_storage_root(
        &mut self,
        hashed_address: B256,
        _in_row: B256,
        of_slots: B256,
    ) -> Result<(), Infallible> {
        self.wrong_storage_roots.insert(hashed_address, of_slots);
        Ok(())
    }
}

/// A cursor over a map.
#[derive(Clone, Debug)]
pub struct MapCursor<'a, K, V> {
    map: Option<&'a BTreeMap<K, V>>,
    range: Option<Range<'a, K, V>>,
    current: Option<K>,
}

impl<'a, K: Ord + Copy, V: Clone> MapCursor<'a, K, V> {
    const fn new(map: Option<&'a BTreeMap<K, V>>) -> Self {
        Self { map, range: None, current: None }
    }

    fn find(&mut self, key: K) -> Option<(K, V)> {
        self.range = self.map.map(|map| map.range(key..));
        self.step()
    }

    fn advance(&mut self) -> Option<(K, V)> {
        if self.range.is_none() {
            let after = self.current.map_or(Bound::Unbounded, Bound::Excluded);
            self.range = self.map.map(|map| map.range((after, Bound::Unbounded)));
        }
        self.step()
    }

    fn step(&mut self) -> Option<(K, V)> {
        let entry = self.range.as_mut().and_then(Iterator::next);
        self.current = entry.map(|(key, _)| *key);
        entry.map(|(key, value)| (*key, value.clone()))
    }
}

impl TrieCursor for MapCursor<'_, Nibbles, StoredBranch> {
    type Error = Infallible;

    fn seek_exact(&mut self, path: Nibbles) -> Result<Option<(Nibbles, StoredBranch)>, Infallible> {
        // A point look-up is cheaper than a range; stepping on from here opens one.
        self.range = None;
        let node = self.map.and_then(|map| map.get(&path)).cloned();
        self.current = node.is_some().then_some(path);
        Ok(node.map(|node| (path, node)))
    }

    fn seek(&mut self, path: Nibbles) -> Result<Option<(Nibbles, StoredBranch)>, Infallible> {
        Ok(self.find(path))
    }

    fn next(&mut self) -> Result<Option<(Nibbles, StoredBranch)>, Infallible> {
        Ok(self.advance())
    }

    fn current(&mut self) -> Result<Option<Nibbles>, Infallible> {
        Ok(self.current)
    }
}

impl<V: Copy> HashedCursor for MapCursor<'_, B256, V> {
    type Value = V;
    type Error = Infallible;

    fn seek(&mut self, key: B256) -> Result<Option<(B256, V)>, Infallible> {
        Ok(self.find(key))
    }

    fn next(&mut self) -> Result<Option<(B256, V)>, Infallible> {
        Ok(self.advance())
    }

    fn get(&mut self, key: B256) -> Result<Option<V>, Infallible> {
        Ok(self.map.and_then(|map| map.get(&key)).copied())
    }
}

impl HashedStorageCursor for MapCursor<'_, B256, U256> {}

impl TrieCursorFactory for MemoryStore {
    type Error = Infallible;
    type AccountTrieCursor<'a> = MapCursor<'a, Nibbles, StoredBranch>;
    type StorageTrieCursor<'a> = MapCursor<'a, Nibbles, StoredBranch>;

    fn account_trie_cursor(&self) -> Result<Self::AccountTrieCursor<'_>, Infallible> {
        Ok(MapCursor::new(Some(&self.account_nodes)))
    }

    fn storage_trie_cursor(
        &self,
        hashed_address: B256,
    ) -> Result<Self::StorageTrieCursor<'_>, Infallible> {
        Ok(MapCursor::new(self.storage_nodes.get(&hashed_address)))
    }
}

impl HashedCursorFactory for MemoryStore {
    type Error = Infallible;
    type AccountCursor<'a> = MapCursor<'a, B256, TrieAccountRow>;
    type StorageCursor<'a> = MapCursor<'a, B256, U256>;

    fn hashed_account_cursor(&self) -> Result<Self::AccountCursor<'_>, Infallible> {
        Ok(MapCursor::new(Some(&self.accounts)))
    }

    fn hashed_storage_cursor(
        &self,
        hashed_address: B256,
    ) -> Result<Self::StorageCursor<'_>, Infallible> {
        Ok(MapCursor::new(self.storages.get(&hashed_address)))
    }
}
