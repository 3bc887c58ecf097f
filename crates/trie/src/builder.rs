//! Joins subtrees into branches, bottom up.

use crate::{
    StoredBranch, StoredNode,
    node::{
        Branch, BranchEncoder, BranchNode, Kept, LeafValue, Subtree, encode_extension, encode_leaf,
    },
};
use alloy_primitives::{B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, TrieMask, nodes::RlpNode, proof::ProofRetainer};
use std::ops::Range;

/// Finished subtrees wait on a stack until their parent is closed. The walk visits the trie depth
/// first and in order, so the children of the branch being closed are the top of the stack, in
/// order. Whether a leaf or branch hangs directly under its parent or through an extension is
/// settled only then: a branch left with one child vanishes by handing that child up.
///
/// Nodes are hashed when their parent is closed, too: only then is it known which nodes there are.
/// Until then their encodings lie in `encoded`, which grows and shrinks with the stack.
#[derive(Debug)]
pub(crate) struct Builder<V> {
    stack: Vec<Subtree<V>>,
    encoded: Vec<u8>,
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
    extension: Vec<u8>,
    /// One for each child that is a leaf or a branch not hashed yet: its encoding.
    parts: Vec<Range<usize>>,
}

impl<V: LeafValue> Builder<V> {
    pub(crate) fn new(keep_nodes: bool) -> Self {
        Self {
            stack: Vec::with_capacity(64),
            encoded: Vec::with_capacity(4096),
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

    /// Takes back the only subtree above `mark`, if it was kept by its hash. Before its parent
    /// vanishes it has to be opened: its shape goes into the node that takes the parent's place.
    pub(crate) fn take_lone_kept(&mut self, mark: usize) -> Option<Kept> {
        match self.stack.get(mark..) {
            Some([Subtree::Kept(kept)]) => {
                let kept = *kept;
                self.stack.pop();
                Some(kept)
            }
            _ => None,
        }
    }

    /// Joins all subtrees above `mark`, which share `depth` nibbles and differ in the next one.
    /// None or one above the mark is left as it is.
    pub(crate) fn close(&mut self, depth: usize, mark: usize) {
        if self.stack.len() < mark + 2 {
            return;
        }
        let path = self.stack[mark].prefix(depth);
        let start = self.encode_children(depth + 1, mark);

        let mut masks = Masks::default();
        let mut hashes = Hashes::default();
        let mut encoder = BranchEncoder::new();
        let mut parts = self.scratch.parts.iter();
        let mut next_node = || {
            parts.next().map_or_else(RlpNode::default, |part| {
                RlpNode::from_rlp(&self.encoded[part.clone()])
            })
        };
        for child in &self.stack[mark..] {
            let digit = child.nibble(depth);
            let bit = 1u16 << digit;
            masks.state |= bit;
            let mut directly_below = false;
            let node = match child {
                Subtree::Leaf { .. } => {
                    masks.leaf |= bit;
                    next_node()
                }
                Subtree::Kept(kept) => {
                    masks.leaf |= if kept.leaf { bit } else { 0 };
                    masks.tree |= if kept.stored { bit } else { 0 };
                    RlpNode::word_rlp(&kept.hash)
                }
                Subtree::Branch(branch) => {
                    let node = match &branch.node {
                        BranchNode::Known(node) => node.clone(),
                        BranchNode::Encoded(_) => next_node(),
                    };
                    masks.tree |= if branch.stored { bit } else { 0 };
                    if branch.path.len() > depth + 1 {
                        let extension = &mut self.scratch.extension;
                        extension.clear();
                        encode_extension(&branch.path.slice(depth + 1..), &node, extension);
                        retain(self.proofs.as_mut(), || child.prefix(depth + 1), extension);
                        RlpNode::from_rlp(extension)
                    } else {
                        directly_below = true;
                        node
                    }
                }
            };
            if let Some(hash) = node.as_hash() {
                masks.hash |= bit;
                masks.branch |= if directly_below { bit } else { 0 };
                hashes.push(hash);
            }
            encoder.push(digit, &node);
        }

        let rlp = encoder.finish();
        retain(self.proofs.as_mut(), || path, rlp);
        let stored = masks.tree | masks.branch != 0 || depth == 0;
        let mut node = BranchNode::Encoded(start..start + rlp.len());
        if depth == 0 {
            let root = keccak256(rlp);
            node = BranchNode::Known(RlpNode::word_rlp(&root));
            if self.keep_nodes {
                self.nodes.push((path, masks.into_node(&hashes, Some(root))));
            }
        } else if stored && self.keep_nodes {
            self.nodes.push((path, masks.into_node(&hashes, None)));
        }
        self.encoded.truncate(start);
        self.encoded.extend_from_slice(rlp);
        self.stack.truncate(mark);
        self.stack.push(Subtree::Branch(Branch { path, node, stored }));
    }

    /// Encodes the leaves above `mark` with paths from `depth`, and notes where the encodings of all
    /// children above `mark` lie that are not hashed yet. Returns where the first of them starts.
    fn encode_children(&mut self, depth: usize, mark: usize) -> usize {
        let Scratch { value, parts, .. } = &mut self.scratch;
        parts.clear();
        let mut start = self.encoded.len();
        for child in &self.stack[mark..] {
            let part = match child {
                Subtree::Leaf { key, value: leaf } => {
                    let from = self.encoded.len();
                    encode_leaf(key, leaf, depth, value, &mut self.encoded);
                    let rlp = &self.encoded[from..];
                    retain(self.proofs.as_mut(), || child.prefix(depth), rlp);
                    from..self.encoded.len()
                }
                Subtree::Branch(Branch { node: BranchNode::Encoded(part), .. }) => part.clone(),
                Subtree::Branch(_) | Subtree::Kept(_) => continue,
            };
            start = start.min(part.start);
            parts.push(part);
        }
        start
    }

    /// Takes the only subtree, if there is one, in a form that does not need this builder.
    pub(crate) fn take_settled(&mut self) -> Option<Subtree<V>> {
        debug_assert!(self.stack.len() <= 1);
        let mut top = self.stack.pop();
        if let Some(Subtree::Branch(branch)) = &mut top
            && let BranchNode::Encoded(part) = &branch.node
        {
            branch.node = BranchNode::Known(RlpNode::from_rlp(&self.encoded[part.clone()]));
        }
        self.encoded.clear();
        top
    }

    /// The root hash of what is on the stack, which is empty afterwards.
    pub(crate) fn root(&mut self) -> B256 {
        let top = self.take_settled();
        let proofs = self.proofs.as_mut();
        let rlp = &mut self.scratch.extension;
        rlp.clear();
        match top {
            None => {
                if let Some(proofs) = proofs {
                    proofs.retain_empty_root_proof();
                }
                return EMPTY_ROOT_HASH;
            }
            Some(Subtree::Leaf { key, value }) => {
                encode_leaf(&key, &value, 0, &mut self.scratch.value, rlp);
            }
            Some(Subtree::Branch(Branch { path, node: BranchNode::Known(node), .. })) => {
                // A root that is a branch was hashed when it was closed.
                if let Some(root) = node.as_hash().filter(|_| path.is_empty()) {
                    return root;
                }
                encode_extension(&path, &node, rlp);
            }
            // `take_settled` leaves no encoded one, and the walk opens a kept one that is alone.
            Some(
                Subtree::Branch(Branch { node: BranchNode::Encoded(_), .. }) | Subtree::Kept(_),
            ) => {}
        }
        retain(proofs, Nibbles::new, rlp);
        keccak256(rlp)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Masks {
    state: u16,
    tree: u16,
    branch: u16,
    leaf: u16,
    hash: u16,
}

impl Masks {
    fn into_node(self, hashes: &Hashes, root_hash: Option<B256>) -> StoredBranch {
        StoredBranch {
            state_mask: TrieMask::new(self.state),
            tree_mask: TrieMask::new(self.tree),
            branch_mask: TrieMask::new(self.branch),
            leaf_mask: TrieMask::new(self.leaf),
            hash_mask: TrieMask::new(self.hash),
            hashes: hashes.all[..hashes.count].into(),
            root_hash,
        }
    }
}

/// Hashes of the children of one branch.
#[derive(Debug, Default)]
struct Hashes {
    all: [B256; 16],
    count: usize,
}

impl Hashes {
    fn push(&mut self, hash: B256) {
        self.all[self.count] = hash;
        self.count += 1;
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
