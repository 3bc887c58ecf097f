use alloy_primitives::{Address, B256, U256, keccak256};
use peruri_trie::{Nibbles, pack_path};
use rocksdb::WriteBatch;

use super::support::{Edit, RICH, TestChain};
use crate::{
    Discrepancy, NoProgress,
    codecs::{account, keys},
    db::Column,
};

/// Enough accounts that nodes are stored below the root, and one with a storage trie.
fn chain() -> TestChain {
    let mut chain = TestChain::new();
    let contract = Address::repeat_byte(0xcc);
    for round in 0..4u64 {
        let mut edits: Vec<_> = (0..200u64)
            .map(|i| {
                Edit::Account(Address::left_padding_from(&(i * 7 + round).to_be_bytes()), 1, i)
            })
            .collect();
        edits.extend((0..60).map(|slot| Edit::Slot(contract, slot, u64::from(slot) + round)));
        chain.commit(&edits);
    }
    chain
}

fn tamper(chain: &TestChain, column: Column, key: &[u8], value: Option<&[u8]>) {
    let db = chain.factory.db();
    let mut batch = WriteBatch::default();
    match value {
        Some(value) => batch.put_cf(db.cf(column).unwrap(), key, value),
        None => batch.delete_cf(db.cf(column).unwrap(), key),
    }
    db.write_synced("tampering", batch).unwrap();
}

fn first_key(chain: &TestChain, column: Column) -> Vec<u8> {
    let view = crate::db::ReadView::new(std::sync::Arc::clone(chain.factory.db()));
    let mut rows = view.cursor(column).unwrap();
    rows.first().unwrap().unwrap().0.to_vec()
}

#[test]
fn a_sound_store_is_clean() {
    let chain = chain();
    let mut calls = Vec::new();
    let mut progress = |done, total| calls.push((done, total));
    let report = chain.factory.verify_state(&mut progress).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(report.nodes > 2 && report.rows > 200);
    assert!(calls.last().is_some_and(|(done, total)| done == total && *done == report.rows));
    assert!(chain.factory.verify_history(&mut NoProgress).unwrap().is_clean());
}

#[test]
fn a_changed_balance_is_found_and_not_repaired() {
    let chain = chain();
    let key = keccak256(RICH);
    let row = chain.factory.db().get(Column::HashedAccounts, key).unwrap().unwrap().to_vec();
    let mut account = account::decode("test", &row).unwrap();
    account.balance += U256::from(1);
    tamper(&chain, Column::HashedAccounts, key.as_slice(), Some(&account::encode(&account)));
    let report = chain.factory.verify_state(&mut NoProgress).unwrap();
    assert!(report.listed.iter().any(|d| matches!(d, Discrepancy::StateRoot { .. })));
    assert!(report.damaged_rows > 0);
    let report = chain.factory.verify_history(&mut NoProgress).unwrap();
    assert!(matches!(&report.listed[..], [Discrepancy::Version { .. }]), "{report:?}");
    let repair = chain.factory.repair_trie(false, &mut NoProgress).unwrap();
    assert_eq!(repair.repaired, 0);
}

#[test]
fn changed_missing_and_orphaned_slots_are_found() {
    let address = keccak256(Address::repeat_byte(0xcc));
    let slot = keys::storage(&address, &keccak256(B256::with_last_byte(9)));
    for value in [Some([9u8, 9].as_slice()), None] {
        let chain = chain();
        tamper(&chain, Column::HashedStorages, &slot, value);
        let report = chain.factory.verify_state(&mut NoProgress).unwrap();
        assert!(report.listed.iter().any(|d| matches!(d, Discrepancy::StorageRoot { .. })));
        assert!(!chain.factory.verify_history(&mut NoProgress).unwrap().is_clean());
    }
    let chain = chain();
    let orphan = keys::storage(&B256::repeat_byte(0x77), &B256::repeat_byte(1));
    tamper(&chain, Column::HashedStorages, &orphan, Some(&[1]));
    let report = chain.factory.verify_state(&mut NoProgress).unwrap();
    assert!(matches!(&report.listed[..], [Discrepancy::OrphanSlots { .. }]), "{report:?}");
}

#[test]
fn wrong_missing_and_extra_nodes_are_found_and_repaired() {
    for column in [Column::AccountsTrie, Column::StoragesTrie] {
        let reference = chain();
        let key = first_key(&reference, column);
        let row = reference.factory.db().get(column, &key).unwrap().unwrap().to_vec();
        let mut wrong = row.clone();
        *wrong.last_mut().unwrap() ^= 1;
        let deep = Nibbles::from_nibbles([15; 40]);
        let extra = match column {
            Column::AccountsTrie => pack_path(&deep).to_vec(),
            _ => keys::storage_node(&B256::repeat_byte(3), &deep).to_vec(),
        };
        let cases = [
            (key.clone(), Some(wrong.as_slice()), "wrong"),
            (key.clone(), None, "missing"),
            (extra, Some(row.as_slice()), "not expected"),
        ];
        for (key, value, expected) in cases {
            let chain = chain();
            tamper(&chain, column, &key, value);
            let report = chain.factory.verify_state(&mut NoProgress).unwrap();
            match &report.listed[..] {
                [Discrepancy::Node { what, .. }] => assert_eq!(*what, expected),
                other => panic!("{other:?}"),
            }
            let dry = chain.factory.repair_trie(true, &mut NoProgress).unwrap();
            assert_eq!((dry.found.discrepancies, dry.repaired), (1, 0));
            assert!(!chain.factory.verify_state(&mut NoProgress).unwrap().is_clean());
            let repair = chain.factory.repair_trie(false, &mut NoProgress).unwrap();
            assert_eq!(repair.repaired, 1);
            assert!(chain.factory.verify_state(&mut NoProgress).unwrap().is_clean());
        }
    }
}
