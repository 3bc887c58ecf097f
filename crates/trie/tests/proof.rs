//! Proofs against two verifiers.
#![allow(clippy::unwrap_used)]

mod common;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::B256Map};
use common::{account_leaves, eth_trie_of, storage_leaves};
use eth_trie::Trie;
use peruri_trie::{AccountProof, HashedPostState, Proof, StateRoot, test_utils::MemoryStore};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reth_primitives_traits::Account;

fn address(index: u64) -> Address {
    Address::left_padding_from(&index.to_be_bytes())
}

fn slot(index: u64) -> B256 {
    B256::from(U256::from(index))
}

fn store(accounts: u64, slots: u64) -> (MemoryStore, B256) {
    let mut state = HashedPostState::default();
    for n in 0..accounts {
        let hashed = keccak256(address(n));
        state.accounts.insert(hashed, Some(Account::new(n, U256::from(n) << 40, None)));
        if n % 5 == 0 && slots > 0 {
            let storage: B256Map<_> = (0..slots.min(n + 1))
                .map(|s| (keccak256(slot(s)), U256::from(n * s + 1)))
                .collect();
            state.storages.entry(hashed).or_default().storage = storage;
        }
    }
    let mut store = MemoryStore::default();
    let output = StateRoot::new(&store, &store).root_with_updates(&state).unwrap();
    store.apply(&state, &output);
    (store, output.root)
}

fn raw(proof: &[Bytes]) -> Vec<Vec<u8>> {
    proof.iter().map(|node| node.to_vec()).collect()
}

fn check(store: &MemoryStore, root: B256, proof: &AccountProof) {
    proof.verify(root).unwrap();
    let hashed = keccak256(proof.address);
    let (_, mut oracle) = eth_trie_of(&account_leaves(store));
    if !store.accounts.is_empty() {
        assert_eq!(raw(&proof.proof), oracle.get_proof(hashed.as_slice()).unwrap());
        let leaf = oracle.verify_proof(root, hashed.as_slice(), raw(&proof.proof)).unwrap();
        assert_eq!(leaf.is_some(), proof.info.is_some());
    }
    let slots = store.storages.get(&hashed).cloned().unwrap_or_default();
    let (storage_root, mut oracle) = eth_trie_of(&storage_leaves(&slots));
    assert_eq!(storage_root, proof.storage_root);
    for slot in &proof.storage_proofs {
        let hashed = keccak256(slot.key);
        assert_eq!(slot.value, slots.get(&hashed).copied().unwrap_or_default());
        if !slots.is_empty() {
            assert_eq!(raw(&slot.proof), oracle.get_proof(hashed.as_slice()).unwrap());
        } else {
            assert!(slot.proof.is_empty());
        }
    }
}

#[test]
fn present_and_absent_accounts_and_slots() {
    for accounts in [0, 1, 2, 3, 17, 400] {
        let (store, root) = store(accounts, 40);
        let slots: Vec<_> = (0..45).map(slot).collect();
        for n in (0..accounts + 20).step_by(if accounts > 100 { 13 } else { 1 }) {
            let proof = Proof::new(&store, &store).account(address(n), &slots).unwrap();
            assert_eq!(proof.info.is_some(), n < accounts);
            check(&store, root, &proof);
        }
    }
}

#[test]
fn multiproof_equals_single_proofs() {
    let (store, root) = store(300, 20);
    let mut rng = StdRng::seed_from_u64(1);
    let targets: Vec<_> = (0..40)
        .map(|_| (address(rng.random_range(0..330)), vec![slot(rng.random_range(0..25)); 2]))
        .collect();
    let (got, proofs) = Proof::new(&store, &store).multiproof(&targets).unwrap();
    assert_eq!(got, root);
    for ((address, slots), proof) in targets.iter().zip(&proofs) {
        check(&store, root, proof);
        let single = Proof::new(&store, &store).account(*address, slots).unwrap();
        assert_eq!(&single, proof);
    }
}

#[test]
fn tampered_proofs_are_refused() {
    let (store, root) = store(60, 10);
    let proof = Proof::new(&store, &store).account(address(5), &[slot(1), slot(99)]).unwrap();
    proof.verify(root).unwrap();
    assert!(proof.verify(B256::repeat_byte(1)).is_err());

    let mut richer = proof.clone();
    richer.info.as_mut().unwrap().balance += U256::from(1);
    assert!(richer.verify(root).is_err());

    let mut gone = proof.clone();
    gone.info = None;
    assert!(gone.verify(root).is_err());

    let mut slot = proof.clone();
    slot.storage_proofs[0].value += U256::from(1);
    assert!(slot.verify(root).is_err());

    let mut appeared = proof;
    appeared.storage_proofs[1].value = U256::from(1);
    assert!(appeared.verify(root).is_err());
}

#[test]
fn inlined_nodes_are_part_of_their_parent() {
    // Two slots whose keys differ in the last digit only: their branch has 31 bytes at most and is
    // inlined. Keys cannot be chosen through keccak, so this goes below the address level.
    let mut state = HashedPostState::default();
    let hashed = keccak256(address(1));
    state.accounts.insert(hashed, Some(Account::default()));
    let storage = &mut state.storages.entry(hashed).or_default().storage;
    for last in [1, 2] {
        storage.insert(B256::with_last_byte(last), U256::from(last));
    }
    storage.insert(keccak256(slot(7)), U256::from(7));
    let mut store = MemoryStore::default();
    let output = StateRoot::new(&store, &store).root_with_updates(&state).unwrap();
    store.apply(&state, &output);
    common::check_store(&store, output.root, true);
    let proof = Proof::new(&store, &store).account(address(1), &[slot(7), slot(8)]).unwrap();
    check(&store, output.root, &proof);
}
