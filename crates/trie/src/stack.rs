//! Later changes on top of earlier ones, both in order.

use std::collections::hash_map::Entry;

use crate::{
    AccountChange, EMPTY_ROOT_HASH, HashedPostStateSorted, HashedStorageSorted, StorageTrieUpdates,
    TrieUpdates,
};

impl HashedPostStateSorted {
    /// Stacks later changes on top of these.
    pub fn extend(&mut self, later: Self) {
        merge(&mut self.accounts, later.accounts, AccountChange::then);
        for (address, storage) in later.storages {
            match self.storages.entry(address) {
                Entry::Occupied(mut entry) => entry.get_mut().extend(storage),
                Entry::Vacant(entry) => {
                    entry.insert(storage);
                }
            }
        }
    }
}

impl HashedStorageSorted {
    fn extend(&mut self, later: Self) {
        if later.wiped {
            *self = later;
        } else {
            merge(&mut self.slots, later.slots, |_, later| later);
        }
    }
}

impl TrieUpdates {
    /// Stacks later changes on top of these.
    pub fn extend(&mut self, later: Self) {
        merge(&mut self.account_nodes, later.account_nodes, |_, later| later);
        for (address, updates) in later.storage_tries {
            match self.storage_tries.entry(address) {
                Entry::Occupied(mut entry) => entry.get_mut().extend(updates),
                Entry::Vacant(entry) => {
                    entry.insert(updates);
                }
            }
        }
    }
}

impl StorageTrieUpdates {
    /// Stacks later changes on top of these.
    pub fn extend(&mut self, later: Self) {
        if later.is_deleted {
            *self = later;
        } else {
            merge(&mut self.nodes, later.nodes, |_, later| later);
        }
    }
}

impl AccountChange {
    /// This change and then `later` as one.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        match (self, later) {
            (_, Self::Removed) | (Self::Removed, Self::StorageRoot(_)) => Self::Removed,
            (earlier, Self::Set { account, storage_root: None }) => {
                let storage_root = match earlier {
                    Self::Removed => Some(EMPTY_ROOT_HASH),
                    Self::Set { storage_root, .. } => storage_root,
                    Self::StorageRoot(root) => Some(root),
                };
                Self::Set { account, storage_root }
            }
            (Self::Set { account, .. }, Self::StorageRoot(root)) => {
                Self::Set { account, storage_root: Some(root) }
            }
            (_, later) => later,
        }
    }
}

