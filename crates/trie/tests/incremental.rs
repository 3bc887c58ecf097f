//! Incremental roots and stored nodes against rebuilds and independent implementations.
#![allow(clippy::unwrap_used)]

mod common;

use alloy_primitives::{B256, U256};
use common::{Chain, Edit, check_store, deep_key, hashed_key, key, random_edit};
use peruri_trie::{
    EMPTY_ROOT_HASH, HashedPostState, OverlayHashedCursors, OverlayTrieCursors, StateRoot,
    StateRootOutput, test_utils::MemoryStore,
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};
use reth_primitives_traits::Account;

fn run(seed: u64, steps: usize, space: u16, edits: usize, key: fn(u16) -> B256) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut chain = Chain::default();
    for step in 0..steps {
        let count = rng.random_range(1..=edits);
        let edits: Vec<_> = (0..count).map(|_| random_edit(&mut rng, space)).collect();
        chain.edit(&edits, key);
        check_store(&chain.store, chain.root, step % 50 == 0);
        if rng.random_range(0..4) == 0 {
            chain.flush();
        }
    }
    chain.flush();
    check_store(&chain.store, chain.root, true);
}

#[test]
fn adversarial_keys_many_steps() {
    run(1, 4_000, 2_048, 6, key);
}

#[test]
fn adversarial_keys_that_start_alike() {
    run(7, 1_500, 1_024, 6, deep_key);
}

/// The keys are only worth their name if the shapes that are hard to get right occur.
#[test]
fn adversarial_keys_force_hard_shapes() {
    let mut rng = StdRng::seed_from_u64(9);
    let mut chain = Chain::default();
    let (mut below_extension, mut root_extension, mut inlined, mut removed) = (0, 0, 0, 0);
    for step in 0..400 {
        // Keys that all start alike in a chain of their own: one start would spoil the others.
        let key = if step < 200 { key } else { deep_key };
        if step == 200 {
            chain = Chain::default();
        }
        let edits: Vec<_> = (0..6).map(|_| random_edit(&mut rng, 2_048)).collect();
        let output = chain.edit(&edits, key);
        check_store(&chain.store, chain.root, false);
        removed += output.updates.account_nodes.iter().filter(|(_, node)| node.is_none()).count();
        let tries = || {
            std::iter::once(&chain.store.account_nodes).chain(chain.store.storage_nodes.values())
        };
        for nodes in tries() {
            let hidden = |node: &peruri_trie::StoredBranch| node.tree_mask & !node.branch_mask;
            below_extension += nodes.values().filter(|node| !hidden(node).is_empty()).count();
            let root = nodes.contains_key(&peruri_trie::Nibbles::new());
            root_extension += usize::from(!nodes.is_empty() && !root);
        }
        for slots in chain.store.storages.values() {
            let small = |(_, value): &(&B256, &U256)| **value < U256::from(0x80);
            let mut pairs = slots.iter().zip(slots.iter().skip(1));
            inlined += usize::from(pairs.any(|(a, b)| {
                a.0[..31] == b.0[..31] && a.0[31] >> 4 == b.0[31] >> 4 && small(&a) && small(&b)
            }));
        }
    }
    assert!(below_extension > 50, "{below_extension}");
    assert!(root_extension > 10, "{root_extension}");
    assert!(inlined > 50, "{inlined}");
    assert!(removed > 50, "{removed}");
}

#[test]
fn adversarial_keys_small_space() {
    // So few keys that the trie is often empty, a single leaf, or hangs off one extension.
    run(2, 4_000, 7, 2, key);
    run(10, 1_000, 7, 2, deep_key);
}

#[test]
fn adversarial_keys_large_blocks() {
    run(3, 600, 2_048, 120, key);
}

#[test]
fn hashed_keys_many_steps() {
    run(4, 1_500, 64, 8, hashed_key);
}

