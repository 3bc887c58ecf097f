//! Joins subtrees into branches, bottom up.

use crate::{
    keccak::keccak_batch,
    node::{Branch, BranchEncoder, LeafValue, Subtree, encode_extension, encode_leaf},
};
use alloy_primitives::{B256, keccak256};
use alloy_trie::{
    BranchNodeCompact, EMPTY_ROOT_HASH, Nibbles, TrieMask, nodes::RlpNode, proof::ProofRetainer,
};

/// A node to be stored, with its path.
pub(crate) type StoredNode = (Nibbles, BranchNodeCompact);

/// Finished subtrees wait on a stack until their parent is closed. The walk visits the trie depth
/// first and in order, so the children of the branch being closed are the top of the stack, in
/// order. Whether a leaf or branch hangs directly under its parent or through an extension is
/// settled only then: a branch left with one child vanishes by handing that child up.
#[derive(Debug)]
pub(crate) struct Builder<V> {
    stack: Vec<Subtree<V>>,
    /// Nodes to be stored, each after all those below it.
    pub(crate) nodes: Vec<StoredNode>,
    keep_nodes: bool,
    pub(crate) proofs: Option<ProofRetainer>,
    scratch: Scratch,
}

/// Buffers that are used again and again.
#[derive(Debug, Default)]
struct Scratch {
    value: Vec<u8>,
    leaves: Vec<u8>,
    ends: Vec<usize>,
    hashes: Vec<B256>,
    extension: Vec<u8>,
}

impl<V: LeafValue> Builder<V> {
    pub(crate) fn new(keep_nodes: bool) -> Self {
        Self {
            stack: Vec::with_capacity(64),
            nodes: Vec::new(),
            keep_nodes,
            proofs: None,
            scratch: Scratch::default(),
        }
    }

    /// The height of the stack, to be handed to [`Self::close`].
    pub(crate) const fn mark(&self) -> usize {
        self.stack.len()
    }

    pub(crate) fn push(&mut self, subtree: Subtree<V>) {
        self.stack.push(subtree);
    }

    /// Takes the only subtree above `mark`, if there is one.
    pub(crate) fn pop(&mut self, mark: usize) -> Option<Subtree<V>> {
        debug_assert!(self.stack.len() <= mark + 1);
        if self.stack.len() > mark { self.stack.pop() } else { None }
    }

    /// Joins all subtrees above `mark`, which share `depth` nibbles and differ in the next one.
    /// None or one above the mark is left as it is.
    pub(crate) fn close(&mut self, depth: usize, mark: usize) {
        if self.stack.len() < mark + 2 {
            return;
        }
        let path = self.stack[mark].prefix(depth);
        self.hash_leaves(depth + 1, mark);

        let (mut state, mut tree, mut hash) = (0u16, 0u16, 0u16);
        let mut hashes = Vec::new();
        let mut encoder = BranchEncoder::new();
        let mut leaf_start = 0;
        let mut leaf_hashes = self.scratch.hashes.iter();
        let mut leaf_ends = self.scratch.ends.iter();
        for child in &self.stack[mark..] {
            let digit = child.nibble(depth);
            let bit = 1u16 << digit;
            state |= bit;
            match child {
                Subtree::Leaf { .. } => {
                    let end = leaf_ends.next().copied().unwrap_or(leaf_start);
                    let rlp = &self.scratch.leaves[leaf_start..end];
                    leaf_start = end;
                    let node = if rlp.len() < 32 {
                        RlpNode::from_rlp(rlp)
                    } else {
                        leaf_hashes.next().map(RlpNode::word_rlp).unwrap_or_default()
                    };
                    retain(self.proofs.as_mut(), || child.prefix(depth + 1), rlp);
                    encoder.push(digit, &node);
                }
                Subtree::Branch(branch) => {
                    if branch.stored {
                        tree |= bit;
                    }
                    if branch.path.len() == depth + 1 {
                        if let Some(child_hash) = branch.rlp.as_hash() {
                            hash |= bit;
                            hashes.push(child_hash);
                        }
                        encoder.push(digit, &branch.rlp);
                    } else {
                        let buf = &mut self.scratch.extension;
                        buf.clear();
                        encode_extension(&branch.path.slice(depth + 1..), &branch.rlp, buf);
                        retain(self.proofs.as_mut(), || child.prefix(depth + 1), buf);
                        encoder.push(digit, &RlpNode::from_rlp(buf));
                    }
                }
            }
        }
        self.stack.truncate(mark);

        let encoded = encoder.finish();
        let rlp = RlpNode::from_rlp(encoded);
        retain(self.proofs.as_mut(), || path, encoded);
        let stored = tree | hash != 0 || depth == 0;
        if stored && self.keep_nodes {
            let root_hash =
                (depth == 0).then(|| rlp.as_hash().unwrap_or_else(|| keccak256(encoded)));
            let [state, tree, hash] = [state, tree, hash].map(TrieMask::new);
            let node = BranchNodeCompact {
                state_mask: state,
                tree_mask: tree,
                hash_mask: hash,
                hashes: hashes.into(),
                root_hash,
            };
            self.nodes.push((path, node));
        }
        self.stack.push(Subtree::Branch(Branch { path, rlp, stored }));
    }

    /// Encodes the leaves above `mark` with paths from `depth` and hashes those that are not
    /// inlined, all at once.
    fn hash_leaves(&mut self, depth: usize, mark: usize) {
        let Scratch { value, leaves, ends, hashes, .. } = &mut self.scratch;
        leaves.clear();
        ends.clear();
        hashes.clear();
        let mut inlined = false;
        for child in &self.stack[mark..] {
            if let Subtree::Leaf { key, value: leaf } = child {
                let start = leaves.len();
                encode_leaf(key, leaf, depth, value, leaves);
                ends.push(leaves.len());
                inlined |= leaves.len() - start < 32;
            }
        }
        if !inlined {
            keccak_batch(leaves, ends, hashes);
            return;
        }
        let mut start = 0;
        for end in ends {
            if *end - start >= 32 {
                hashes.push(keccak256(&leaves[start..*end]));
            }
            start = *end;
        }
    }

    /// The root hash of what is on the stack, which is empty afterwards.
    pub(crate) fn root(&mut self) -> B256 {
        let top = self.pop(0);
        let proofs = self.proofs.as_mut();
        let buf = &mut self.scratch.extension;
        buf.clear();
        match top {
            None => {
                if let Some(proofs) = proofs {
                    proofs.retain_empty_root_proof();
                }
                return EMPTY_ROOT_HASH;
            }
            Some(Subtree::Leaf { key, value }) => {
                encode_leaf(&key, &value, 0, &mut self.scratch.value, buf);
            }
            Some(Subtree::Branch(branch)) if branch.path.is_empty() => {
                return branch.rlp.as_hash().unwrap_or_else(|| keccak256(&branch.rlp));
            }
            Some(Subtree::Branch(branch)) => encode_extension(&branch.path, &branch.rlp, buf),
        }
        retain(proofs, Nibbles::new, buf);
        keccak256(buf)
    }
}

/// Keeps a node for a proof, if it lies on the way to a target. Nodes that are inlined in their
/// parent are no nodes of a proof of their own.
fn retain(proofs: Option<&mut ProofRetainer>, path: impl FnOnce() -> Nibbles, rlp: &[u8]) {
    if let Some(proofs) = proofs {
        let path = path();
        if path.is_empty() || rlp.len() >= 32 {
            proofs.retain_leaf_proof(&path, rlp);
        }
    }
}
