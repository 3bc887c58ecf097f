//! The walk over stored branches and flat rows.
//!
//! The walk follows the stored branches from the root down. At a child with a kept hash and no
//! changed key below, the hash is taken and the child skipped. At a child with something stored
//! below, the walk descends. Everywhere else it reads leaves. Leaves are read forward, and only
//! below children that change. A child that was the leaf of the only changed key below it takes the
//! key's new row.
//!
//! There is one way back: a branch that loses all children but one vanishes, and if that one is a
//! leaf or an extension, the node that takes the branch's place holds its path. If the walk had
//! skipped it, it is read after all.

use crate::{
    ChangedNodes, HashedCursor, StoredBranch, StoredNode, TrieCursor, TrieError,
    builder::Builder,
    leaves::Leaves,
    node::{Branch, BranchNode, Kept, LeafValue, Subtree},
    prefix_set::split_child,
};
use alloy_primitives::B256;
use alloy_trie::{Nibbles, nodes::RlpNode, proof::ProofRetainer};

/// One walk over one trie, or over a part of it.
#[derive(Debug)]
pub(crate) struct Walk<T, H: HashedCursor> {
    trie: T,
    leaves: Leaves<H>,
    pub(crate) builder: Builder<H::Value>,
    /// Stored nodes that the walk went through, as they were.
    pub(crate) visited: Vec<StoredNode>,
    /// Paths of those of them that did not come about again.
    removed: Vec<Nibbles>,
}

impl<T, H> Walk<T, H>
where
    H: HashedCursor,
    H::Value: LeafValue,
{
    /// A walk that finds out which stored nodes change.
    pub(crate) fn new(trie: T, leaves: H) -> Self {
        let leaves = Leaves::new(leaves);
        let builder = Builder::new(true);
        Self { trie, leaves, builder, visited: Vec::new(), removed: Vec::new() }
    }

    /// A walk that retains proofs.
    pub(crate) fn with_proofs(trie: T, leaves: H, proofs: ProofRetainer) -> Self {
        let mut walk = Self::new(trie, leaves);
        walk.builder = Builder::new(false);
        walk.builder.proofs = Some(proofs);
        walk
    }

    /// Rebuilds the part below `prefix` from flat rows.
    pub(crate) fn rows(&mut self, prefix: &Nibbles) -> Result<(), TrieError<H::Error>> {
        let mut lower = B256::ZERO;
        prefix.pack_to(&mut lower.0);
        self.leaves.position(&lower)?;
        if !self.leaves.shares(&lower, prefix.len()) {
            return Ok(());
        }
        match self.push_leaf()? {
            Some(first) => self.gather(&first, prefix.len()),
            None => Ok(()),
        }
    }

    /// Moves the row ahead onto the builder's stack and returns its key.
    fn push_leaf(&mut self) -> Result<Option<B256>, TrieError<H::Error>> {
        let Self { leaves, builder, .. } = self;
        leaves.take_with(|key, value| {
            builder.push(Subtree::Leaf { key, value: *value });
            key
        })
    }

    /// Replaces the leaf `first`, which is the top of the stack, by the subtree of it and all rows
    /// ahead that share its first `depth` nibbles.
    fn gather(&mut self, first: &B256, depth: usize) -> Result<(), TrieError<H::Error>> {
        if !self.leaves.shares(first, depth) {
            return Ok(());
        }
        // Keys differ, so there is a nibble at this depth.
        let mark = self.builder.mark() - 1;
        let mut leaf = *first;
        loop {
            self.gather(&leaf, depth + 1)?;
            if !self.leaves.shares(first, depth) {
                break;
            }
            match self.push_leaf()? {
                Some(next) => leaf = next,
                None => break,
            }
        }
        self.builder.close(depth, mark);
        Ok(())
    }

    /// The subtree, and what changes in the stored nodes, in order.
    pub(crate) fn into_part(mut self) -> WalkPart<H::Value> {
        let subtree = self.builder.take_settled();
        let Self { builder, mut visited, removed, .. } = self;
        let made = builder.nodes.into_iter().map(|(path, node)| (path, Some(node)));
        let mut nodes: ChangedNodes =
            made.chain(removed.into_iter().map(|path| (path, None))).collect();
        sort_by_path(&mut nodes);
        sort_by_path(&mut visited);
        WalkPart { subtree, nodes, visited }
    }
}

