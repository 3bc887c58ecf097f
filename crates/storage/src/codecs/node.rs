//! Branch node rows: five masks of 16 bits, the root hash if the node has one, the child hashes.

use alloy_primitives::B256;
use peruri_trie::{StoredBranch, TrieMask};

use super::reader::Reader;
use crate::{ProviderError, ProviderResult};

/// Encodes a branch node.
pub(crate) fn encode(node: &StoredBranch) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + 32 * (node.hashes.len() + 1));
    encode_to(node, &mut out);
    out
}

/// Appends the encoding of a branch node.
pub(crate) fn encode_to(node: &StoredBranch, out: &mut Vec<u8>) {
    encode_masks(node, out);
    for hash in node.root_hash.iter().chain(node.hashes.iter()) {
        out.extend_from_slice(hash.as_slice());
    }
}

/// Appends the masks of a branch node.
pub(super) fn encode_masks(node: &StoredBranch, out: &mut Vec<u8>) {
    let StoredBranch { state_mask, tree_mask, branch_mask, leaf_mask, hash_mask, .. } = node;
    for mask in [state_mask, tree_mask, branch_mask, leaf_mask, hash_mask] {
        out.extend_from_slice(&mask.get().to_be_bytes());
    }
}

/// Reads masks into a branch node without hashes.
pub(super) fn decode_masks(reader: &mut Reader<'_>) -> ProviderResult<StoredBranch> {
    Ok(StoredBranch {
        state_mask: TrieMask::new(reader.u16()?),
        tree_mask: TrieMask::new(reader.u16()?),
        branch_mask: TrieMask::new(reader.u16()?),
        leaf_mask: TrieMask::new(reader.u16()?),
        hash_mask: TrieMask::new(reader.u16()?),
        ..StoredBranch::default()
    })
}

/// Decodes a branch node.
pub(crate) fn decode(column: &'static str, bytes: &[u8]) -> ProviderResult<StoredBranch> {
    let mut reader = Reader::new(column, bytes);
    let mut node = decode_masks(&mut reader)?;
    let rest = reader.rest();
    let mut hashes = rest.chunks_exact(32).map(B256::from_slice);
    let has_root = rest.len() / 32 > usize::from(node.hash_mask.count_bits());
    node.root_hash = if has_root { hashes.next() } else { None };
    node.hashes = hashes.collect();
    if !rest.len().is_multiple_of(32) || !node.is_consistent() {
        return Err(ProviderError::codec(column, "branch node has impossible masks or length"));
    }
    Ok(node)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nodes_round_trip(masks: [u16; 5], root: Option<[u8; 32]>) {
            let [state, tree, branch, leaf, hash] = masks;
            let hash = hash & state;
            let node = StoredBranch {
                state_mask: TrieMask::new(state),
                tree_mask: TrieMask::new(tree & state),
                branch_mask: TrieMask::new(branch & hash),
                leaf_mask: TrieMask::new(leaf & state & !tree & !(branch & hash)),
                hash_mask: TrieMask::new(hash),
                hashes: (0..hash.count_ones()).map(|i| B256::repeat_byte(i as u8)).collect(),
                root_hash: root.map(B256::new),
            };
            let bytes = encode(&node);
            prop_assert_eq!(decode("test", &bytes).ok(), Some(node));
            prop_assert!(decode("test", &bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn junk_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = decode("test", &bytes);
        }
    }
}