#[test]
fn hashed_keys_wide_state() {
    let mut rng = StdRng::seed_from_u64(5);
    let mut chain = Chain::default();
    let fill: Vec<_> = (0..6_000).map(|account| Edit::SetAccount { account, nonce: 1 }).collect();
    chain.edit(&fill, hashed_key);
    check_store(&chain.store, chain.root, true);
    for step in 0..24 {
        // Blocks above and below the threshold of the split.
        let count = if step % 2 == 0 { 700 } else { 40 };
        let edits: Vec<_> = (0..count).map(|_| random_edit(&mut rng, 6_000)).collect();
        chain.edit(&edits, hashed_key);
        check_store(&chain.store, chain.root, step % 8 == 0);
        if step % 3 == 0 {
            chain.flush();
        }
    }
    let clear: Vec<_> = (0..6_000).map(|account| Edit::RemoveAccount { account }).collect();
    chain.edit(&clear, hashed_key);
    assert_eq!(chain.root, EMPTY_ROOT_HASH);
    check_store(&chain.store, chain.root, true);
    assert_eq!(chain.store, MemoryStore::default());
}

#[test]
fn one_large_storage() {
    let mut rng = StdRng::seed_from_u64(6);
    let mut chain = Chain::default();
    let all: Vec<_> = (0..3_000).map(|slot| (slot, 1 + u64::from(slot))).collect();
    chain.edit(&[Edit::SetSlots { account: 1, slots: all, touch: true }], hashed_key);
    check_store(&chain.store, chain.root, true);
    for count in [1, 300, 5, 900, 2, 2_000] {
        let slot = |rng: &mut StdRng| (rng.random_range(0..3_000), rng.random_range(0..3));
        let slots = (0..count).map(|_| slot(&mut rng)).collect();
        chain.edit(&[Edit::SetSlots { account: 1, slots, touch: false }], hashed_key);
        check_store(&chain.store, chain.root, true);
    }
    let few = vec![(1, 1), (2, 2)];
    chain.edit(&[Edit::RecreateAccount { account: 1, nonce: 2, slots: few }], hashed_key);
    check_store(&chain.store, chain.root, true);
    chain.flush();
}

#[test]
fn empty_change_reads_the_root_only() {
    let mut chain = Chain::default();
    let before = chain.extend(&HashedPostState::default());
    assert_eq!(before.root, EMPTY_ROOT_HASH);
    chain.edit(&[Edit::SetAccount { account: 1, nonce: 1 }], hashed_key);
    let one = chain.root;
    assert_eq!(chain.extend(&HashedPostState::default()).root, one);
    let fill: Vec<_> = (0..500).map(|account| Edit::SetAccount { account, nonce: 1 }).collect();
    let filled = chain.edit(&fill, hashed_key);
    let unchanged = chain.extend(&HashedPostState::default());
    assert_eq!(unchanged, StateRootOutput { root: filled.root, ..Default::default() });
}

#[test]
fn removed_account_made_again_starts_with_empty_storage() {
    let mut chain = Chain::default();
    let slots = vec![(1, 1), (2, 2), (3, 3)];
    chain.edit(&[Edit::SetSlots { account: 1, slots, touch: true }], hashed_key);
    chain.flush();
    let output = chain.edit(&[Edit::RemoveAccount { account: 1 }], hashed_key);
    assert_eq!(output.storage_roots.get(&hashed_key(1)), Some(&EMPTY_ROOT_HASH));
    assert!(output.updates.storage_tries[&hashed_key(1)].is_deleted);
    // Still pending when it is made again: the row in the base must not show through.
    chain.edit(&[Edit::SetAccount { account: 1, nonce: 5 }], hashed_key);
    assert_eq!(chain.store.accounts[&hashed_key(1)].storage_root, EMPTY_ROOT_HASH);
    check_store(&chain.store, chain.root, true);
    chain.flush();
}

