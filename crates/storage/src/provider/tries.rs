//! Trie node rows of one block: new nodes, removed nodes, and the nodes before, for the proof window.

use std::sync::Arc;

use alloy_primitives::{B256, map::B256Map};
use alloy_trie::{BranchNodeCompact, Nibbles};
use peruri_trie::{StorageTrieUpdates, TrieUpdates, pack_path};

use crate::{
    ExecutedBlock, ProviderResult,
    codecs::{keys, node},
    db::{Batch, Column, Db, ReadView},
    state::parse_node,
};

/// Encoded nodes as the blocks of one batch leave them; `None`: removed.
#[derive(Default)]
pub(super) struct PendingNodes {
    nodes: std::collections::HashMap<(Option<B256>, Nibbles), Option<Vec<u8>>>,
    /// Storage tries that were dropped in this batch.
    dropped: B256Map<()>,
    /// More blocks follow in this batch.
    remember: bool,
}

/// One changed path and its new node.
type Change<'a> = (Nibbles, Option<&'a BranchNodeCompact>);

/// Adds the trie nodes of a block to the batch. With `versions`, the nodes before are kept.
pub(super) fn write_nodes(
    db: &Arc<Db>,
    batch: &mut Batch,
    pending: &mut PendingNodes,
    block: &ExecutedBlock,
    versions: bool,
) -> ProviderResult<()> {
    let number = block.number();
    let TrieUpdates { account_nodes, removed_nodes, storage_tries } = &block.trie.updates;
    let changes = changes(account_nodes.iter(), removed_nodes.iter());
    write_trie(db, batch, pending, None, changes, versions.then_some(number))?;
    let mut tries: Vec<_> = storage_tries.iter().collect();
    tries.sort_unstable_by_key(|(address, _)| *address);
    for (address, updates) in tries {
        write_storage_trie(db, batch, pending, address, updates, versions.then_some(number))?;
    }
    Ok(())
}

fn write_storage_trie(
    db: &Arc<Db>,
    batch: &mut Batch,
    pending: &mut PendingNodes,
    address: &B256,
    updates: &StorageTrieUpdates,
    version: Option<u64>,
) -> ProviderResult<()> {
    let mut gone = Vec::new();
    if updates.is_deleted {
        gone = pending.all_paths(db, address)?;
        gone.retain(|path| !updates.nodes.contains_key(path) && !updates.removed.contains(path));
    }
    let changes = changes(updates.nodes.iter(), updates.removed.iter().chain(&gone));
    write_trie(db, batch, pending, Some(address), changes, version)?;
    if updates.is_deleted && pending.remember {
        pending.dropped.insert(*address, ());
        let nodes = &updates.nodes;
        pending
            .nodes
            .retain(|(scope, path), _| *scope != Some(*address) || nodes.contains_key(path));
    }
    Ok(())
}

fn changes<'a>(
    nodes: impl Iterator<Item = (&'a Nibbles, &'a BranchNodeCompact)>,
    removed: impl Iterator<Item = &'a Nibbles>,
) -> Vec<Change<'a>> {
    let mut changes: Vec<Change<'a>> = nodes
        .map(|(path, node)| (*path, Some(node)))
        .chain(removed.map(|path| (*path, None)))
        .collect();
    changes.sort_unstable_by_key(|(path, _)| *path);
    changes
}

fn write_trie(
    db: &Db,
    batch: &mut Batch,
    pending: &mut PendingNodes,
    address: Option<&B256>,
    changes: Vec<Change<'_>>,
    version: Option<u64>,
) -> ProviderResult<()> {
    let column = column_of(address);
    let rows: Vec<Vec<u8>> = changes.iter().map(|(path, _)| row_key(address, path)).collect();
    if let Some(number) = version {
        let stored = db.multi_get(column, &rows)?;
        for ((path, _), stored) in changes.iter().zip(stored) {
            let before = match pending.get(address, path) {
                Some(known) => known.unwrap_or_default(),
                None => stored.map(|row| row.to_vec()).unwrap_or_default(),
            };
            batch.put(Column::TrieVersions, keys::trie_version(address, path, number), before);
        }
    }
    for ((path, node), key) in changes.into_iter().zip(rows) {
        let row = node.map(node::encode);
        if pending.remember {
            pending.nodes.insert((address.copied(), path), row.clone());
        }
        match row {
            Some(row) => batch.put(column, key, row),
            None => batch.delete(column, key),
        }
    }
    Ok(())
}

const fn column_of(address: Option<&B256>) -> Column {
    if address.is_some() { Column::StoragesTrie } else { Column::AccountsTrie }
}

fn row_key(address: Option<&B256>, path: &Nibbles) -> Vec<u8> {
    match address {
        Some(address) => keys::storage_node(address, path).to_vec(),
        None => pack_path(path).to_vec(),
    }
}

impl PendingNodes {
    /// `several` blocks go into the batch, or one.
    pub(super) fn new(several: bool) -> Self {
        Self { remember: several, ..Self::default() }
    }

    /// The node as earlier blocks of this batch left it; the outer `None`: they did not touch it.
    fn get(&self, address: Option<&B256>, path: &Nibbles) -> Option<Option<Vec<u8>>> {
        if let Some(known) = self.nodes.get(&(address.copied(), *path)) {
            return Some(known.clone());
        }
        let dropped = address.is_some_and(|address| self.dropped.contains_key(address));
        dropped.then_some(None)
    }

    /// Paths of all nodes of a storage trie before this block.
    fn all_paths(&self, db: &Arc<Db>, address: &B256) -> ProviderResult<Vec<Nibbles>> {
        let mut paths = std::collections::BTreeSet::new();
        if !self.dropped.contains_key(address) {
            let column = Column::StoragesTrie;
            let view = ReadView::new(Arc::clone(db));
            let mut rows = view.prefix_cursor(column, address.as_slice())?;
            let mut row = rows.seek(address)?;
            while let Some(found) = row {
                paths.insert(parse_node(column, found)?.0);
                row = rows.next()?;
            }
        }
        for ((scope, path), node) in &self.nodes {
            if scope.as_ref() == Some(address) {
                if node.is_some() {
                    paths.insert(*path);
                } else {
                    paths.remove(path);
                }
            }
        }
        Ok(paths.into_iter().collect())
    }
}
