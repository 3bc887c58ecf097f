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
