//! Errors of the root computation.

use alloy_primitives::B256;
use alloy_trie::Nibbles;
use std::error::Error;

/// Why a root or proof could not be computed. All but [`Cursor`](Self::Cursor) mean that the store
/// contradicts itself: its nodes have to be rebuilt from the flat rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrieError<E: Error + 'static> {
    /// The store could not be read.
    #[error("cannot read the store: {0}")]
    Cursor(#[from] E),
    /// A cursor returned rows out of order.
    #[error("flat rows out of order: expected a key above {previous}, got {got}")]
    UnorderedRows {
        /// The key that came before, or that was sought.
        previous: B256,
        /// The key that came.
        got: B256,
    },
    /// A stored branch says that a node is stored below it, but there is none.
    #[error("expected a stored node at or below {prefix:?}, got {got:?}")]
    MissingNode {
        /// Where a node has to be.
        prefix: Nibbles,
        /// The next stored node.
        got: Option<Nibbles>,
    },
    /// The masks and hashes of a stored branch do not fit each other.
    #[error("stored node {path:?} is malformed: {expected} hashes expected, got {got}")]
    MalformedNode {
        /// Path of the node.
        path: Nibbles,
        /// Number of hashes by its mask.
        expected: usize,
        /// Number of hashes it has.
        got: usize,
    },
}
