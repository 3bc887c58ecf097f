//! State root, stored trie nodes and proofs over flat state.
//!
//! State lives in flat tables keyed by hash; of the Merkle Patricia trie (Yellow Paper, appendix D)
//! only branch nodes are stored, and of those only the ones that save reading leaves. A root is
//! computed by walking the stored branches: what no changed key lies under is taken from a cached
//! hash, the rest is rebuilt from flat rows.
//!
//! # Which branches are stored
//! A [`StoredBranch`] says which children exist (*state*), which of them are branches directly
//! below (*branch*), at or below which ones a node is stored (*tree*), and the hashes of all of
//! them. A branch is stored when its tree or branch mask is not empty, as in Reth; a branch of
//! leaves alone is not, its hash is kept one level up. The root (empty path) is stored whenever it is a branch, so that a walk with one change
//! reads one path instead of sixteen subtrees, and it carries the root hash.
//!
//! # Parts
//! - [`HashedPostState`]: what blocks changed, keyed by hash; stackable.
//! - [`TrieCursorFactory`], [`HashedCursorFactory`]: how a store is read; [`OverlayTrieCursors`] and
//!   [`OverlayHashedCursors`] put unwritten changes on top.
//! - [`StateRoot`], [`ParallelStateRoot`]: root and node changes of a block; the same result.
//! - [`Rebuild`]: root and all nodes from flat rows alone, for genesis and for checks.
//! - [`Proof`]: account and storage proofs (EIP-1186).

#![forbid(unsafe_code)]

mod account;
mod builder;
mod cursor;
mod error;
mod hashed_state;
mod leaves;
mod node;
mod overlay;
mod packed;
mod prefix_set;
mod proof;
mod rebuild;
mod root;
mod stack;
mod stored;
#[cfg(any(test, feature = "test-utils"))]
pub mod test_utils;
mod updates;
mod walker;

pub use account::TrieAccountRow;
pub use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY, Nibbles, TrieMask};
pub use cursor::{
    Change, HashedCursor, HashedCursorFactory, HashedStorageCursor, TrieCursor, TrieCursorFactory,
};
pub use error::TrieError;
pub use hashed_state::{
    AccountChange, HashedPostState, HashedPostStateSorted, HashedStorage, HashedStorageSorted,
};
pub use overlay::{
    OverlayHashedCursor, OverlayHashedCursors, OverlayTrieCursor, OverlayTrieCursors, RowChange,
};
pub use packed::{PACKED_PATH_LEN, PackedPath, pack_path, unpack_path};
pub use prefix_set::{PrefixSet, TriePrefixSets};
pub use proof::{AccountProof, Proof, StorageProof};
pub use rebuild::{Rebuild, RebuildSink};
pub use root::{ParallelStateRoot, StateRoot};
pub use stored::{StoredBranch, StoredNode};
pub use updates::{ChangedNodes, ReplacedNodes, StateRootOutput, StorageTrieUpdates, TrieUpdates};
