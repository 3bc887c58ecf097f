//! Checking proofs: the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2.

use crate::hash::{EMPTY_ROOT, node_hash};
use alloy_primitives::B256;

/// The root of a tree of `size` leaves that follows from a leaf hash, its index and its path.
///
/// # Errors
/// [`ProofError::Index`] and [`ProofError::Length`].
pub fn inclusion_root(
    leaf: &B256,
    index: u64,
    size: u64,
    path: &[B256],
) -> Result<B256, ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let mut walk = Walk { node: index, last: size.saturating_sub(1) };
    let mut root = *leaf;
    for sibling in path {
        root = match walk.up()? {
            Side::Left => node_hash(sibling, &root),
            Side::Right => node_hash(&root, sibling),
        };
    }
    walk.end()?;
    Ok(root)
}

/// Checks that `leaf` is the leaf hash at `index` of the tree with this `size` and `root`.
///
/// # Errors
/// Why it is not proven.
pub fn verify_inclusion(
    leaf: &B256,
    index: u64,
    size: u64,
    root: &B256,
    path: &[B256],
) -> Result<(), ProofError> {
    equal(inclusion_root(leaf, index, size, path)?, *root)
}

/// Checks that the tree of `second` leaves begins with that of `first` leaves.
///
/// From 0 this holds for the root of the empty tree and an empty path, whatever the second root
/// is; from n to n for equal roots and an empty path.
///
/// # Errors
/// Why it is not proven.
pub fn verify_consistency(
    first: u64,
    first_root: &B256,
    second: u64,
    second_root: &B256,
    path: &[B256],
) -> Result<(), ProofError> {
    if first > second {
        return Err(ProofError::Order { first, second });
    }
    if first == 0 {
        equal(*first_root, EMPTY_ROOT)?;
    }
    if first == second {
        equal(*first_root, *second_root)?;
    }
    if first == 0 || first == second {
        return if path.is_empty() { Ok(()) } else { Err(ProofError::Length) };
    }
    // A tree of 2^k leaves is itself the subtree that the proof begins with.
    let (seed, path) = match path.split_first() {
        _ if first.is_power_of_two() => (first_root, path),
        Some(split) => split,
        None => return Err(ProofError::Length),
    };
    let mut walk = Walk { node: first.saturating_sub(1), last: second.saturating_sub(1) };
    while walk.node & 1 == 1 {
        walk.shift();
    }
    let (mut old, mut new) = (*seed, *seed);
    for sibling in path {
        match walk.up()? {
            Side::Left => {
                old = node_hash(sibling, &old);
                new = node_hash(sibling, &new);
            }
            Side::Right => new = node_hash(&new, sibling),
        }
    }
    walk.end()?;
    equal(old, *first_root)?;
    equal(new, *second_root)
}

/// A node on its way to the root: its index in its level, and that level's last index (`fn` and
/// `sn` of RFC 9162).
struct Walk {
    node: u64,
    last: u64,
}

/// Where the sibling stands.
enum Side {
    Left,
    Right,
}

impl Walk {
    /// Goes up to the next node that has a sibling below it.
    fn up(&mut self) -> Result<Side, ProofError> {
        if self.last == 0 {
            return Err(ProofError::Length);
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a level may have no sibling: it stands for its parents until one has.
            while self.node & 1 == 0 && self.node != 0 {
                self.shift();
            }
            Side::Left
        } else {
            Side::Right
        };
        self.shift();
        Ok(side)
    }

    const fn shift(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    const fn end(&self) -> Result<(), ProofError> {
        if self.last == 0 { Ok(()) } else { Err(ProofError::Length) }
    }
}

fn equal(got: B256, expected: B256) -> Result<(), ProofError> {
    if got == expected { Ok(()) } else { Err(ProofError::Root { expected, got }) }
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The index is not below the size.
    #[error("index {index} is not below the size {size}")]
    Index {
        /// The index.
        index: u64,
        /// The size.
        size: u64,
    },
    /// The first size is above the second.
    #[error("the first size {first} is above the second, {second}")]
    Order {
        /// The first size.
        first: u64,
        /// The second size.
        second: u64,
    },
    /// The path is longer or shorter than index and size, or the two sizes, ask for.
    #[error("the path has not the length that these sizes ask for")]
    Length,
    /// The path leads to another root.
    #[error("the path leads to the root {got}, expected {expected}")]
    Root {
        /// The root that was to be reached.
        expected: B256,
        /// The root that was reached.
        got: B256,
    },
}
