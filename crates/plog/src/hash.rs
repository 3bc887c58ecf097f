//! Hashes of the tree (RFC 6962 §2.1, RFC 9162 §2.1.1): SHA-256 with one byte in front that tells
//! leaves from nodes, so that no leaf can be presented as a node.

use alloy_primitives::{B256, b256};
use sha2::{Digest, Sha256};

/// Root of a tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: B256 =
    b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

const LEAF_PREFIX: u8 = 0;
const NODE_PREFIX: u8 = 1;

/// Hash of a leaf: SHA-256(`00` ‖ entry).
pub fn leaf_hash(entry: &[u8]) -> B256 {
    sha256(&[&[LEAF_PREFIX], entry])
}

/// Hash of an inner node: SHA-256(`01` ‖ left ‖ right).
pub fn node_hash(left: &B256, right: &B256) -> B256 {
    sha256(&[&[NODE_PREFIX], left.as_slice(), right.as_slice()])
}

/// Root of the tree over `leaves`, which are leaf hashes (the `MTH` of RFC 9162 §2.1.1).
pub fn batch_root(leaves: &[B256]) -> B256 {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&batch_root(left), &batch_root(right))
        }
    }
}

/// The greatest power of two below `n`, which is at least 2.
const fn split(n: usize) -> usize {
    1 << n.saturating_sub(1).ilog2()
}

/// SHA-256 of `parts` one after the other.
pub(crate) fn sha256(parts: &[&[u8]]) -> B256 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    B256::new(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_without_leaves_hashes_nothing() {
        assert_eq!(sha256(&[]), EMPTY_ROOT);
        assert_eq!(batch_root(&[]), EMPTY_ROOT);
    }

    #[test]
    fn leaves_and_nodes_are_told_apart() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let as_leaf = leaf_hash(&[a.as_slice(), b.as_slice()].concat());
        assert_ne!(node_hash(&a, &b), as_leaf);
        assert_ne!(node_hash(&a, &b), node_hash(&b, &a));
    }

    #[test]
    fn a_tree_is_split_at_the_greatest_power_of_two_below_its_size() {
        assert_eq!([2, 3, 4, 5, 8, 9, 1024].map(split), [1, 2, 2, 4, 4, 8, 512]);
    }
}
