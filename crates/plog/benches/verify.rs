//! C8: verification of a receipt.

#![allow(missing_docs)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{INDEX, World, json};
use criterion::{Criterion, criterion_group, criterion_main};
use peruri_plog::verify;
use std::hint::black_box;

fn receipt_with_four_seals(criterion: &mut Criterion) {
    let world = World::new(4, 1000);
    let (document, policy) = (json(&world.receipt(INDEX)), world.policy());
    assert!(verify(document.as_bytes(), &policy, None).ok());
    criterion.benchmark_group("C8 receipt").bench_function("verify, 4 seals", |bencher| {
        bencher.iter(|| verify(black_box(document.as_bytes()), &policy, None).ok());
    });
}

criterion_group!(benches, receipt_with_four_seals);
criterion_main!(benches);
