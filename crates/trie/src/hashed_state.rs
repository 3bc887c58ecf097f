//! State changes keyed by hash.

use crate::TrieAccountRow;
use alloy_primitives::{Address, B256, U256, keccak256, map::B256Map};
use alloy_trie::EMPTY_ROOT_HASH;
use rayon::prelude::*;
use reth_primitives_traits::Account;
use revm::database::{BundleAccount, BundleState};

/// From this many changed accounts or slots on, hashing and sorting are spread over threads.
const PARALLEL_THRESHOLD: usize = 256;

/// What one or several blocks changed in the storage of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashedStorage {
    /// All slots from before are gone; `storage` is everything there is.
    pub wiped: bool,
    /// Hashed slot → new value, zero for a removed slot.
    pub storage: B256Map<U256>,
}

impl HashedStorage {
    /// Stacks a later change on top of this one.
    pub fn extend(&mut self, later: &Self) {
        if later.wiped {
            self.wiped = true;
            self.storage.clone_from(&later.storage);
        } else {
            self.storage.extend(later.storage.iter().map(|(k, v)| (*k, *v)));
        }
    }

    /// The sorted form, for overlays.
    pub fn to_sorted(&self) -> HashedStorageSorted {
        let mut slots: Vec<_> = self.storage.iter().map(|(k, v)| (*k, *v)).collect();
        sort_by_key(&mut slots);
        HashedStorageSorted { wiped: self.wiped, slots }
    }
}

/// What one or several blocks changed in the state, keyed by hashed address and hashed slot.
///
/// An account that was destroyed is `None` in `accounts` and has a `wiped` entry in `storages`; one
/// that was destroyed and made again has its new fields and a `wiped` entry. An account whose
/// removal comes without a `wiped` entry is taken to have had no storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashedPostState {
    /// Hashed address → account, `None` when it was removed.
    pub accounts: B256Map<Option<Account>>,
    /// Hashed address → changes of its slots.
    pub storages: B256Map<HashedStorage>,
}

impl HashedPostState {
    /// Hashes the keys of what execution changed. Accounts and slots that were only read, or were
    /// set back to what they had been, are left out.
    pub fn from_bundle_state(bundle: &BundleState) -> Self {
        let entries: Vec<_> = bundle.state.iter().collect();
        let hash = |(address, account): &(&Address, &BundleAccount)| {
            let storage = hashed_storage(account);
            let changed = account.is_info_changed() || storage.is_some();
            changed.then(|| (keccak256(address), account.info.as_ref().map(Account::from), storage))
        };
        let hashed: Vec<_> = if entries.len() < PARALLEL_THRESHOLD {
            entries.iter().filter_map(hash).collect()
        } else {
            entries.par_iter().filter_map(hash).collect()
        };

        let mut state = Self::default();
        state.accounts.reserve(hashed.len());
        for (address, account, storage) in hashed {
            state.accounts.insert(address, account);
            if let Some(storage) = storage {
                state.storages.insert(address, storage);
            }
        }
        state
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.storages.is_empty()
    }

    /// Stacks the changes of a later block on top of these.
    pub fn extend(&mut self, later: &Self) {
        self.accounts.extend(later.accounts.iter().map(|(k, v)| (*k, *v)));
        for (address, storage) in &later.storages {
            self.storages.entry(*address).or_default().extend(storage);
        }
    }

    /// The sorted form, for overlays. `storage_roots` are those that were computed for these
    /// changes; where several blocks are stacked, the latest of each account.
    pub fn to_sorted(&self, storage_roots: &B256Map<B256>) -> HashedPostStateSorted {
        HashedPostStateSorted {
            accounts: self.sorted_accounts(storage_roots),
            storages: self.sorted_storages(),
        }
    }

    pub(crate) fn sorted_storages(&self) -> B256Map<HashedStorageSorted> {
        self.storages.iter().map(|(address, storage)| (*address, storage.to_sorted())).collect()
    }

    pub(crate) fn sorted_accounts(
        &self,
        storage_roots: &B256Map<B256>,
    ) -> Vec<(B256, AccountChange)> {
        let mut accounts: Vec<_> = self
            .accounts
            .iter()
            .map(|(address, account)| {
                let change = match account {
                    None => AccountChange::Removed,
                    Some(account) => AccountChange::Set {
                        account: *account,
                        storage_root: storage_roots.get(address).copied(),
                    },
                };
                (*address, change)
            })
            .collect();
        accounts.extend(
            storage_roots
                .iter()
                .filter(|(address, _)| !self.accounts.contains_key(*address))
                .map(|(address, root)| (*address, AccountChange::StorageRoot(*root))),
        );
        sort_by_key(&mut accounts);
        accounts
    }
}

