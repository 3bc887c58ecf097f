//! Trie node rows of one block: new nodes, removed nodes, and the nodes before, for the proof window.

use alloy_primitives::{B256, map::HashMap};
use peruri_trie::{Nibbles, StoredBranch, StoredNode, pack_path};

use crate::{
    ExecutedBlock,
    codecs::{keys, node, node_version},
    db::{Batch, Column},
};

/// Adds the trie nodes of a block to the batch. With `versions`, the nodes before are kept.
pub(super) fn write_nodes(batch: &mut Batch, block: &ExecutedBlock, versions: bool) {
    let version = versions.then_some(block.number());
    let (updates, replaced) = (&block.trie.updates, &block.trie.replaced);
    let written = updates.account_nodes.iter().map(|(path, node)| (path, Some(node)));
    let removed = updates.removed_nodes.iter().map(|path| (path, None));
    write_trie(batch, None, written.chain(removed), &replaced.account_nodes, version);
    for (address, updates) in &updates.storage_tries {
        let written = updates.nodes.iter().map(|(path, node)| (path, Some(node)));
        let removed = updates.removed.iter().map(|path| (path, None));
        let before = replaced.storage_tries.get(address).map_or(&[][..], Vec::as_slice);
        write_trie(batch, Some(address), written.chain(removed), before, version);
    }
}

/// `changes`: paths, each once, with their new node. `before`: the nodes that these replace.
fn write_trie<'a>(
    batch: &mut Batch,
    address: Option<&B256>,
    changes: impl Iterator<Item = (&'a Nibbles, Option<&'a StoredBranch>)>,
    before: &[StoredNode],
    version: Option<u64>,
) {
    let column = if address.is_some() { Column::StoragesTrie } else { Column::AccountsTrie };
    let before: HashMap<&Nibbles, &StoredBranch> =
        before.iter().map(|(path, node)| (path, node)).collect();
    for (path, after) in changes {
        if let Some(number) = version {
            let row = node_version::encode(before.get(path).copied(), after, number);
            batch.put(Column::TrieVersions, keys::trie_version(address, path, number), row);
        }
        let key = match address {
            Some(address) => keys::storage_node(address, path).to_vec(),
            None => pack_path(path).to_vec(),
        };
        match after {
            Some(node) => batch.put(column, key, node::encode(node)),
            None => batch.delete(column, key),
        }
    }
}
