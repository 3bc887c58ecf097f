//! Time of an incremental state root per changed account, serial and parallel.
//!
//! `cargo run -p peruri-trie --features test-utils --example root_speed [accounts] [changed] [rounds]`

use alloy_primitives::{B256, U256, keccak256};
use peruri_trie::{HashedPostState, ParallelStateRoot, StateRoot, test_utils::MemoryStore};
use reth_primitives_traits::Account;
use std::{error::Error, time::Instant};

/// Time the calling thread ran, in µs; unlike wall time it is not disturbed by other programs.
fn cpu_micros() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|first| first.parse::<f64>().ok());
    nanos.unwrap_or_default() / 1e3
}

fn key(index: u64) -> B256 {
    keccak256(index.to_be_bytes())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let accounts = args.next().transpose()?.unwrap_or(1_000_000);
    let changed = args.next().transpose()?.unwrap_or(10_000);
    let rounds = args.next().transpose()?.unwrap_or(10);

    let mut genesis = HashedPostState::default();
    for index in 0..accounts {
        let account = Account::new(index, U256::from(index) << 60, None);
        genesis.accounts.insert(key(index), Some(account));
    }
    let mut store = MemoryStore::default();
    let started = Instant::now();
    let output = ParallelStateRoot::new(&store, &store).root_with_updates(&genesis)?;
    println!("genesis, {accounts} accounts: {:?}", started.elapsed());
    println!(
        "stored nodes per account: {:.3}",
        output.updates.account_nodes.len() as f64 / accounts as f64
    );
    store.apply(&genesis, &output);

    let (mut serial_best, mut parallel_best) = (f64::MAX, f64::MAX);
    for round in 1..=rounds {
        let mut state = HashedPostState::default();
        for n in 0..changed {
            let index = (round * 7_919 + n * (accounts / changed).max(1)) % accounts;
            let account = Account::new(index + round, U256::from(index + round) << 60, None);
            state.accounts.insert(key(index), Some(account));
        }
        let per = state.accounts.len() as f64;
        let (started, cpu) = (Instant::now(), cpu_micros());
        let serial = StateRoot::new(&store, &store).root_with_updates(&state)?;
        let serial_micros = started.elapsed().as_secs_f64() * 1e6 / per;
        let serial_cpu = (cpu_micros() - cpu) / per;
        let started = Instant::now();
        let parallel = ParallelStateRoot::new(&store, &store).root_with_updates(&state)?;
        let parallel_micros = started.elapsed().as_secs_f64() * 1e6 / per;
        assert_eq!(serial, parallel);
        store.apply(&state, &parallel);
        println!(
            "round {round}: serial {serial_micros:.2} µs ({serial_cpu:.2} µs of CPU), \
             parallel {parallel_micros:.2} µs"
        );
        serial_best = serial_best.min(serial_micros);
        parallel_best = parallel_best.min(parallel_micros);
    }
    println!(
        "best per changed account: serial {serial_best:.2} µs, parallel {parallel_best:.2} µs, \
         {:.2} times faster on {} threads",
        serial_best / parallel_best,
        rayon::current_num_threads()
    );
    Ok(())
}