/// The changed slots of one account, `None` when there are none.
fn hashed_storage(account: &BundleAccount) -> Option<HashedStorage> {
    // An account that was made and destroyed within the bundle left nothing to wipe.
    let wiped = account.was_destroyed() && account.original_info.is_some();
    let hash = |(slot, value): (&U256, &revm::database::states::StorageSlot)| {
        let wanted = if account.was_destroyed() {
            !value.present_value.is_zero()
        } else {
            value.is_changed()
        };
        wanted.then(|| (keccak256(slot.to_be_bytes::<32>()), value.present_value))
    };
    let storage: B256Map<U256> = if account.storage.len() < PARALLEL_THRESHOLD {
        account.storage.iter().filter_map(hash).collect()
    } else {
        let slots: Vec<_> = account.storage.iter().collect();
        slots.into_par_iter().filter_map(hash).collect::<Vec<_>>().into_iter().collect()
    };
    (wiped || !storage.is_empty()).then_some(HashedStorage { wiped, storage })
}

fn sort_by_key<V: Send>(entries: &mut [(B256, V)]) {
    if entries.len() < PARALLEL_THRESHOLD * 16 {
        entries.sort_unstable_by_key(|entry| entry.0);
    } else {
        entries.par_sort_unstable_by_key(|entry| entry.0);
    }
}

/// What happened to one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// It is gone.
    Removed,
    /// It has these fields. Its storage root is the one named, else that of the row below, else
    /// that of an empty storage.
    Set {
        /// The new fields.
        account: Account,
        /// The new storage root, `None` when its storage did not change.
        storage_root: Option<B256>,
    },
    /// Only its storage root changed.
    StorageRoot(B256),
}

impl AccountChange {
    /// The row that results when this change is applied to the row below.
    pub fn apply(&self, below: Option<TrieAccountRow>) -> Option<TrieAccountRow> {
        match self {
            Self::Removed => None,
            Self::Set { account, storage_root } => {
                let root = storage_root
                    .or_else(|| below.map(|row| row.storage_root))
                    .unwrap_or(EMPTY_ROOT_HASH);
                Some(TrieAccountRow::new(account, root))
            }
            Self::StorageRoot(root) => {
                below.map(|row| TrieAccountRow { storage_root: *root, ..row })
            }
        }
    }
}

/// [`HashedStorage`] with its slots in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashedStorageSorted {
    /// All slots from before are gone.
    pub wiped: bool,
    /// Hashed slot and new value, ascending; zero for a removed slot.
    pub slots: Vec<(B256, U256)>,
}

