//! C8: proofs of inclusion, made and checked beside `ct-merkle` with both trees in memory, and the
//! verification of a receipt.

#![allow(missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use alloy_primitives::B256;
use common::{INDEX, World, json};
use criterion::{Criterion, criterion_group, criterion_main};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use peruri_plog::{
    Frontier, TreeNodes, leaf_hash,
    proof::{inclusion_proof, verify_inclusion},
    verify,
};
use sha2::Sha256;
use std::{convert::Infallible, hint::black_box};

const LEAVES: u64 = 1_000_000;

/// The nodes of a tree, level by level.
struct Nodes(Vec<Vec<B256>>);

impl TreeNodes for Nodes {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<B256, Infallible> {
        Ok(self.0[usize::from(level)][index as usize])
    }
}

/// Indices that jump about.
fn indices() -> impl Iterator<Item = u64> {
    (0..LEAVES).cycle().map(|step| step.wrapping_mul(2_654_435_761) % LEAVES)
}

fn inclusion(criterion: &mut Criterion) {
    let mut nodes = Nodes(vec![Vec::new(); 64]);
    let (mut frontier, mut theirs) = (Frontier::new(), MemoryBackedTree::<Sha256, [u8; 8]>::new());
    for index in 0..LEAVES {
        let leaf = index.to_be_bytes();
        theirs.push(leaf);
        let keep = |level: u8, _, hash| nodes.0[usize::from(level)].push(hash);
        frontier.append(leaf_hash(&leaf), keep).expect("room");
    }
    let (root, their_root) = (frontier.root(), theirs.root());
    assert_eq!(their_root.as_bytes().as_slice(), root.as_slice());

    let mut group = criterion.benchmark_group("C8 inclusion proof at 1,000,000");
    let mut at = indices();
    let mut next = || at.next().expect("endless");
    group.bench_function("made", |bencher| {
        bencher.iter(|| inclusion_proof(&nodes, next(), LEAVES).expect("in range"));
    });
    group.bench_function("made by ct-merkle", |bencher| {
        bencher.iter(|| theirs.prove_inclusion(next() as usize));
    });
    let (index, leaf) = (INDEX, INDEX.to_be_bytes());
    let path = inclusion_proof(&nodes, index, LEAVES).expect("in range");
    group.bench_function("checked", |bencher| {
        bencher.iter(|| {
            let leaf = leaf_hash(black_box(&leaf));
            verify_inclusion(&leaf, index, LEAVES, &root, &path).expect("holds");
        });
    });
    let path = theirs.prove_inclusion(index as usize);
    group.bench_function("checked by ct-merkle", |bencher| {
        let check = || their_root.verify_inclusion(black_box(&leaf), index, &path);
        bencher.iter(|| check().expect("holds"));
    });
    group.finish();
}

fn receipt_with_four_seals(criterion: &mut Criterion) {
    let world = World::new(4, 1000);
    let (document, policy) = (json(&world.receipt(INDEX)), world.policy());
    assert!(verify(document.as_bytes(), &policy, None).ok());
    criterion.benchmark_group("C8 receipt").bench_function("verify, 4 seals", |bencher| {
        bencher.iter(|| verify(black_box(document.as_bytes()), &policy, None).ok());
    });
}

criterion_group!(benches, inclusion, receipt_with_four_seals);
criterion_main!(benches);
