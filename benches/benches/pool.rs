//! C10 pool: adding a batch of raw transactions (decode, recover, check against the state, insert) and
//! taking the best ones.

#![allow(missing_docs)]

use alloy_primitives::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use peruri_benches::chain::{Chain, SENDERS};
use peruri_txpool::{
    BlockInfo, Pool, PoolConfig, SenderPermissions, TransactionOrigin, TransactionPool,
};
use std::{hint::black_box, sync::Arc};

/// Transactions of a batch over RPC, and of a pool to pick from.
const BATCH: usize = 100;
const FULL: usize = 10_000;

fn pool(chain: &Chain) -> Pool {
    let header = chain.factory.last_header().expect("head");
    let head =
        BlockInfo { number: header.number, gas_limit: header.gas_limit, ..Default::default() };
    let spec = Arc::clone(chain.factory.chain_spec());
    let accounts = Arc::new(chain.factory.clone());
    Pool::new(PoolConfig::default(), spec, accounts, Arc::new(SenderPermissions::open()), head)
}

fn benches_of_pool(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("folder");
    let mut chain = Chain::create(folder.path(), 2 * SENDERS as u64).expect("chain");
    let signed = chain.transfers(FULL).expect("signed");
    let raw: Vec<Bytes> = signed.into_iter().map(|transaction| transaction.raw).collect();
    let mut group = criterion.benchmark_group("C10 pool");

    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("insertion, batch of 100 senders", |bencher| {
        bencher.iter_batched(
            || (pool(&chain), raw[..BATCH].to_vec()),
            |(pool, raw)| {
                let added = pool.add_raw_transactions(TransactionOrigin::External, raw);
                assert!(added.iter().all(Result::is_ok));
                pool
            },
            BatchSize::SmallInput,
        );
    });

    group.throughput(Throughput::Elements(FULL as u64));
    let full = pool(&chain);
    let added = full.add_raw_transactions(TransactionOrigin::External, raw.clone());
    assert!(added.iter().all(Result::is_ok));
    group.bench_function("best of 10,000 senders", |bencher| {
        bencher.iter(|| assert_eq!(black_box(full.best_transactions()).count(), FULL));
    });
    group.finish();
}

criterion_group!(benches, benches_of_pool);
criterion_main!(benches);
