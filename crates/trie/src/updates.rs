//! What a root computation changes in the stored nodes.

use alloy_primitives::{B256, map::B256Map};
use alloy_trie::Nibbles;

use crate::{StoredBranch, StoredNode};

/// Path and node, ascending by path, each path once; `None` is a deletion.
pub type ChangedNodes = Vec<(Nibbles, Option<StoredBranch>)>;

/// Changes of the stored nodes of one storage trie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageTrieUpdates {
    /// All nodes from before are gone; `nodes` is everything there is.
    pub is_deleted: bool,
    /// Nodes to write and paths to delete.
    pub nodes: ChangedNodes,
}

impl StorageTrieUpdates {
    /// Whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        !self.is_deleted && self.nodes.is_empty()
    }
}

/// Changes of all stored nodes: what is written with a block, and an overlay over stored nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrieUpdates {
    /// Nodes of the account trie to write and paths to delete.
    pub account_nodes: ChangedNodes,
    /// Hashed address → changes of its storage trie.
    pub storage_tries: B256Map<StorageTrieUpdates>,
}

impl TrieUpdates {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.account_nodes.is_empty()
            && self.storage_tries.values().all(StorageTrieUpdates::is_empty)
    }
}

/// The stored nodes that [`TrieUpdates`] overwrite or remove, as they were, ascending by path: what
/// a history of nodes keeps.
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
