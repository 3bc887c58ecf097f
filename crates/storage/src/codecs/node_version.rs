//! Rows of `trie_versions`: a stored branch as it was before a block.
//!
//! A block changes few of a node's hashes, so a row holds those alone, against the node after the
//! block, which is in the next newer row or is the current node. Every [`WHOLE_EVERY`]th block writes
//! whole nodes, which bounds how many rows a reader goes through.
//!
//! | first byte | rest |
//! |---|---|
//! | (empty row) | there was no node |
//! | 0 | the node |
//! | 1 | the masks and the root hash, if any, of the node; which hashes follow; these hashes |

use std::sync::Arc;

use alloy_primitives::B256;
use peruri_trie::{StoredBranch, TrieMask};

use super::{
    node::{self, decode_masks, encode_masks},
    reader::Reader,
};
use crate::{ProviderError, ProviderResult};

/// Blocks whose number is a multiple of this write whole nodes.
const WHOLE_EVERY: u64 = 64;

const WHOLE: u8 = 0;
const CHANGED: u8 = 1;

/// A node before a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NodeVersion {
    /// There was none.
    Absent,
    /// All of it.
    Whole(StoredBranch),
    /// What differs from the node after the block.
    Changed(ChangedBranch),
}

/// The hashes of a node that a block changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangedBranch {
    /// Masks and root hash; the hashes are those that differ.
    masks: StoredBranch,
    /// Digits of the hashes that are here.
    here: TrieMask,
}

/// Encodes the row of a path that block `number` changed from `before` to `after`.
pub(crate) fn encode(
    before: Option<&StoredBranch>,
    after: Option<&StoredBranch>,
    number: u64,
) -> Vec<u8> {
    match (before, after) {
        (None, _) => Vec::new(),
        (Some(before), Some(after)) if !number.is_multiple_of(WHOLE_EVERY) => {
            encode_changed(before, after)
        }
        (Some(before), _) => {
            let mut out = vec![WHOLE];
            node::encode_to(before, &mut out);
            out
        }
    }
}

fn encode_changed(before: &StoredBranch, after: &StoredBranch) -> Vec<u8> {
    let mut here = TrieMask::default();
    let mut hashes = Vec::with_capacity(before.hashes.len());
    for digit in before.hash_mask.iter() {
        let hash = before.hash_of(digit);
        if hash != after.hash_of(digit) {
            here.set_bit(digit);
            hashes.extend(hash);
        }
    }
    let mut out = Vec::with_capacity(14 + 32 * (hashes.len() + 1));
    out.push(CHANGED);
    encode_masks(before, &mut out);
    out.push(u8::from(before.root_hash.is_some()));
    out.extend_from_slice(&here.get().to_be_bytes());
    for hash in before.root_hash.iter().chain(&hashes) {
        out.extend_from_slice(hash.as_slice());
    }
    out
}

/// Decodes a row.
pub(crate) fn decode(column: &'static str, bytes: &[u8]) -> ProviderResult<NodeVersion> {
    let Some((kind, bytes)) = bytes.split_first() else { return Ok(NodeVersion::Absent) };
    match *kind {
        WHOLE => node::decode(column, bytes).map(NodeVersion::Whole),
        CHANGED => decode_changed(column, bytes).map(NodeVersion::Changed),
        _ => Err(ProviderError::codec(column, "unknown kind of node version")),
    }
}

fn decode_changed(column: &'static str, bytes: &[u8]) -> ProviderResult<ChangedBranch> {
    let mut reader = Reader::new(column, bytes);
    let mut masks = decode_masks(&mut reader)?;
    let has_root = reader.u8()?;
    let here = TrieMask::new(reader.u16()?);
    let rest = reader.rest();
    let mut hashes = rest.chunks_exact(32).map(B256::from_slice);
    masks.root_hash = if has_root == 1 { hashes.next() } else { None };
    masks.hashes = hashes.collect();
    let complete = rest.len().is_multiple_of(32)
        && has_root <= 1
        && masks.root_hash.is_some() == (has_root == 1)
        && masks.hashes.len() == usize::from(here.count_bits())
        && here.is_subset_of(masks.hash_mask);
    if complete {
        Ok(ChangedBranch { masks, here })
    } else {
        Err(ProviderError::codec(column, "node version has impossible masks or length"))
    }
}

impl ChangedBranch {
    /// The node before the block, given the one after it; `None` if they do not fit.
    pub(crate) fn before(&self, after: &StoredBranch) -> Option<StoredBranch> {
        let mut changed = self.masks.hashes.iter().copied();
        let hashes = self.masks.hash_mask.iter().map(|digit| {
            if self.here.is_bit_set(digit) { changed.next() } else { after.hash_of(digit) }
        });
        let hashes: Arc<[B256]> = hashes.collect::<Option<_>>()?;
        Some(StoredBranch { hashes, ..self.masks.clone() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn branch() -> impl Strategy<Value = StoredBranch> {
        let hashes = proptest::collection::vec(0u8..3, 16);
        (any::<[u16; 5]>(), hashes, any::<Option<u8>>()).prop_map(|(masks, hashes, root)| {
            let [state, tree, branch, leaf, hash] = masks;
            let hash = hash & state;
            StoredBranch {
                state_mask: TrieMask::new(state),
                tree_mask: TrieMask::new(tree & state),
                branch_mask: TrieMask::new(branch & hash),
                leaf_mask: TrieMask::new(leaf & state & !tree & !(branch & hash)),
                hash_mask: TrieMask::new(hash),
                hashes: (0..hash.count_ones())
                    .map(|i| B256::repeat_byte(hashes[i as usize]))
                    .collect(),
                root_hash: root.map(B256::repeat_byte),
            }
        })
    }

    proptest! {
        #[test]
        fn the_node_before_is_found_again(
            before in proptest::option::of(branch()),
            after in proptest::option::of(branch()),
            number in 0u64..130,
        ) {
            let row = encode(before.as_ref(), after.as_ref(), number);
            let found = match decode("test", &row).unwrap() {
                NodeVersion::Absent => None,
                NodeVersion::Whole(node) => Some(node),
                NodeVersion::Changed(changed) => {
                    prop_assert!(!number.is_multiple_of(WHOLE_EVERY));
                    Some(changed.before(&after.expect("a change leads somewhere")).unwrap())
                }
            };
            prop_assert_eq!(found, before);
            if !row.is_empty() {
                prop_assert!(decode("test", &row[..row.len() - 1]).is_err() || row.len() == 1);
            }
        }

        #[test]
        fn junk_never_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..600), after in branch(),
        ) {
            if let Ok(NodeVersion::Changed(changed)) = decode("test", &bytes) {
                let _ = changed.before(&after);
            }
        }
    }
}
