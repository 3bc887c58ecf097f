use super::support::*;
use peruri_txpool::{
    JournalError, JournalLoad, JournalSync, Pool, TransactionOrigin, TransactionPool,
};
use std::{fs, path::Path};

fn opened(path: &Path) -> (Pool, JournalLoad) {
    let (pool, _) = open_pool();
    let load = pool.open_journal(path, JournalSync::Data).unwrap();
    (pool, load)
}

fn add(pool: &Pool, origin: TransactionOrigin, n: u64, nonces: std::ops::Range<u64>) {
    let txs = nonces.map(|nonce| transfer(n, nonce)).collect();
    assert!(pool.add_transactions(origin, txs).iter().all(Result::is_ok));
}

#[test]
fn local_transactions_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool.journal");
    let (pool, load) = opened(&path);
    assert_eq!(load, JournalLoad::default());
    add(&pool, TransactionOrigin::Local, 0, 0..5);
    add(&pool, TransactionOrigin::External, 1, 0..5);
    add(&pool, TransactionOrigin::Private, 2, 0..5);
    drop(pool);
    let (pool, load) = opened(&path);
    assert_eq!((load.records, load.restored), (5, 5));
    assert_eq!(pool.status().pending, 5);
    assert!(pool.best_transactions().all(|tx| tx.origin().is_local()));
}

#[test]
fn a_torn_tail_loses_the_torn_transaction_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool.journal");
    let (pool, _) = opened(&path);
    add(&pool, TransactionOrigin::Local, 0, 0..3);
    drop(pool);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
    let (pool, load) = opened(&path);
    assert_eq!((load.records, load.restored), (2, 2));
    assert!(load.torn_bytes > 0);
    // The tail is gone, and what is added now is found again.
    add(&pool, TransactionOrigin::Local, 0, 2..3);
    drop(pool);
    assert_eq!(opened(&path).1, JournalLoad { records: 3, restored: 3, ..Default::default() });
}

#[test]
fn loading_drops_what_is_mined() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool.journal");
    let (pool, _) = opened(&path);
    add(&pool, TransactionOrigin::Local, 0, 0..4);
    drop(pool);
    let (pool, accounts) = open_pool();
    let moved = peruri_txpool::PoolAccount {
        nonce: 3,
        balance: alloy_primitives::U256::from(u64::MAX),
        ..Default::default()
    };
    accounts.set.lock().insert(signer(0).address(), moved);
    let load = pool.open_journal(&path, JournalSync::Flush).unwrap();
    assert_eq!((load.records, load.restored), (4, 1));
    drop(pool);
    // The file was rewritten with what is alive.
    assert_eq!(opened(&path).1.records, 1);
}

#[test]
fn the_file_does_not_grow_with_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool.journal");
    let (pool, _) = opened(&path);
    let big = |nonce| {
        eip1559(
            0,
            alloy_consensus::TxEip1559 {
                nonce,
                gas_limit: 10_000_000,
                input: vec![0; 100_000].into(),
                ..call()
            },
        )
    };
    for nonce in 0..40 {
        let hash = pool.add_raw_transaction(TransactionOrigin::Local, raw(&big(nonce))).unwrap();
        mine(&pool, vec![hash], &[(0, nonce + 1)]);
    }
    // 4 MB went through; dead records are dropped once they are more than 1 MiB.
    assert!(fs::metadata(&path).unwrap().len() < 1_500_000);
    add(&pool, TransactionOrigin::Local, 1, 0..2);
    drop(pool);
    assert_eq!(opened(&path).0.content_from(&signer(1).address()).0.len(), 2);
}

#[test]
fn a_foreign_file_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool.journal");
    fs::write(&path, "somebody's diary").unwrap();
    let (pool, _) = open_pool();
    let refused = pool.open_journal(&path, JournalSync::Flush).unwrap_err();
    assert!(matches!(refused, JournalError::Foreign { .. }));
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's diary");
}

#[test]
fn a_missing_folder_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let (pool, _) = open_pool();
    let refused = pool.open_journal(&dir.path().join("no/pool.journal"), JournalSync::Flush);
    assert!(matches!(refused, Err(JournalError::Io { .. })));
}

#[test]
fn long_runs_of_one_sender_are_restored_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pool.journal");
    let (pool, _) = opened(&path);
    add(&pool, TransactionOrigin::Local, 0, 0..3_000);
    drop(pool);
    // The first restart writes the file anew, from the pool's own order.
    drop(opened(&path));
    let (pool, load) = opened(&path);
    assert_eq!(load.restored, 3_000);
    assert_eq!(pool.status().pending, 3_000);
}