/// [`HashedPostState`] with its keys in order: an overlay over flat rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashedPostStateSorted {
    /// Hashed address and change, ascending.
    pub accounts: Vec<(B256, AccountChange)>,
    /// Hashed address → changes of its slots.
    pub storages: B256Map<HashedStorageSorted>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use revm::{
        database::{AccountStatus, states::StorageSlot},
        state::AccountInfo,
    };

    fn info(nonce: u64) -> AccountInfo {
        AccountInfo { nonce, ..Default::default() }
    }

    fn bundle(
        before: Option<AccountInfo>,
        after: Option<AccountInfo>,
        slots: &[(u64, u64, u64)],
        status: AccountStatus,
    ) -> BundleState {
        let storage = slots
            .iter()
            .map(|(slot, original, present)| {
                let value = StorageSlot::new_changed(U256::from(*original), U256::from(*present));
                (U256::from(*slot), value)
            })
            .collect();
        let mut bundle = BundleState::default();
        let account = BundleAccount::new(before, after, storage, status);
        bundle.state.insert(Address::repeat_byte(1), account);
        bundle
    }

    fn hashed_slot(slot: u64) -> B256 {
        keccak256(B256::from(U256::from(slot)))
    }

    fn address() -> B256 {
        keccak256(Address::repeat_byte(1))
    }

    #[test]
    fn changed_slots_and_accounts_are_hashed() {
        let slots = [(1, 5, 6), (2, 5, 5), (3, 5, 0)];
        let bundle = bundle(Some(info(1)), Some(info(2)), &slots, AccountStatus::Changed);
        let state = HashedPostState::from_bundle_state(&bundle);
        assert_eq!(state.accounts[&address()], Some(Account::new(2, U256::ZERO, None)));
        let storage = &state.storages[&address()];
        assert!(!storage.wiped);
        let expected: B256Map<_> =
            [(hashed_slot(1), U256::from(6)), (hashed_slot(3), U256::ZERO)].into_iter().collect();
        assert_eq!(storage.storage, expected);
    }

    #[test]
    fn what_was_only_read_is_left_out() {
        let bundle = bundle(Some(info(1)), Some(info(1)), &[(1, 5, 5)], AccountStatus::Changed);
        assert!(HashedPostState::from_bundle_state(&bundle).is_empty());
    }

    #[test]
    fn slots_alone_bring_their_account() {
        let bundle = bundle(Some(info(1)), Some(info(1)), &[(1, 5, 6)], AccountStatus::Changed);
        let state = HashedPostState::from_bundle_state(&bundle);
        assert_eq!(state.accounts[&address()], Some(Account::new(1, U256::ZERO, None)));
    }

    #[test]
    fn destroyed_account_is_wiped() {
        let bundle = bundle(Some(info(1)), None, &[], AccountStatus::Destroyed);
        let state = HashedPostState::from_bundle_state(&bundle);
        assert_eq!(state.accounts[&address()], None);
        assert_eq!(
            state.storages[&address()],
            HashedStorage { wiped: true, storage: B256Map::default() }
        );
    }

    #[test]
    fn recreated_account_keeps_all_its_slots() {
        // A slot may end up at the value it had before: it was wiped in between all the same.
        let slots = [(1, 5, 5), (2, 0, 7), (3, 4, 0)];
        let bundle = bundle(Some(info(1)), Some(info(1)), &slots, AccountStatus::DestroyedChanged);
        let state = HashedPostState::from_bundle_state(&bundle);
        let storage = &state.storages[&address()];
        assert!(storage.wiped);
        assert_eq!(storage.storage.len(), 2);
        assert_eq!(storage.storage[&hashed_slot(1)], U256::from(5));
        assert!(state.accounts[&address()].is_some());
    }

    #[test]
    fn account_made_and_destroyed_at_once_leaves_nothing() {
        let bundle = bundle(None, None, &[], AccountStatus::DestroyedAgain);
        assert!(HashedPostState::from_bundle_state(&bundle).is_empty());
    }

    #[test]
    fn many_entries_hash_as_few_do() {
        let mut bundle = BundleState::default();
        let slots: Vec<_> = (1..2_000).map(|n| (n, 0, n)).collect();
        for n in 1..1_000u64 {
            let mut one = self::bundle(None, Some(info(n)), &[], AccountStatus::InMemoryChange);
            let account = one.state.remove(&Address::repeat_byte(1)).expect("just inserted");
            bundle.state.insert(Address::left_padding_from(&n.to_be_bytes()), account);
        }
        let large = self::bundle(None, Some(info(9)), &slots, AccountStatus::InMemoryChange);
        bundle.state.extend(large.state);
        let state = HashedPostState::from_bundle_state(&bundle);
        assert_eq!(state.accounts.len(), 1_000);
        for (n, _, _) in slots {
            assert_eq!(state.storages[&address()].storage[&hashed_slot(n)], U256::from(n));
        }
        let sorted = state.to_sorted(&B256Map::default());
        assert!(sorted.accounts.is_sorted_by_key(|(key, _)| *key));
        assert!(sorted.storages[&address()].slots.is_sorted_by_key(|(key, _)| *key));
    }

    #[test]
    fn stacking_respects_wipes() {
        let key = B256::repeat_byte;
        let storage = |wiped, slots: &[(u8, u64)]| HashedStorage {
            wiped,
            storage: slots.iter().map(|(k, v)| (key(*k), U256::from(*v))).collect(),
        };
        let mut stacked = storage(false, &[(1, 1), (2, 2)]);
        stacked.extend(&storage(false, &[(2, 0), (3, 3)]));
        assert_eq!(stacked, storage(false, &[(1, 1), (2, 0), (3, 3)]));
        stacked.extend(&storage(true, &[(4, 4)]));
        assert_eq!(stacked, storage(true, &[(4, 4)]));
        stacked.extend(&storage(false, &[(5, 5)]));
        assert_eq!(stacked, storage(true, &[(4, 4), (5, 5)]));
    }

    #[test]
    fn changes_apply_to_rows() {
        let below = TrieAccountRow { storage_root: B256::repeat_byte(7), ..Default::default() };
        let account = Account::new(1, U256::from(2), None);
        let set = |storage_root| AccountChange::Set { account, storage_root };
        let root = |change: AccountChange, below| {
            change.apply(below).map(|row: TrieAccountRow| row.storage_root)
        };
        assert_eq!(root(set(None), Some(below)), Some(below.storage_root));
        assert_eq!(root(set(None), None), Some(EMPTY_ROOT_HASH));
        assert_eq!(root(set(Some(B256::ZERO)), Some(below)), Some(B256::ZERO));
        assert_eq!(root(AccountChange::StorageRoot(B256::ZERO), Some(below)), Some(B256::ZERO));
        assert_eq!(root(AccountChange::StorageRoot(B256::ZERO), None), None);
        assert_eq!(root(AccountChange::Removed, Some(below)), None);
    }
}
