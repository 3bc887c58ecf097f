//! Making proofs from the nodes of complete subtrees.

use crate::hash::{EMPTY_ROOT, node_hash};
use alloy_primitives::B256;

/// The nodes of a log's complete subtrees, as [`Frontier::append`](crate::Frontier::append) hands
/// them out. They never change, so proofs at past sizes come from the same store.
pub trait TreeNodes {
    /// What can go wrong when a node is read.
    type Error;

    /// Root of the complete subtree over the leaves `index << level` to `(index + 1) << level`
    /// exclusive. Level 0 holds the leaf hashes.
    ///
    /// # Errors
    /// If the node cannot be read or is not there.
    fn node(&self, level: u8, index: u64) -> Result<B256, Self::Error>;
}

impl<T: TreeNodes + ?Sized> TreeNodes for &T {
    type Error = T::Error;

    fn node(&self, level: u8, index: u64) -> Result<B256, T::Error> {
        (**self).node(level, index)
    }
}

/// Root of the tree of the first `size` leaves.
///
/// # Errors
/// The first error of `nodes`.
pub fn root_at<T: TreeNodes>(nodes: &T, size: u64) -> Result<B256, T::Error> {
    Range { start: 0, end: size }.root(nodes)
}

/// The path from leaf `index` to the root of the tree of `size` leaves, leaf to root (`PATH` of
/// RFC 9162 §2.1.3.1).
///
/// # Errors
/// [`MakeProofError::OutOfRange`] if there is no such leaf, else the first error of `nodes`.
pub fn inclusion_proof<T: TreeNodes>(
    nodes: &T,
    index: u64,
    size: u64,
) -> Result<Vec<B256>, MakeProofError<T::Error>> {
    if index >= size {
        return Err(MakeProofError::OutOfRange { got: index, below: size });
    }
    let mut path = Vec::new();
    let mut range = Range { start: 0, end: size };
    while let Some((left, right)) = range.split() {
        let sibling;
        (range, sibling) = if index < right.start { (left, right) } else { (right, left) };
        path.push(sibling.root(nodes)?);
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `second` leaves begins with that of `first` leaves (`PROOF` of RFC
/// 9162 §2.1.4.1). Empty for `first` 0 and for equal sizes.
///
/// # Errors
/// [`MakeProofError::OutOfRange`] if `first` is above `second`, else the first error of `nodes`.
pub fn consistency_proof<T: TreeNodes>(
    nodes: &T,
    first: u64,
    second: u64,
) -> Result<Vec<B256>, MakeProofError<T::Error>> {
    if first > second {
        return Err(MakeProofError::OutOfRange { got: first, below: second.saturating_add(1) });
    }
    if first == 0 {
        return Ok(Vec::new());
    }
    let mut path = Vec::new();
    let mut range = Range { start: 0, end: second };
    while first != range.end {
        let Some((left, right)) = range.split() else { break };
        let sibling;
        (range, sibling) = if first <= right.start { (left, right) } else { (right, left) };
        path.push(sibling.root(nodes)?);
    }
    // Where the walk ends at the first tree itself, its root is known to whoever checks.
    if range.start != 0 {
        path.push(range.root(nodes)?);
    }
    path.reverse();
    Ok(path)
}

/// The leaves `start` to `end` exclusive; one of the ranges into which a tree is divided, so that
/// `start` is a multiple of the greatest power of two in the length.
#[derive(Clone, Copy)]
struct Range {
    start: u64,
    end: u64,
}

impl Range {
    const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Both children, divided after the greatest power of two below the length; none of a leaf.
    fn split(self) -> Option<(Self, Self)> {
        let middle = self.len().checked_sub(1)?.checked_ilog2()?;
        let middle = self.start.saturating_add(1 << middle);
        Some((Self { end: middle, ..self }, Self { start: middle, ..self }))
    }

    /// Root of the tree over these leaves: one read per set bit of the length.
    fn root<T: TreeNodes>(self, nodes: &T) -> Result<B256, T::Error> {
        let mut root = None;
        let mut end = self.end;
        for level in (0..64u8).filter(|level| (self.len() >> level) & 1 == 1) {
            end = end.saturating_sub(1 << level);
            let peak = nodes.node(level, end >> level)?;
            root = Some(root.map_or(peak, |root| node_hash(&peak, &root)));
        }
        Ok(root.unwrap_or(EMPTY_ROOT))
    }
}

/// Why a proof cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MakeProofError<E> {
    /// The index is not below the size, or the first size is above the second.
    #[error("{got} is not below {below}")]
    OutOfRange {
        /// The index or the first size.
        got: u64,
        /// One above the greatest that is possible.
        below: u64,
    },
    /// A node cannot be read.
    #[error(transparent)]
    Nodes(#[from] E),
}
