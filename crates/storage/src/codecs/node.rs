//! Branch node rows: three masks of 16 bits, the root hash if the node has one, the child hashes.

use alloy_primitives::B256;
use alloy_trie::{BranchNodeCompact, TrieMask};

use super::reader::Reader;
use crate::{ProviderError, ProviderResult};

/// Encodes a branch node. Never empty: an empty `trie_versions` row means "no node".
pub(crate) fn encode(node: &BranchNodeCompact) -> Vec<u8> {
    let mut out = Vec::with_capacity(6 + 32 * (node.hashes.len() + 1));
    for mask in [node.state_mask, node.tree_mask, node.hash_mask] {
        out.extend_from_slice(&mask.get().to_be_bytes());
    }
    for hash in node.root_hash.iter().chain(node.hashes.iter()) {
        out.extend_from_slice(hash.as_slice());
    }
    out
}

/// Decodes a branch node.
pub(crate) fn decode(column: &'static str, bytes: &[u8]) -> ProviderResult<BranchNodeCompact> {
    let mut reader = Reader::new(column, bytes);
    let state_mask = TrieMask::new(reader.u16()?);
    let tree_mask = TrieMask::new(reader.u16()?);
    let hash_mask = TrieMask::new(reader.u16()?);
    let subset = |mask: TrieMask| mask.get() & !state_mask.get() == 0;
    let expected = hash_mask.count_ones() as usize;
    let rest = reader.rest();
    let found = rest.len() / 32;
    if !subset(tree_mask)
        || !subset(hash_mask)
        || !rest.len().is_multiple_of(32)
        || (found != expected && found != expected + 1)
    {
        return Err(ProviderError::codec(column, "branch node has impossible masks or length"));
    }
    let mut hashes = rest.chunks_exact(32).map(B256::from_slice);
    let root_hash = if found > expected { hashes.next() } else { None };
    let hashes: Vec<B256> = hashes.collect();
    Ok(BranchNodeCompact::new(state_mask, tree_mask, hash_mask, hashes, root_hash))
}

/// Decodes a `trie_versions` row, which is empty where there was no node.
pub(crate) fn decode_version(
    column: &'static str,
    bytes: &[u8],
) -> ProviderResult<Option<BranchNodeCompact>> {
    if bytes.is_empty() { Ok(None) } else { decode(column, bytes).map(Some) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nodes_round_trip(state: u16, tree: u16, hash: u16, root: Option<[u8; 32]>) {
            let hash = hash & state;
            let hashes: Vec<B256> =
                (0..hash.count_ones()).map(|i| B256::repeat_byte(i as u8)).collect();
            let node = BranchNodeCompact::new(state, tree & state, hash, hashes, root.map(B256::new));
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
