use super::support::*;
use alloy_primitives::Address;
use peruri_txpool::{
    PermissionError, PoolConfig, PoolErrorKind, SenderPermissions, TransactionOrigin,
    TransactionPool,
};
use std::{fs, path::PathBuf};

const LOCAL: TransactionOrigin = TransactionOrigin::Local;

fn list(dir: &tempfile::TempDir, senders: &[u64]) -> PathBuf {
    let path = dir.path().join("senders");
    let lines: Vec<String> =
        senders.iter().map(|n| format!("{} # signer {n}", signer(*n).address())).collect();
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

#[test]
fn without_fees_only_listed_senders_enter() {
    let dir = tempfile::tempdir().unwrap();
    let always = [signer(9).address()];
    let permissions = SenderPermissions::new(Some(list(&dir, &[0])), always, false).unwrap();
    let (pool, accounts) = pool_with(PoolConfig::default(), permissions);
    let results =
        pool.add_transactions(LOCAL, vec![transfer(0, 0), transfer(1, 0), transfer(9, 0)]);
    assert!(results[0].is_ok() && results[2].is_ok());
    let refused = results[1].as_ref().unwrap_err();
    assert_eq!(refused.kind, PoolErrorKind::SenderNotAllowed(signer(1).address()));
    assert!(refused.to_string().starts_with("sender not on the allow list: 0x"));
    // The refused one cost no look-up.
    assert_eq!(accounts.reads.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn a_fee_needs_no_list() {
    let permissions = SenderPermissions::new(None, [], false).unwrap();
    let (pool, _) = pool_on(ethereum_chain(u32::MAX.into()), PoolConfig::default(), permissions);
    assert!(pool.block_info().next_base_fee > 0);
    let call =
        alloy_consensus::TxEip1559 { chain_id: 1337, max_fee_per_gas: 2_000_000_000, ..call() };
    pool.add_raw_transaction(LOCAL, raw(&eip1559(5, call))).unwrap();
}

#[test]
fn an_explicit_reload_lets_in_and_throws_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = list(&dir, &[0, 1]);
    let permissions = SenderPermissions::new(Some(path), [], false).unwrap();
    let (pool, _) = pool_with(PoolConfig::default(), permissions);
    pool.add_transactions(LOCAL, vec![transfer(0, 0), transfer(1, 0), transfer(1, 1)]);
    list(&dir, &[0, 2]);
    let reload = pool.reload_senders().unwrap();
    assert_eq!((reload.listed, reload.added, reload.removed), (2, 1, 1));
    assert_eq!(pool.status().total(), 1);
    assert!(pool.add_raw_transaction(LOCAL, raw(&transfer(1, 0))).is_err());
    pool.add_raw_transaction(LOCAL, raw(&transfer(2, 0))).unwrap();
}

#[test]
fn a_broken_list_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = list(&dir, &[0]);
    let permissions = SenderPermissions::new(Some(path.clone()), [], false).unwrap();
    let (pool, _) = pool_with(PoolConfig::default(), permissions);
    fs::write(&path, "0x1234\n").unwrap();
    assert!(matches!(pool.reload_senders(), Err(PermissionError::Line { line: 1, .. })));
    pool.add_raw_transaction(LOCAL, raw(&transfer(0, 0))).unwrap();
}

#[test]
fn a_new_validator_is_let_in() {
    let permissions = SenderPermissions::new(None, [], false).unwrap();
    let (pool, _) = pool_with(PoolConfig::default(), permissions);
    assert!(pool.add_raw_transaction(LOCAL, raw(&transfer(0, 0))).is_err());
    pool.set_always_allowed([signer(0).address()]);
    pool.add_raw_transaction(LOCAL, raw(&transfer(0, 0))).unwrap();
    pool.set_always_allowed([Address::ZERO]);
    assert_eq!(pool.status().total(), 0);
}
