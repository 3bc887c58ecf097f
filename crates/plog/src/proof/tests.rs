#![allow(clippy::unwrap_used)]

use super::*;
use crate::{EMPTY_ROOT, Frontier, batch_root, leaf_hash};
use alloy_primitives::B256;
use std::{cell::Cell, collections::BTreeMap};

/// All nodes of a tree, and how many were read.
#[derive(Default)]
struct Store {
    nodes: BTreeMap<(u8, u64), B256>,
    leaves: Vec<B256>,
    reads: Cell<usize>,
}

impl Store {
    fn new(size: u64) -> Self {
        let mut store = Self::default();
        let mut frontier = Frontier::new();
        for index in 0..size {
            let leaf = leaf_hash(&index.to_be_bytes());
            store.leaves.push(leaf);
            let completed = |level, index, node| {
                assert_eq!(store.nodes.insert((level, index), node), None);
            };
            frontier.append(leaf, completed).unwrap();
        }
        store
    }

    fn root(&self, size: u64) -> B256 {
        batch_root(&self.leaves[..usize::try_from(size).unwrap()])
    }

    fn leaf(&self, index: u64) -> &B256 {
        &self.leaves[usize::try_from(index).unwrap()]
    }
}

impl TreeNodes for Store {
    type Error = (u8, u64);

    fn node(&self, level: u8, index: u64) -> Result<B256, (u8, u64)> {
        self.reads.set(self.reads.get() + 1);
        self.nodes.get(&(level, index)).copied().ok_or((level, index))
    }
}

#[test]
fn every_leaf_is_proven_at_every_size() {
    let store = Store::new(70);
    for size in 0..=70 {
        assert_eq!(root_at(&store, size), Ok(store.root(size)));
        for index in 0..size {
            let path = inclusion_proof(&store, index, size).unwrap();
            let root = store.root(size);
            assert_eq!(verify_inclusion(store.leaf(index), index, size, &root, &path), Ok(()));
            // Another place in the tree needs another path or leads to another root.
            let other = (index + 1) % size;
            if other != index {
                assert!(verify_inclusion(store.leaf(index), other, size, &root, &path).is_err());
            }
        }
    }
}

#[test]
fn every_tree_extends_every_earlier_one() {
    let store = Store::new(70);
    for second in 0..=70 {
        for first in 0..=second {
            let path = consistency_proof(&store, first, second).unwrap();
            let roots = (store.root(first), store.root(second));
            let check = |path: &[B256]| verify_consistency(first, &roots.0, second, &roots.1, path);
            assert_eq!(check(&path), Ok(()), "{first} {second}");
            let longer = [path.as_slice(), &[B256::ZERO]].concat();
            assert_eq!(check(&longer), Err(ProofError::Length), "{first} {second}");
            if let Some((_, shorter)) = path.split_last() {
                assert_eq!(check(shorter), Err(ProofError::Length), "{first} {second}");
            }
            for at in 0..path.len() {
                let mut wrong = path.clone();
                wrong[at].0[31] ^= 1;
                assert!(matches!(check(&wrong), Err(ProofError::Root { .. })));
            }
        }
    }
}

#[test]
fn proofs_read_few_nodes() {
    let store = Store::new(5000);
    let reads = |make: &dyn Fn()| {
        store.reads.set(0);
        make();
        store.reads.get()
    };
    for size in [4096u64, 4095, 4999, 5000] {
        let bound = 2 * usize::try_from(size.ilog2()).unwrap() + 2;
        for index in [0, 1, size / 2, size - 2, size - 1] {
            assert!(reads(&|| drop(inclusion_proof(&store, index, size).unwrap())) <= bound);
            assert!(reads(&|| drop(consistency_proof(&store, index, size).unwrap())) <= bound);
        }
    }
}

#[test]
fn a_path_has_exactly_its_length() {
    let store = Store::new(11);
    let root = store.root(11);
    for index in 0..11 {
        let path = inclusion_proof(&store, index, 11).unwrap();
        let check = |path: &[B256]| verify_inclusion(store.leaf(index), index, 11, &root, path);
        let longer = [path.as_slice(), &[B256::ZERO]].concat();
        assert_eq!(check(&longer), Err(ProofError::Length));
        assert_eq!(check(&path[1..]), Err(ProofError::Length));
        assert_eq!(check(&[]), Err(ProofError::Length));
    }
}

#[test]
fn edges_of_inclusion() {
    let leaf = leaf_hash(b"one");
    assert_eq!(verify_inclusion(&leaf, 0, 1, &leaf, &[]), Ok(()));
    let root = ProofError::Root { expected: EMPTY_ROOT, got: leaf };
    assert_eq!(verify_inclusion(&leaf, 0, 1, &EMPTY_ROOT, &[]), Err(root));
    let index = ProofError::Index { index: 0, size: 0 };
    assert_eq!(verify_inclusion(&leaf, 0, 0, &EMPTY_ROOT, &[]), Err(index));
    assert_eq!(verify_inclusion(&leaf, 0, 1, &leaf, &[leaf]), Err(ProofError::Length));
    let node = crate::node_hash(&leaf, &leaf);
    assert!(verify_inclusion(&leaf, u64::MAX - 1, u64::MAX, &node, &[leaf; 64]).is_err());
}

#[test]
fn edges_of_consistency() {
    let (a, b) = (B256::repeat_byte(1), B256::repeat_byte(2));
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 0, &EMPTY_ROOT, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 9, &a, &[]), Ok(()));
    assert_eq!(verify_consistency(9, &a, 9, &a, &[]), Ok(()));
    assert!(verify_consistency(0, &a, 9, &a, &[]).is_err());
    assert!(verify_consistency(0, &a, 0, &a, &[]).is_err());
    assert!(verify_consistency(0, &EMPTY_ROOT, 0, &a, &[]).is_err());
    assert!(verify_consistency(9, &a, 9, &b, &[]).is_err());
    assert_eq!(verify_consistency(9, &a, 9, &a, &[a]), Err(ProofError::Length));
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 9, &a, &[a]), Err(ProofError::Length));
    let order = ProofError::Order { first: 9, second: 8 };
    assert_eq!(verify_consistency(9, &a, 8, &a, &[]), Err(order));
    assert_eq!(verify_consistency(3, &a, 9, &b, &[]), Err(ProofError::Length));
    assert_eq!(verify_consistency(4, &a, 9, &b, &[]), Err(ProofError::Length));
}

#[test]
fn what_is_not_there_is_an_error() {
    let mut store = Store::new(8);
    let range = |got, below| Err(MakeProofError::OutOfRange { got, below });
    assert_eq!(inclusion_proof(&store, 8, 8), range(8, 8));
    assert_eq!(inclusion_proof(&store, 0, 0), range(0, 0));
    assert_eq!(consistency_proof(&store, 9, 8), range(9, 9));
    store.nodes.remove(&(2, 1));
    assert_eq!(inclusion_proof(&store, 0, 8), Err(MakeProofError::Nodes((2, 1))));
    assert_eq!(root_at(&store, 9), Err((0, 8)));
}
