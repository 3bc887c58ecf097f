//! Roots and proofs of this crate against `ct-merkle`, an independent implementation of RFC 6962.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use alloy_primitives::B256;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use peruri_plog::{
    EMPTY_ROOT, Frontier, TreeNodes,
    hash::leaf_hash,
    proof::{consistency_proof, inclusion_proof, root_at, verify_consistency, verify_inclusion},
};
use proptest::{prelude::*, sample::Index};
use sha2::Sha256;
use std::convert::Infallible;

/// Both trees over the same leaves.
struct Pair {
    theirs: MemoryBackedTree<Sha256, [u8; 8]>,
    frontier: Frontier,
    levels: Vec<Vec<B256>>,
    roots: Vec<B256>,
}

impl TreeNodes for Pair {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<B256, Infallible> {
        Ok(self.levels[usize::from(level)][usize::try_from(index).unwrap()])
    }
}

impl Pair {
    fn new() -> Self {
        let theirs = MemoryBackedTree::new();
        let (levels, roots) = (vec![Vec::new(); 64], vec![EMPTY_ROOT]);
        Self { theirs, frontier: Frontier::new(), levels, roots }
    }

    fn size(&self) -> u64 {
        self.frontier.size()
    }

    fn grow(&mut self, size: u64) {
        while self.size() < size {
            let leaf = self.size().to_be_bytes();
            self.theirs.push(leaf);
            let levels = &mut self.levels;
            let keep = |level: u8, index, node| {
                let nodes = &mut levels[usize::from(level)];
                assert_eq!(u64::try_from(nodes.len()), Ok(index));
                nodes.push(node);
            };
            self.frontier.append(leaf_hash(&leaf), keep).unwrap();
            self.roots.push(self.frontier.root());
        }
    }

    fn root(&self) -> B256 {
        B256::from_slice(self.theirs.root().as_bytes())
    }

    fn check_root(&self) {
        assert_eq!(self.frontier.root(), self.root(), "{}", self.size());
        assert_eq!(root_at(self, self.size()), Ok(self.root()));
    }

    fn check_inclusion(&self, index: u64) {
        let size = self.size();
        let path = inclusion_proof(self, index, size).unwrap();
        let theirs = self.theirs.prove_inclusion(usize::try_from(index).unwrap());
        assert_eq!(path.concat(), theirs.as_bytes(), "{index} of {size}");
        let leaf = leaf_hash(&index.to_be_bytes());
        assert_eq!(verify_inclusion(&leaf, index, size, &self.root(), &path), Ok(()));
    }

    fn check_consistency(&self, first: u64) {
        let size = self.size();
        let path = consistency_proof(self, first, size).unwrap();
        let added = usize::try_from(size - first).unwrap();
        assert_eq!(
            path.concat(),
            self.theirs.prove_consistency(added).as_bytes(),
            "{first} {size}"
        );
        let first_root = self.roots[usize::try_from(first).unwrap()];
        assert_eq!(verify_consistency(first, &first_root, size, &self.root(), &path), Ok(()));
    }
}

/// Every size up to 2,000; every leaf and every earlier size up to 130, above that some of them.
#[test]
fn small_trees_are_those_of_ct_merkle() {
    let mut pair = Pair::new();
    pair.check_root();
    for size in 1..=2000 {
        pair.grow(size);
        pair.check_root();
        let step = if size <= 130 { 1 } else { 1 + size / 11 };
        let some = (0..size).step_by(usize::try_from(step).unwrap());
        for at in some.chain([size - 1, size / 2]) {
            pair.check_inclusion(at);
            if at > 0 {
                pair.check_consistency(at);
            }
        }
    }
}

proptest! {
    // One tree grows through all sizes of a case.
    #![proptest_config(ProptestConfig { cases: 1, ..ProptestConfig::default() })]

    #[test]
    fn large_trees_are_those_of_ct_merkle(
        mut sizes in proptest::collection::vec(2001u64..1_000_000, 60),
        places in proptest::collection::vec(any::<Index>(), 20),
    ) {
        sizes.push(1_000_000);
        sizes.sort_unstable();
        let mut pair = Pair::new();
        for size in sizes {
            pair.grow(size);
            pair.check_root();
            for place in &places {
                let at = u64::try_from(place.index(usize::try_from(size).unwrap())).unwrap();
                pair.check_inclusion(at);
                pair.check_consistency(at.max(1));
            }
        }
    }
}
