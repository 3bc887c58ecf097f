use super::support::*;
use peruri_txpool::{PoolConfig, SenderPermissions, TransactionOrigin, TransactionPool};

#[test]
fn a_flood_of_fresh_accounts_is_kept_out_or_behind() {
    const FLOOD: u64 = 2_000;
    let flood: Vec<_> = (1..=FLOOD).map(|n| raw(&transfer(n, 0))).collect();
    let listed = [signer(0).address()];

    // Closed: nothing of it stays.
    let permissions = SenderPermissions::new(None, listed, false).unwrap();
    let (pool, _) = pool_with(PoolConfig::default(), permissions);
    let results = pool.add_raw_transactions(TransactionOrigin::External, flood.clone());
    assert!(results.iter().all(Result::is_err));
    assert_eq!(pool.status(), Default::default());

    // Open: its room is bounded, and the listed sender is served first.
    let config = PoolConfig { max_unknown_external: 500, ..Default::default() };
    let permissions = SenderPermissions::new(None, listed, true).unwrap();
    let (pool, _) = pool_with(config, permissions);
    pool.add_raw_transactions(TransactionOrigin::External, flood);
    assert_eq!(pool.status().total(), 500);
    let mine = pool.add_raw_transaction(TransactionOrigin::External, raw(&transfer(0, 0))).unwrap();
    assert_eq!(*pool.best_transactions().next().unwrap().hash(), mine);
}

#[test]
fn evicted_transactions_stay_out() {
    let (pool, _) = open_pool();
    let tx = transfer(0, 0);
    let hash = pool.add_raw_transaction(TransactionOrigin::Local, raw(&tx)).unwrap();
    assert_eq!(pool.evict_transactions(&[hash]).len(), 1);
    let refused = pool.add_raw_transaction(TransactionOrigin::Local, raw(&tx)).unwrap_err();
    assert_eq!(refused.to_string(), "transaction was evicted: not taken again before block 101");
}

/// Processor time of this process in milliseconds (Linux counts in hundredths of a second).
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}

/// Prints what admission costs beside recovery, in processor time: the machine may be busy. A
/// figure to look at, not a limit.
#[test]
#[ignore = "measurement: run by hand with --ignored --nocapture"]
fn cost_per_transaction() {
    const COUNT: u64 = 100_000;
    let raws: Vec<_> = (0..COUNT).map(|n| raw(&transfer(n % 100, n / 100))).collect();
    let mut started = cpu_ms();
    let mut lap = |what: &str| {
        let now = cpu_ms();
        println!("{what}: {:.2} µs", (now - started) as f64 * 1_000.0 / COUNT as f64);
        started = cpu_ms();
    };
    for raw in &raws {
        use alloy_consensus::transaction::SignerRecoverable;
        use alloy_eips::eip2718::Decodable2718;
        let tx = peruri_primitives::PooledTransaction::decode_2718_exact(raw).unwrap();
        std::hint::black_box(tx.recover_signer().unwrap());
    }
    lap("decode and recover alone");
    let (pool, _) = open_pool();
    for batch in raws.chunks(100) {
        pool.add_raw_transactions(TransactionOrigin::Local, batch.to_vec());
    }
    lap("add in batches of 100");
    for batch in raws.chunks(100) {
        pool.add_raw_transactions(TransactionOrigin::Local, batch.to_vec());
    }
    lap("refuse as known");
    assert_eq!(pool.best_transactions().count() as u64, COUNT);
    lap("best");
}
