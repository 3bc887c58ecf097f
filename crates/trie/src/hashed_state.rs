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
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    } else {
        entries.par_sort_unstable_by(|a, b| a.0.cmp(&b.0));
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
