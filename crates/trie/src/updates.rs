//! What a root computation changes in the stored nodes.

use alloy_primitives::{
    B256,
    map::{B256Map, HashMap, HashSet},
};
use alloy_trie::Nibbles;

use crate::{StoredBranch, StoredNode};

/// Changes of the stored nodes of one storage trie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageTrieUpdates {
    /// All nodes from before are gone; `nodes` is everything there is.
    pub is_deleted: bool,
    /// Nodes to write.
    pub nodes: HashMap<Nibbles, StoredBranch>,
    /// Paths to delete. Never holds a path of `nodes`.
    pub removed: HashSet<Nibbles>,
}

impl StorageTrieUpdates {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        !self.is_deleted && self.nodes.is_empty() && self.removed.is_empty()
    }

    /// Stacks later changes on top of these.
    pub fn extend(&mut self, later: &Self) {
        if later.is_deleted {
            self.clone_from(later);
        } else {
            extend_nodes(&mut self.nodes, &mut self.removed, &later.nodes, &later.removed);
        }
    }

    /// The sorted form, for overlays.
    pub fn to_sorted(&self) -> StorageTrieUpdatesSorted {
        StorageTrieUpdatesSorted {
            is_deleted: self.is_deleted,
            nodes: sorted_nodes(&self.nodes, &self.removed),
        }
    }
}

/// Changes of all stored nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrieUpdates {
    /// Nodes of the account trie to write.
    pub account_nodes: HashMap<Nibbles, StoredBranch>,
    /// Paths of the account trie to delete. Never holds a path of `account_nodes`.
    pub removed_nodes: HashSet<Nibbles>,
    /// Hashed address → changes of its storage trie.
    pub storage_tries: B256Map<StorageTrieUpdates>,
}

impl TrieUpdates {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.account_nodes.is_empty()
            && self.removed_nodes.is_empty()
            && self.storage_tries.values().all(StorageTrieUpdates::is_empty)
    }

    /// Stacks later changes on top of these.
    pub fn extend(&mut self, later: &Self) {
        extend_nodes(
            &mut self.account_nodes,
            &mut self.removed_nodes,
            &later.account_nodes,
            &later.removed_nodes,
        );
        for (address, updates) in &later.storage_tries {
            self.storage_tries.entry(*address).or_default().extend(updates);
        }
    }

    /// The sorted form, for overlays.
    pub fn to_sorted(&self) -> TrieUpdatesSorted {
        TrieUpdatesSorted {
            account_nodes: sorted_nodes(&self.account_nodes, &self.removed_nodes),
            storage_tries: self
                .storage_tries
                .iter()
                .map(|(address, updates)| (*address, updates.to_sorted()))
                .collect(),
        }
    }
}

/// Path and node in order; `None` is a deletion.
pub type SortedNodes = Vec<(Nibbles, Option<StoredBranch>)>;

/// [`StorageTrieUpdates`] with its paths in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageTrieUpdatesSorted {
    /// All nodes from before are gone.
    pub is_deleted: bool,
    /// Nodes to write and paths to delete.
    pub nodes: SortedNodes,
}

/// [`TrieUpdates`] with its paths in order: an overlay over stored nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrieUpdatesSorted {
    /// Nodes of the account trie to write and paths to delete.
    pub account_nodes: SortedNodes,
    /// Hashed address → changes of its storage trie.
    pub storage_tries: B256Map<StorageTrieUpdatesSorted>,
}

/// The stored nodes that [`TrieUpdates`] overwrite or remove, as they were: what a history of nodes
/// keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplacedNodes {
    /// Nodes of the account trie.
    pub account_nodes: Vec<StoredNode>,
    /// Hashed address → nodes of its storage trie.
    pub storage_tries: B256Map<Vec<StoredNode>>,
}

/// What a state root computation yields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateRootOutput {
    /// The state root.
    pub root: B256,
    /// Changes of the stored nodes, to be written together with the flat rows.
    pub updates: TrieUpdates,
    /// What those changes replace.
    pub replaced: ReplacedNodes,
    /// Hashed address → storage root, for each account whose storage changed and for each removed
    /// account (the root of an empty storage).
    pub storage_roots: B256Map<B256>,
}

fn extend_nodes(
    nodes: &mut HashMap<Nibbles, StoredBranch>,
    removed: &mut HashSet<Nibbles>,
    later_nodes: &HashMap<Nibbles, StoredBranch>,
    later_removed: &HashSet<Nibbles>,
) {
    for path in later_removed {
        nodes.remove(path);
        removed.insert(*path);
    }
    for (path, node) in later_nodes {
        removed.remove(path);
        nodes.insert(*path, node.clone());
    }
}

fn sorted_nodes(nodes: &HashMap<Nibbles, StoredBranch>, removed: &HashSet<Nibbles>) -> SortedNodes {
    let mut sorted: SortedNodes = removed
        .iter()
        .map(|path| (*path, None))
        .chain(nodes.iter().map(|(path, node)| (*path, Some(node.clone()))))
        .collect();
    sorted.sort_unstable_by_key(|entry| entry.0);
    sorted
}
