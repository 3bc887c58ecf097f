//! Trie node rows of one block: new nodes, removed nodes, and the nodes before, for the proof window.

use alloy_primitives::B256;
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
    write_trie(batch, None, &updates.account_nodes, &replaced.account_nodes, version);
    for (address, updates) in &updates.storage_tries {
        let before = replaced.storage_tries.get(address).map_or(&[][..], Vec::as_slice);
        write_trie(batch, Some(address), &updates.nodes, before, version);
    }
}

/// `changes`: paths with their new node. `before`: the nodes that these replace. Both ascend.
fn write_trie(
    batch: &mut Batch,
    address: Option<&B256>,
    changes: &[(Nibbles, Option<StoredBranch>)],
    before: &[StoredNode],
    version: Option<u64>,
) {
    let column = if address.is_some() { Column::StoragesTrie } else { Column::AccountsTrie };
    let mut before = before.iter().peekable();
    let mut row = Vec::new();
    for (path, after) in changes {
        let before = before.next_if(|(old, _)| old == path).map(|(_, node)| node);
        if let Some(number) = version {
            let row = node_version::encode(before, after.as_ref(), number);
            batch.put(Column::TrieVersions, keys::trie_version(address, path, number), row);
        }
        let (account_key, storage_key);
        let key: &[u8] = match address {
            Some(address) => {
                storage_key = keys::storage_node(address, path);
                &storage_key
            }
            None => {
                account_key = pack_path(path);
                &account_key
            }
        };
        match after {
            Some(node) => {
                row.clear();
                node::encode_to(node, &mut row);
                batch.put(column, key, &row);
            }
            None => batch.delete(column, key),
        }
    }
}
