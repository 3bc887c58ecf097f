use super::support::*;
use peruri_txpool::{PoolConfig, SenderPermissions, TransactionOrigin, TransactionPool};
use std::time::Instant;

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

/// Prints what admission costs beside recovery. A figure to look at, not a limit: the machine may
/// be busy.
#[test]
#[ignore = "measurement: run by hand with --ignored --nocapture"]
fn cost_per_transaction() {
    const COUNT: u64 = 20_000;
    let raws: Vec<_> = (0..COUNT).map(|n| raw(&transfer(n % 100, n / 100))).collect();
    let started = Instant::now();
    for raw in &raws {
        use alloy_consensus::transaction::SignerRecoverable;
        use alloy_eips::eip2718::Decodable2718;
        let tx = peruri_primitives::PooledTransaction::decode_2718_exact(raw).unwrap();
        std::hint::black_box(tx.recover_signer().unwrap());
    }
    let recovery = started.elapsed() / COUNT as u32;
    let (pool, _) = open_pool();
    let started = Instant::now();
    for batch in raws.chunks(100) {
        pool.add_raw_transactions(TransactionOrigin::Local, batch.to_vec());
    }
    let added = started.elapsed() / COUNT as u32;
    let started = Instant::now();
    let best = pool.best_transactions().count();
    let iterated = started.elapsed() / best as u32;
    println!("recovery on one core {recovery:?}, add {added:?}, best {iterated:?} each ({best})");
}
