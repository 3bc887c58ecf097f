//! A walk down a Merkle Patricia trie along a proof.
//!
//! `alloy_trie::proof::verify_proof` does the same for proofs of well-formed tries, but panics on
//! paths of more than 64 nibbles, which a forged state root can have; and what a verifier reads is
//! the forger's. The nodes are decoded by that crate.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::{
    Nibbles,
    nodes::{RlpNode, TrieNode},
};

/// The value of `key`, which is hashed here, in the trie with this root. `proof` holds the nodes on
/// the way, root first, and no other.
pub(super) fn value_at(root: B256, key: &[u8], proof: &[Bytes]) -> Result<Vec<u8>, TrieError> {
    let key = Nibbles::unpack(keccak256(key));
    let mut nodes = proof.iter().enumerate();
    let mut next = RlpNode::word_rlp(&root);
    let mut depth = 0usize;
    loop {
        let node = match next.as_hash() {
            Some(hash) => {
                let (at, node) = nodes.next().ok_or(TrieError::Short)?;
                if keccak256(node) != hash {
                    return Err(TrieError::Hash { at });
                }
                decode(node)?
            }
            // A node of less than 32 bytes stands in its parent.
            None => decode(&next)?,
        };
        let rest = key.slice(depth..);
        match node {
            TrieNode::EmptyRoot => return Err(TrieError::Absent),
            TrieNode::Branch(branch) => {
                let nibble = rest.get(0).ok_or(TrieError::Absent)?;
                let branch = branch.as_ref();
                let (_, child) = branch
                    .children()
                    .find(|(index, _)| *index == nibble)
                    .ok_or(TrieError::Absent)?;
                next = child.ok_or(TrieError::Absent)?.clone();
                depth = depth.saturating_add(1);
            }
            TrieNode::Extension(extension) => {
                if !rest.starts_with(&extension.key) {
                    return Err(TrieError::Absent);
                }
                depth = depth.saturating_add(extension.key.len());
                next = extension.child;
            }
            TrieNode::Leaf(leaf) if leaf.key == rest => {
                return match nodes.len() {
                    0 => Ok(leaf.value),
                    count => Err(TrieError::Unused { count }),
                };
            }
            TrieNode::Leaf(_) => return Err(TrieError::Absent),
        }
    }
}

fn decode(mut bytes: &[u8]) -> Result<TrieNode, TrieError> {
    let node = alloy_rlp::Decodable::decode(&mut bytes).map_err(TrieError::Node)?;
    if bytes.is_empty() {
        Ok(node)
    } else {
        Err(TrieError::Node(alloy_rlp::Error::UnexpectedLength))
    }
}

/// Why a proof shows no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TrieError {
    #[error("the proof ends before the value")]
    Short,
    #[error("node {at} of the proof is not the one that its parent, or the root, names")]
    Hash { at: usize },
    #[error("a node of the proof is malformed: {0}")]
    Node(alloy_rlp::Error),
    #[error("the proof shows that there is no such value")]
    Absent,
    #[error("{count} nodes of the proof are not used")]
    Unused { count: usize },
}

impl TrieError {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Short => "SHORT",
            Self::Hash { .. } => "PROOF",
            Self::Node(_) => "NODE",
            Self::Absent => "ABSENT",
            Self::Unused { .. } => "UNUSED",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_trie::{
        HashBuilder, TrieMask,
        nodes::{BranchNode, ExtensionNode, LeafNode},
        proof::ProofRetainer,
    };
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Root, and the proof of each key.
    fn build(values: &BTreeMap<u16, Vec<u8>>) -> (B256, BTreeMap<u16, Vec<Bytes>>) {
        let hashed: BTreeMap<_, _> = values
            .iter()
            .map(|(key, value)| (Nibbles::unpack(keccak256(key.to_be_bytes())), (key, value)))
            .collect();
        let retainer = ProofRetainer::new(hashed.keys().copied().collect());
        let mut builder = HashBuilder::default().with_proof_retainer(retainer);
        for (path, (_, value)) in &hashed {
            builder.add_leaf(*path, value);
        }
        let root = builder.root();
        let nodes = builder.take_proof_nodes();
        let proof = |path: &Nibbles| {
            nodes.matching_nodes_sorted(path).into_iter().map(|(_, node)| node).collect()
        };
        (root, hashed.iter().map(|(path, (key, _))| (**key, proof(path))).collect())
    }

    proptest! {
        #[test]
        fn values_of_a_trie_are_found_and_others_are_not(
            values in proptest::collection::btree_map(
                any::<u16>(),
                proptest::collection::vec(1u8..0x80, 1..40),
                1..200,
            ),
            absent in any::<u16>(),
        ) {
            let (root, proofs) = build(&values);
            for (key, value) in &values {
                let key_bytes = key.to_be_bytes();
                let proof = &proofs[key];
                prop_assert_eq!(&value_at(root, &key_bytes, proof), &Ok(value.clone()));
                let longer = [proof.as_slice(), &[Bytes::new()]].concat();
                prop_assert_eq!(
                    value_at(root, &key_bytes, &longer),
                    Err(TrieError::Unused { count: 1 })
                );
                let shorter = &proof[..proof.len() - 1];
                prop_assert_eq!(value_at(root, &key_bytes, shorter), Err(TrieError::Short));
                if !values.contains_key(&absent) {
                    let found = value_at(root, &absent.to_be_bytes(), proof);
                    prop_assert!(found.is_err());
                }
            }
        }

        #[test]
        fn nodes_of_a_forger_never_panic(
            nodes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..4),
        ) {
            let proof: Vec<Bytes> = nodes.into_iter().map(Bytes::from).collect();
            prop_assert!(value_at(keccak256(&proof[0]), b"key", &proof).is_err());
        }
    }

    /// A branch over a leaf whose path has all 64 nibbles: 65 in all.
    #[test]
    fn a_path_that_is_too_long_is_no_value() {
        let key = Nibbles::unpack(keccak256(b"key"));
        let leaf = LeafNode::new(key, vec![1]);
        let leaf = Bytes::from(alloy_rlp::encode(leaf));
        let mask = TrieMask::new(1 << key.get(0).unwrap());
        let branch = BranchNode::new(vec![RlpNode::from_rlp(&leaf)], mask);
        let branch = Bytes::from(alloy_rlp::encode(branch));
        let proof = [branch.clone(), leaf];
        assert_eq!(value_at(keccak256(&branch), b"key", &proof), Err(TrieError::Absent));
    }

    /// Extensions may not lead in circles, nor past the end of the key.
    #[test]
    fn a_path_of_extensions_ends_with_the_key() {
        let key = Nibbles::unpack(keccak256(b"key"));
        let branch = BranchNode::new(vec![RlpNode::word_rlp(&B256::ZERO)], TrieMask::new(1));
        let branch = Bytes::from(alloy_rlp::encode(branch));
        let extension = ExtensionNode::new(key, RlpNode::from_rlp(&branch));
        let extension = Bytes::from(alloy_rlp::encode(extension));
        let proof = [extension.clone(), branch];
        assert_eq!(value_at(keccak256(&extension), b"key", &proof), Err(TrieError::Absent));
    }

    #[test]
    fn an_empty_trie_has_no_value() {
        let empty = [Bytes::from_static(&[0x80])];
        let found = value_at(alloy_trie::EMPTY_ROOT_HASH, b"key", &empty);
        assert_eq!(found, Err(TrieError::Absent));
        assert_eq!(value_at(alloy_trie::EMPTY_ROOT_HASH, b"key", &[]), Err(TrieError::Short));
    }
}
