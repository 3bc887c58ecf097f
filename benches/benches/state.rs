//! C3 block execution, C4 root from flat rows alone, C5 incremental root, C6 commit: over 1 M accounts
//! and token holders (`PERURI_BENCH_ACCOUNTS` for another number).

#![allow(missing_docs)]

use alloy_primitives::{U256, keccak256};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use peruri_benches::chain::{Chain, HOLDING};
use peruri_storage::NoProgress;
use peruri_trie::HashedPostState;
use reth_primitives_traits::Account;
use std::hint::black_box;

/// Transactions of a block.
const BLOCK: usize = 1_000;
/// Changed accounts of C5.
const CHANGED: usize = 10_000;

fn state(criterion: &mut Criterion) {
    let accounts = std::env::var("PERURI_BENCH_ACCOUNTS").ok().and_then(|n| n.parse().ok());
    let accounts: u64 = accounts.unwrap_or(1_000_000);
    let folder = tempfile::tempdir().expect("folder");
    let mut chain = Chain::create(folder.path(), accounts).expect("chain");
    execution(criterion, &mut chain);
    use_for_a_while(&mut chain);
    incremental_root(criterion, &chain);
    commit(criterion, &mut chain);
    full_root(criterion, &chain, accounts);
}

fn execution(criterion: &mut Criterion, chain: &mut Chain) {
    let mut group = criterion.benchmark_group("C3 block execution");
    group.throughput(Throughput::Elements(BLOCK as u64));
    group.sample_size(20);
    let tokens = chain.token_transfers(BLOCK).expect("signed");
    let block = chain.build(&tokens).expect("built").executed.recovered_block;
    let state = chain.factory.latest().expect("state");
    group.bench_function("ERC-20 transfer", |bencher| {
        bencher.iter(|| black_box(chain.evm.execute_block(&block, &*state).expect("executes")));
    });
    group.finish();
    let executed = chain.evm.process_block(block, &*state).expect("valid");
    drop(state);
    chain.factory.commit_block(&executed).expect("committed");
}

/// Blocks whose transfers go all over the state: a store in use has met most of its trie nodes.
fn use_for_a_while(chain: &mut Chain) {
    for _ in 0..64 {
        let transactions = chain.transfers(BLOCK).expect("signed");
        let block = chain.build(&transactions).expect("built").executed;
        chain.factory.commit_block(&block).expect("committed");
    }
}

/// The changes of a block that moves coins of `CHANGED` accounts all over the state.
fn changes(chain: &Chain) -> HashedPostState {
    let holders = chain.holders();
    let step = (holders.len() / CHANGED).max(1);
    let mut state = HashedPostState::default();
    for (i, holder) in holders.iter().step_by(step).take(CHANGED).enumerate() {
        let balance = U256::from(HOLDING + i as u64 + 1);
        let account = Account { nonce: 1, balance, ..Default::default() };
        state.accounts.insert(keccak256(holder), Some(account));
    }
    state
}

fn incremental_root(criterion: &mut Criterion, chain: &Chain) {
    let changes = changes(chain);
    let state = chain.factory.latest().expect("state");
    let root = || black_box(state.state_root_with_updates(&changes).expect("root"));
    let mut group = criterion.benchmark_group("C5 incremental root");
    group.throughput(Throughput::Elements(changes.accounts.len() as u64));
    group.sample_size(20);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("pool");
    group.bench_function("one thread, per changed account", |bencher| {
        one.install(|| bencher.iter(root));
    });
    group.bench_function("all threads, per changed account", |bencher| bencher.iter(root));
    group.finish();
}

fn commit(criterion: &mut Criterion, chain: &mut Chain) {
    let mut group = criterion.benchmark_group("C6 commit");
    group.throughput(Throughput::Elements(BLOCK as u64));
    group.sample_size(20);
    let factory = chain.factory.clone();
    group.bench_function("ERC-20 transfer, one synced batch", |bencher| {
        // Each block is built on the one committed before: one at a time.
        bencher.iter_batched(
            || {
                let transactions = chain.token_transfers(BLOCK).expect("signed");
                chain.build(&transactions).expect("built").executed
            },
            |block| factory.commit_block(&block).expect("committed"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn full_root(criterion: &mut Criterion, chain: &Chain, accounts: u64) {
    let mut group = criterion.benchmark_group("C4 root from flat rows");
    group.throughput(Throughput::Elements(accounts));
    group.sample_size(10);
    group.bench_function("per account and slot", |bencher| {
        bencher.iter(|| black_box(chain.factory.verify_state(&mut NoProgress).expect("verified")));
    });
    group.finish();
}

criterion_group!(benches, state);
criterion_main!(benches);
