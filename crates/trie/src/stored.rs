//! What is stored of a branch.

use alloy_primitives::B256;
use alloy_trie::{Nibbles, TrieMask};
use std::sync::Arc;

/// A branch as it is stored: what its children are, and their hashes.
///
/// Reth's compact form keeps the hashes of those children only that are branches. Then every change
/// below a branch costs reading and hashing all leaves beside it, about ten where keys are hashes.
/// Here the hash of every child is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredBranch {
    /// Children there are.
    pub state_mask: TrieMask,
    /// Children at or below which a node is stored.
    pub tree_mask: TrieMask,
    /// Children with a kept hash that are branches directly below, not leaves or extensions.
    pub branch_mask: TrieMask,
    /// Children that are leaves.
    pub leaf_mask: TrieMask,
    /// Children whose hash is kept: all whose RLP is not shorter than a hash.
    pub hash_mask: TrieMask,
    /// The hashes, by ascending digit.
    pub hashes: Arc<[B256]>,
    /// Hash of this branch, kept at the root only.
    pub root_hash: Option<B256>,
}

/// A stored branch with its path.
pub type StoredNode = (Nibbles, StoredBranch);

impl StoredBranch {
    /// The kept hash of a child.
    pub fn hash_of(&self, digit: u8) -> Option<B256> {
        if !self.hash_mask.is_bit_set(digit) {
            return None;
        }
        let below = self.hash_mask.get() & ((1u16 << digit) - 1);
        self.hashes.get(below.count_ones() as usize).copied()
    }

    /// Whether masks and hashes fit each other.
    pub fn is_consistent(&self) -> bool {
        let within = |mask: TrieMask| mask.is_subset_of(self.state_mask);
        within(self.tree_mask)
            && within(self.hash_mask)
            && within(self.leaf_mask)
            && self.branch_mask.is_subset_of(self.hash_mask)
            && (self.leaf_mask & (self.tree_mask | self.branch_mask)).is_empty()
            && usize::from(self.hash_mask.count_bits()) == self.hashes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_found_by_digit() {
        let mask = TrieMask::new(0b1000_0000_0010_0001);
        let hashes = [1, 2, 3].map(B256::repeat_byte);
        let node = StoredBranch {
            state_mask: TrieMask::new(0xffff),
            hash_mask: mask,
            hashes: hashes.into(),
            ..Default::default()
        };
        assert!(node.is_consistent());
        let found = [0, 5, 15].map(|digit| node.hash_of(digit));
        assert_eq!(found, hashes.map(Some));
        assert_eq!(node.hash_of(1), None);
        assert!(!StoredBranch { state_mask: TrieMask::new(1), ..node }.is_consistent());
    }
}