/// Merges ascending entries into ascending entries; where both have a key, `both` decides.
fn merge<K: Ord, V>(earlier: &mut Vec<(K, V)>, later: Vec<(K, V)>, both: impl Fn(V, V) -> V) {
    if earlier.is_empty() {
        *earlier = later;
        return;
    }
    let mut merged = Vec::with_capacity(earlier.len() + later.len());
    let mut later = later.into_iter().peekable();
    for (key, value) in std::mem::take(earlier) {
        while let Some(new) = later.next_if(|(new, _)| *new < key) {
            merged.push(new);
        }
        let value = match later.next_if(|(new, _)| *new == key) {
            Some((_, new)) => both(value, new),
            None => value,
        };
        merged.push((key, value));
    }
    merged.extend(later);
    *earlier = merged;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HashedPostState, HashedStorage, StoredBranch, TrieAccountRow};
    use alloy_primitives::{B256, U256, map::B256Map};
    use alloy_trie::{Nibbles, TrieMask};
    use proptest::prelude::*;
    use reth_primitives_traits::Account;
    use std::collections::{BTreeMap, BTreeSet};

    fn key(n: u8) -> B256 {
        B256::repeat_byte(n)
    }

    fn change() -> impl Strategy<Value = AccountChange> {
        let root = prop::option::of(any::<u8>().prop_map(key));
        prop_oneof![
            Just(AccountChange::Removed),
            any::<u8>().prop_map(|root| AccountChange::StorageRoot(key(root))),
            (any::<u64>(), root).prop_map(|(nonce, storage_root)| AccountChange::Set {
                account: Account { nonce, ..Default::default() },
                storage_root,
            }),
        ]
    }

    type Block = (Vec<(u8, Option<u64>)>, Vec<(u8, bool, Vec<(u8, u8)>)>);

    /// A block's changes, with a storage root for every account whose storage changes. `gone`: the
    /// accounts that do not exist; slots of such ones cannot change.
    fn post_state(
        (accounts, storages): Block,
        salt: u8,
        gone: &mut BTreeSet<u8>,
    ) -> (HashedPostState, B256Map<B256>) {
        let mut state = HashedPostState::default();
        let mut roots = B256Map::default();
        for (address, nonce) in accounts {
            let account = nonce.map(|nonce| Account { nonce, ..Default::default() });
            if account.is_none() {
                roots.insert(key(address), EMPTY_ROOT_HASH);
                let wiped = HashedStorage { wiped: true, ..Default::default() };
                state.storages.insert(key(address), wiped);
                gone.insert(address);
            } else {
                state.storages.remove(&key(address));
                roots.remove(&key(address));
                gone.remove(&address);
            }
            state.accounts.insert(key(address), account);
        }
        for (address, wiped, slots) in storages {
            if gone.contains(&address) {
                continue;
            }
            let storage = slots.into_iter().map(|(slot, value)| (key(slot), U256::from(value)));
            let storage = HashedStorage { wiped, storage: storage.collect() };
            state.storages.insert(key(address), storage);
            roots.insert(key(address), B256::with_last_byte(salt));
        }
        (state, roots)
    }

    fn block() -> impl Strategy<Value = Block> {
        let address = 0..6u8;
        let accounts =
            prop::collection::vec((address.clone(), prop::option::of(any::<u64>())), 0..5);
        let slots = prop::collection::vec((0..5u8, 0..3u8), 0..5);
        (accounts, prop::collection::vec((address, any::<bool>(), slots), 0..5))
    }

    proptest! {
        #[test]
        fn one_change_after_another_is_both(
            first in change(), second in change(), below in prop::option::of(any::<u8>()),
        ) {
            let row = |root| TrieAccountRow::new(&Account::default(), key(root));
            let below = below.map(row);
            prop_assume!(below.is_some() || !matches!(first, AccountChange::StorageRoot(_)));
            prop_assert_eq!(first.then(second).apply(below), second.apply(first.apply(below)));
        }

        #[test]
        fn sorted_changes_stack_as_unsorted_ones_do(blocks in prop::collection::vec(block(), 1..6)) {
            let (mut whole, mut roots) = (HashedPostState::default(), B256Map::default());
            let mut stacked = HashedPostStateSorted::default();
            let mut gone = BTreeSet::new();
            for (salt, block) in (0..).zip(blocks) {
                let (state, new_roots) = post_state(block, salt, &mut gone);
                stacked.extend(state.to_sorted(&new_roots));
                whole.extend(&state);
                roots.extend(new_roots);
            }
            prop_assert_eq!(stacked, whole.to_sorted(&roots));
        }

        #[test]
        fn later_nodes_replace_earlier_ones(
            blocks in prop::collection::vec(
                (
                    any::<bool>(),
                    prop::collection::btree_map(0..9u8, any::<Option<u8>>(), 0..7),
                ),
                1..6,
            ),
        ) {
            let mut stacked = TrieUpdates::default();
            let (mut account_nodes, mut storage_nodes) = (BTreeMap::new(), BTreeMap::new());
            let mut gone = false;
            for (is_deleted, nodes) in blocks {
                let nodes: crate::ChangedNodes = nodes
                    .into_iter()
                    .map(|(path, mask)| (Nibbles::unpack([path]), mask.map(node)))
                    .collect();
                if is_deleted {
                    storage_nodes.clear();
                    gone = true;
                }
                account_nodes.extend(nodes.clone());
                storage_nodes.extend(nodes.clone());
                let mut updates =
                    TrieUpdates { account_nodes: nodes.clone(), ..Default::default() };
                updates.storage_tries.insert(key(1), StorageTrieUpdates { is_deleted, nodes });
                stacked.extend(updates);
            }
            let expected: Vec<_> = account_nodes.into_iter().collect();
            prop_assert_eq!(stacked.account_nodes, expected);
            let storage = &stacked.storage_tries[&key(1)];
            prop_assert_eq!(storage.is_deleted, gone);
            prop_assert_eq!(&storage.nodes, &storage_nodes.into_iter().collect::<Vec<_>>());
        }
    }

    fn node(mask: u8) -> StoredBranch {
        StoredBranch { state_mask: TrieMask::new(mask.into()), ..Default::default() }
    }
}