impl<T, H, E> Walk<T, H>
where
    T: TrieCursor<Error = E>,
    H: HashedCursor<Error = E>,
    H::Value: LeafValue,
    E: std::error::Error + 'static,
{
    /// The stored root branch, if the root is a branch.
    pub(crate) fn root_node(&mut self) -> Result<Option<StoredBranch>, TrieError<E>> {
        Ok(match self.trie.seek_exact(Nibbles::new())? {
            Some((path, node)) => {
                check_node(&path, &node)?;
                Some(node)
            }
            None => None,
        })
    }

    /// Whether any node is stored.
    pub(crate) fn has_nodes(&mut self) -> Result<bool, TrieError<E>> {
        Ok(self.trie.seek(Nibbles::new())?.is_some())
    }

    /// Walks the whole trie; `changed` are the changed keys in order.
    pub(crate) fn whole(
        &mut self,
        root_node: Option<StoredBranch>,
        changed: &[B256],
    ) -> Result<(), TrieError<E>> {
        let path = Nibbles::new();
        if let Some(node) = root_node {
            return self.branch(path, node, changed);
        }
        match self.trie.seek(path)? {
            Some((path, node)) => {
                check_node(&path, &node)?;
                self.towards(0, path, node, changed)
            }
            None => self.rows(&path),
        }
    }

    /// Rebuilds the stored branch at `path`. All of `changed` lies below it.
    fn branch(
        &mut self,
        path: Nibbles,
        node: StoredBranch,
        mut changed: &[B256],
    ) -> Result<(), TrieError<E>> {
        let mark = self.builder.mark();
        self.visited.push((path, node.clone()));
        for digit in 0..16 {
            let below = split_child(&mut changed, path.len(), digit);
            self.child(&path, &node, digit, below)?;
        }
        if let Some(kept) = self.builder.take_lone_kept(mark) {
            self.leaves.rewind();
            self.descend(&kept.path, kept.stored, false, &[])?;
        }
        self.builder.close(path.len(), mark);
        if self.builder.nodes.last().is_none_or(|(last, _)| *last != path) {
            self.removed.push(path);
        }
        Ok(())
    }

    /// Rebuilds or takes over one child of a stored branch.
    pub(crate) fn child(
        &mut self,
        path: &Nibbles,
        node: &StoredBranch,
        digit: u8,
        changed: &[B256],
    ) -> Result<(), TrieError<E>> {
        if changed.is_empty() && !node.state_mask.is_bit_set(digit) {
            return Ok(());
        }
        let stored = node.tree_mask.is_bit_set(digit);
        let branch = node.branch_mask.is_bit_set(digit);
        let leaf = node.leaf_mask.is_bit_set(digit);
        let mut path = *path;
        path.push(digit);
        if changed.is_empty()
            && let Some(hash) = node.hash_of(digit)
        {
            if stored {
                self.leaves.skipped_far();
            }
            self.builder.push(if branch {
                let node = BranchNode::Known(RlpNode::word_rlp(&hash));
                Subtree::Branch(Branch { path, node, stored })
            } else {
                Subtree::Kept(Kept { path, hash, leaf, stored })
            });
            return Ok(());
        }
        if let ([key], true) = (changed, leaf) {
            // The only leaf there was: if that is the changed one, nothing has to be read.
            let change = self.leaves.change(*key)?;
            if change.existed {
                if let Some(value) = change.row {
                    self.builder.push(Subtree::Leaf { key: *key, value });
                }
                return Ok(());
            }
        }
        self.descend(&path, stored, branch, changed)
    }

    /// Rebuilds the part below `path`: where something is stored below from the topmost stored
    /// node on (it lies at `path` itself if that is a branch), else from flat rows.
    fn descend(
        &mut self,
        path: &Nibbles,
        stored: bool,
        branch: bool,
        changed: &[B256],
    ) -> Result<(), TrieError<E>> {
        if !stored {
            return self.rows(path);
        }
        let found = if branch { self.trie.seek_exact(*path)? } else { self.trie.seek(*path)? };
        match found {
            Some((at, node)) if at.starts_with(path) => {
                check_node(&at, &node)?;
                self.towards(path.len(), at, node, changed)
            }
            found => Err(TrieError::MissingNode { prefix: *path, got: found.map(|(at, _)| at) }),
        }
    }

    /// Rebuilds the part below the first `depth` nibbles of `at`, where the topmost branch is the
    /// stored one at `at`. Keys in between can only be new ones.
    fn towards(
        &mut self,
        depth: usize,
        at: Nibbles,
        node: StoredBranch,
        mut changed: &[B256],
    ) -> Result<(), TrieError<E>> {
        if depth == at.len() {
            return self.branch(at, node, changed);
        }
        let mark = self.builder.mark();
        let way = at.get_unchecked(depth);
        for digit in 0..way {
            self.beside(depth, &at, digit, &mut changed)?;
        }
        let below = split_child(&mut changed, depth, way);
        self.towards(depth + 1, at, node, below)?;
        for digit in way + 1..16 {
            self.beside(depth, &at, digit, &mut changed)?;
        }
        self.builder.close(depth, mark);
        Ok(())
    }

    /// Rebuilds what is new beside the way to a stored branch.
    fn beside(
        &mut self,
        depth: usize,
        at: &Nibbles,
        digit: u8,
        changed: &mut &[B256],
    ) -> Result<(), TrieError<E>> {
        if split_child(changed, depth, digit).is_empty() {
            return Ok(());
        }
        let mut path = at.slice(..depth);
        path.push(digit);
        self.rows(&path)
    }
}

/// What a walk over a part of a trie leaves behind.
#[derive(Debug)]
pub(crate) struct WalkPart<V> {
    pub(crate) subtree: Option<Subtree<V>>,
    pub(crate) nodes: ChangedNodes,
    pub(crate) visited: Vec<StoredNode>,
}

/// Sorts nodes. Stable, since that is the sort that makes use of the order there is: a walk meets
/// nodes from left to right.
pub(crate) fn sort_by_path<N>(nodes: &mut [(Nibbles, N)]) {
    nodes.sort_by_key(|(path, _)| *path);
}

fn check_node<E: std::error::Error>(
    path: &Nibbles,
    node: &StoredBranch,
) -> Result<(), TrieError<E>> {
    if node.is_consistent() && path.len() < 64 {
        return Ok(());
    }
    let (expected, got) = (node.hash_mask.len(), node.hashes.len());
    Err(TrieError::MalformedNode { path: *path, expected, got })
}