#[test]
fn slots_alone_change_the_account_leaf() {
    let mut chain = Chain::default();
    chain.edit(&[Edit::SetAccount { account: 1, nonce: 1 }], hashed_key);
    let before = chain.root;
    let edit = Edit::SetSlots { account: 1, slots: vec![(9, 9)], touch: false };
    let output = chain.edit(&[edit], hashed_key);
    assert_ne!(output.root, before);
    check_store(&chain.store, chain.root, true);
    let edit = Edit::SetSlots { account: 1, slots: vec![(9, 0)], touch: false };
    assert_eq!(chain.edit(&[edit], hashed_key).root, before);
}

#[test]
fn overlays_stack_like_writes() {
    let mut rng = StdRng::seed_from_u64(8);
    for round in 0..200 {
        let mut store = MemoryStore::default();
        let mut blocks = Vec::new();
        let base = {
            for _ in 0..4 {
                let edits: Vec<_> = (0..12).map(|_| random_edit(&mut rng, 300)).collect();
                let exists = |address: &B256| store.accounts.contains_key(address);
                let state = common::post_state(&exists, &edits, key);
                let output = StateRoot::new(&store, &store).root_with_updates(&state).unwrap();
                store.apply(&state, &output);
                blocks.push((state, output));
            }
            let mut base = MemoryStore::default();
            base.apply(&blocks[0].0, &blocks[0].1);
            base
        };
        let sorted: Vec<_> = blocks
            .iter()
            .map(|(state, output)| (state.to_sorted(&output.storage_roots), output.updates.clone()))
            .collect();
        let rows = OverlayHashedCursors::new(&base, &sorted[1].0);
        let nodes = OverlayTrieCursors::new(&base, &sorted[1].1);
        let rows = OverlayHashedCursors::new(&rows, &sorted[2].0);
        let nodes = OverlayTrieCursors::new(&nodes, &sorted[2].1);
        let output = StateRoot::new(&nodes, &rows).root_with_updates(&blocks[3].0).unwrap();
        assert_eq!(output, blocks[3].1, "round {round}");
    }
}

#[test]
fn bare_root_branch_is_stored() {
    let mut state = HashedPostState::default();
    for digit in [0x10, 0x20] {
        let account = Account::new(1, U256::from(1), None);
        state
            .accounts
            .insert(B256::with_last_byte(1) | B256::right_padding_from(&[digit]), Some(account));
    }
    let store = MemoryStore::default();
    let output = StateRoot::new(&store, &store).root_with_updates(&state).unwrap();
    let (path, root) = &output.updates.account_nodes[0];
    assert!(path.is_empty());
    let root = root.as_ref().unwrap();
    assert_eq!(root.state_mask.get(), 0b110);
    assert!(root.tree_mask.is_empty() && root.branch_mask.is_empty());
    assert_eq!(root.root_hash, Some(output.root));
}

fn edit() -> impl Strategy<Value = Edit> {
    let account = 0..200u16;
    let slots =
        || prop::collection::vec((0..200u16, prop_oneof![Just(0u64), Just(1), any::<u64>()]), 1..5);
    prop_oneof![
        (account.clone(), 0..9u64).prop_map(|(account, nonce)| Edit::SetAccount { account, nonce }),
        account.clone().prop_map(|account| Edit::RemoveAccount { account }),
        (account.clone(), 0..9u64, slots())
            .prop_map(|(account, nonce, slots)| Edit::RecreateAccount { account, nonce, slots }),
        (account, slots(), any::<bool>()).prop_map(|(account, slots, touch)| Edit::SetSlots {
            account,
            slots,
            touch
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn any_sequence_of_blocks(
        blocks in prop::collection::vec(
            (prop::collection::vec(edit(), 1..6), any::<bool>()), 1..12),
    ) {
        let mut chain = Chain::default();
        for (edits, flush) in &blocks {
            chain.edit(edits, key);
            check_store(&chain.store, chain.root, false);
            if *flush {
                chain.flush();
            }
        }
        check_store(&chain.store, chain.root, true);
    }
}
