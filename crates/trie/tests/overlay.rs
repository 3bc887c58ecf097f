//! Overlay cursors against maps with the changes written in.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{B256, U256, map::B256Map};
use peruri_trie::{
    HashedCursor, HashedCursorFactory, HashedPostState, HashedStorage, HashedStorageCursor,
    Nibbles, OverlayHashedCursors, OverlayTrieCursors, StorageTrieUpdates, StoredBranch,
    TrieCursor, TrieCursorFactory, TrieMask, TrieUpdates, test_utils::MemoryStore,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const ADDRESS: B256 = B256::repeat_byte(0xaa);

fn key(n: u8) -> B256 {
    B256::right_padding_from(&[n])
}

/// A path whose order is not that of its number.
fn path(n: u8) -> Nibbles {
    Nibbles::unpack([n]).slice(..usize::from(n % 3))
}

fn node(n: u8) -> StoredBranch {
    StoredBranch { state_mask: TrieMask::new(u16::from(n) | 1), ..Default::default() }
}

#[derive(Clone, Debug)]
enum Step {
    Seek(u8),
    SeekExact(u8),
    Next,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<u8>().prop_map(Step::Seek),
        any::<u8>().prop_map(Step::SeekExact),
        Just(Step::Next),
        Just(Step::Next),
    ];
    prop::collection::vec(step, 1..30)
}

fn slots(max: u64) -> impl Strategy<Value = B256Map<U256>> {
    prop::collection::vec((any::<u8>(), 0..=max), 0..40)
        .prop_map(|slots| slots.into_iter().map(|(k, v)| (key(k), U256::from(v))).collect())
}

proptest! {
    #[test]
    fn storage(
        base in slots(9), changes in slots(2), wiped in prop::bool::weighted(0.2), steps in steps(),
    ) {
        let base: BTreeMap<_, _> = base.into_iter().filter(|(_, v)| !v.is_zero()).collect();
        let mut expected = if wiped { BTreeMap::new() } else { base.clone() };
        for (slot, value) in &changes {
            if value.is_zero() { expected.remove(slot); } else { expected.insert(*slot, *value); }
        }
        let mut store = MemoryStore::default();
        store.storages.insert(ADDRESS, base);
        let mut state = HashedPostState::default();
        state.storages.insert(ADDRESS, HashedStorage { wiped, storage: changes });
        let sorted = state.to_sorted(&B256Map::default());
        let overlay = OverlayHashedCursors::new(&store, &sorted);
        let mut cursor = overlay.hashed_storage_cursor(ADDRESS).unwrap();
        prop_assert_eq!(cursor.is_storage_empty().unwrap(), expected.is_empty());

        let mut cursor = overlay.hashed_storage_cursor(ADDRESS).unwrap();
        let mut lower = Some(B256::ZERO);
        for step in steps {
            let (got, want) = match step {
                Step::Seek(n) | Step::SeekExact(n) => {
                    (cursor.seek(key(n)).unwrap(), expected.range(key(n)..).next())
                }
                Step::Next => {
                    let want = lower.and_then(|lower| expected.range(lower..).next());
                    (cursor.next().unwrap(), want)
                }
            };
            let want = want.map(|(k, v)| (*k, *v));
            prop_assert_eq!(got, want);
            lower = want.and_then(|(k, _)| U256::from_be_bytes(k.0).checked_add(U256::from(1)))
                .map(B256::from);
        }
    }

    #[test]
    fn nodes(
        base in prop::collection::btree_map(any::<u8>(), any::<u8>(), 0..40),
        changes in prop::collection::btree_map(any::<u8>(), prop::option::of(any::<u8>()), 0..40),
        is_deleted in prop::bool::weighted(0.2),
        steps in steps(),
    ) {
        let base: BTreeMap<_, _> = base.into_iter().map(|(p, n)| (path(p), node(n))).collect();
        let mut expected = if is_deleted { BTreeMap::new() } else { base.clone() };
        let mut updates = StorageTrieUpdates { is_deleted, ..Default::default() };
        for (p, change) in changes {
            // Stacked one by one: several numbers stand for one path.
            let mut later = StorageTrieUpdates::default();
            match change {
                Some(n) => {
                    expected.insert(path(p), node(n));
                    later.nodes.push((path(p), Some(node(n))));
                }
                None => {
                    expected.remove(&path(p));
                    later.nodes.push((path(p), None));
                }
            }
            updates.extend(later);
        }
        let mut store = MemoryStore::default();
        store.storage_nodes.insert(ADDRESS, base.clone());
        store.account_nodes = base;
        let mut all = TrieUpdates::default();
        if !is_deleted {
            all.account_nodes = updates.nodes.clone();
        }
        all.storage_tries.insert(ADDRESS, updates);
        let overlay = OverlayTrieCursors::new(&store, &all);
        check_nodes(overlay.storage_trie_cursor(ADDRESS).unwrap(), &expected, &steps)?;
        if !is_deleted {
            check_nodes(overlay.account_trie_cursor().unwrap(), &expected, &steps)?;
        }
    }
}

fn check_nodes<C: TrieCursor>(
    mut cursor: C,
    expected: &BTreeMap<Nibbles, StoredBranch>,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let after = |at: Option<Nibbles>| match at {
        Some(at) => expected.range(at..).find(|(path, _)| **path != at),
        None => None,
    };
    let mut current = None;
    let mut fresh = true;
    for step in steps {
        let (got, want) = match step {
            Step::Seek(n) => (cursor.seek(path(*n)), expected.range(path(*n)..).next()),
            Step::SeekExact(n) => (cursor.seek_exact(path(*n)), expected.get_key_value(&path(*n))),
            Step::Next if fresh => (cursor.next(), expected.iter().next()),
            Step::Next => (cursor.next(), after(current)),
        };
        let want = want.map(|(path, node)| (*path, node.clone()));
        prop_assert_eq!(got.unwrap(), want.clone());
        current = want.map(|(path, _)| path);
        prop_assert_eq!(cursor.current().unwrap(), current);
        fresh = false;
    }
    Ok(())
}
