//! C1 sender recovery, C2 decoding.

#![allow(missing_docs)]

use alloy_consensus::transaction::SignerRecoverable;
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::U256;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peruri_primitives::TransactionSigned;
use peruri_testnet::{Network, Wallet, stranger};
use rayon::prelude::*;
use std::hint::black_box;

const COUNT: u64 = 1_000;

fn encoded() -> Vec<Vec<u8>> {
    let network = Network { chain_id: 7251, max_fee_per_gas: 0 };
    let sign = |i| {
        let mut wallet = Wallet::fresh(i, network).expect("key");
        wallet.transfer(stranger(i), U256::from(1)).expect("signed").raw.to_vec()
    };
    (0..COUNT).map(sign).collect()
}

fn decoded(raw: &[Vec<u8>]) -> Vec<TransactionSigned> {
    raw.iter()
        .map(|raw| TransactionSigned::decode_2718(&mut raw.as_slice()).expect("valid"))
        .collect()
}

fn recovery(criterion: &mut Criterion) {
    assert_eq!(peruri_primitives::assert_libsecp256k1(), Ok(()), "the implementation measured");
    let transactions = decoded(&encoded());
    let mut group = criterion.benchmark_group("C1 sender recovery");
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("one thread", |bencher| {
        bencher.iter(|| {
            for transaction in &transactions {
                black_box(transaction.recover_signer().expect("valid"));
            }
        });
    });
    group.bench_function("all threads", |bencher| {
        bencher.iter(|| {
            transactions.par_iter().for_each(|transaction| {
                black_box(transaction.recover_signer().expect("valid"));
            });
        });
    });
    group.finish();
}

fn decoding(criterion: &mut Criterion) {
    let raw = encoded();
    let mut group = criterion.benchmark_group("C2 decode");
    group.throughput(Throughput::Elements(COUNT));
    group.bench_function("EIP-1559 transfer with its hash", |bencher| {
        bencher.iter(|| {
            for transaction in decoded(&raw) {
                black_box(transaction.tx_hash());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, recovery, decoding);
criterion_main!(benches);
