//! Flat state rows of one block: new rows, versions, and the values before.

use alloy_primitives::{B256, U256, map::B256Map};
use peruri_trie::{AccountChange, HashedPostState, TrieAccountRow};
use rayon::slice::ParallelSliceMut;

use crate::{
    ExecutedBlock, ProviderResult,
    codecs::{
        account,
        changes::{BlockChanges, OldSlots},
        keys,
    },
    db::{Batch, Column, Db, ReadView},
};

/// Flat rows as the blocks of one batch leave them; what is not here stands in the database.
#[derive(Default)]
pub(super) struct Pending {
    accounts: B256Map<Option<TrieAccountRow>>,
    storages: B256Map<PendingStorage>,
    /// More blocks follow in this batch, so that rows have to be remembered.
    remember: bool,
}

#[derive(Default)]
struct PendingStorage {
    wiped: bool,
    slots: B256Map<U256>,
}

/// Adds the flat state of a block to the batch and returns the values before it.
pub(super) fn write_state(
    db: &std::sync::Arc<Db>,
    batch: &mut Batch,
    pending: &mut Pending,
    block: &ExecutedBlock,
) -> ProviderResult<BlockChanges> {
    let number = block.number();
    let accounts = write_accounts(db, batch, pending, block, number)?;
    let storages = write_storages(db, batch, pending, &block.hashed_state, number)?;
    Ok(BlockChanges { accounts, storages })
}

fn write_accounts(
    db: &Db,
    batch: &mut Batch,
    pending: &mut Pending,
    block: &ExecutedBlock,
    number: u64,
) -> ProviderResult<Vec<(B256, Option<TrieAccountRow>)>> {
    let changed = account_changes(&block.hashed_state, &block.trie.storage_roots);
    let addresses: Vec<B256> = changed.iter().map(|(address, _)| *address).collect();
    let before = pending.accounts_before(db, &addresses)?;
    let mut old = Vec::with_capacity(changed.len());
    for ((address, change), before) in changed.into_iter().zip(before) {
        let after = change.apply(before);
        if after == before {
            continue;
        }
        let row = after.as_ref().map(account::encode);
        batch.put(
            Column::AccountVersions,
            keys::account_version(&address, number),
            row.as_deref().unwrap_or_default(),
        );
        match row {
            Some(row) => batch.put(Column::HashedAccounts, address, row),
            None => batch.delete(Column::HashedAccounts, *address),
        }
        if pending.remember {
            pending.accounts.insert(address, after);
        }
        old.push((address, before));
    }
    Ok(old)
}

/// What happens to each account row: new fields, a new storage root, or both; ascending.
fn account_changes(state: &HashedPostState, roots: &B256Map<B256>) -> Vec<(B256, AccountChange)> {
    let mut changes: Vec<_> = state
        .accounts
        .iter()
        .map(|(address, account)| {
            let change = match account {
                Some(account) => AccountChange::Set {
                    account: *account,
                    storage_root: roots.get(address).copied(),
                },
                None => AccountChange::Removed,
            };
            (*address, change)
        })
        .collect();
    let only_storage = roots.iter().filter(|(address, _)| !state.accounts.contains_key(*address));
    changes
        .extend(only_storage.map(|(address, root)| (*address, AccountChange::StorageRoot(*root))));
    changes.par_sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    changes
}

fn write_storages(
    db: &std::sync::Arc<Db>,
    batch: &mut Batch,
    pending: &mut Pending,
    state: &HashedPostState,
    number: u64,
) -> ProviderResult<Vec<OldSlots>> {
    let mut old = Vec::with_capacity(state.storages.len());
    let mut storages: Vec<_> = state.storages.iter().collect();
    storages.par_sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let before = pending.slots_before(db, &storages)?;
    for ((address, storage), mut before) in storages.into_iter().zip(before) {
        if storage.wiped {
            // Every slot there was is written as zero, unless it is set again.
            before = pending.all_slots(db, address)?;
            let known: B256Map<()> = before.iter().map(|(slot, _)| (*slot, ())).collect();
            let fresh = storage.storage.keys().filter(|slot| !known.contains_key(*slot));
            before.extend(fresh.map(|slot| (*slot, U256::ZERO)));
            before.sort_unstable_by_key(|(slot, _)| *slot);
        }
        let mut old_slots = Vec::with_capacity(before.len());
        for (slot, was) in before {
            let is = storage.storage.get(&slot).copied().unwrap_or_default();
            if is == was {
                continue;
            }
            let row = account::encode_value(&is);
            let version = keys::storage_version(address, &slot, number);
            batch.put(Column::StorageVersions, version, &row);
            let key = keys::storage(address, &slot);
            if is.is_zero() {
                batch.delete(Column::HashedStorages, key);
            } else {
                batch.put(Column::HashedStorages, key, row);
            }
            old_slots.push((slot, was));
        }
        if pending.remember {
            let entry = pending.storages.entry(*address).or_default();
            if storage.wiped {
                entry.wiped = true;
                entry.slots.clear();
            }
            entry.slots.extend(storage.storage.iter().map(|(slot, value)| (*slot, *value)));
        }
        if !old_slots.is_empty() {
            old.push((*address, old_slots));
        }
    }
    Ok(old)
}

impl Pending {
    /// `several` blocks go into the batch, or one.
    pub(super) fn new(several: bool) -> Self {
        Self { remember: several, ..Self::default() }
    }

    /// Rows before this block, of ascending addresses.
    fn accounts_before(
        &self,
        db: &Db,
        addresses: &[B256],
    ) -> ProviderResult<Vec<Option<TrieAccountRow>>> {
        let column = Column::HashedAccounts;
        let stored = db.multi_get(column, addresses)?;
        addresses
            .iter()
            .zip(stored)
            .map(|(address, stored)| match self.accounts.get(address) {
                Some(row) => Ok(*row),
                None => stored.map(|row| account::decode(column.name(), &row)).transpose(),
            })
            .collect()
    }

    /// Changed slots with the values before this block; ascending. Wiped storages are left to
    /// [`all_slots`](Self::all_slots).
    fn slots_before(
        &self,
        db: &Db,
        storages: &[(&B256, &peruri_trie::HashedStorage)],
    ) -> ProviderResult<Vec<Vec<(B256, U256)>>> {
        let column = Column::HashedStorages;
        let mut wanted = Vec::new();
        let mut counts = Vec::with_capacity(storages.len());
        for (address, storage) in storages {
            let start = wanted.len();
            if !storage.wiped {
                wanted.extend(storage.storage.keys().map(|slot| keys::storage(address, slot)));
                wanted[start..].par_sort_unstable();
            }
            counts.push(wanted.len() - start);
        }
        let mut stored = wanted.iter().zip(db.multi_get(column, &wanted)?);
        let mut before = Vec::with_capacity(storages.len());
        for ((address, _), count) in storages.iter().zip(counts) {
            let pending = self.storages.get(*address);
            let mut slots = Vec::with_capacity(count);
            for (key, row) in stored.by_ref().take(count) {
                let slot = B256::from_slice(&key[32..]);
                let known = pending.and_then(|p| match p.slots.get(&slot) {
                    Some(value) => Some(*value),
                    None => p.wiped.then_some(U256::ZERO),
                });
                let value = match (known, row) {
                    (Some(value), _) => value,
                    (None, Some(row)) => account::decode_value(column.name(), &row)?,
                    (None, None) => U256::ZERO,
                };
                slots.push((slot, value));
            }
            before.push(slots);
        }
        Ok(before)
    }

    /// Every slot of an account with its value before this block.
    fn all_slots(
        &self,
        db: &std::sync::Arc<Db>,
        address: &B256,
    ) -> ProviderResult<Vec<(B256, U256)>> {
        let pending = self.storages.get(address);
        let mut slots = B256Map::default();
        if !pending.is_some_and(|pending| pending.wiped) {
            let view = ReadView::new(std::sync::Arc::clone(db));
            let mut rows = view.prefix_cursor(Column::HashedStorages, address.as_slice())?;
            let mut row = rows.seek(address)?;
            while let Some(found) = row {
                let (slot, value) = crate::state::parse_slot(found)?;
                slots.insert(slot, value);
                row = rows.next()?;
            }
        }
        if let Some(pending) = pending {
            slots.extend(pending.slots.iter().map(|(slot, value)| (*slot, *value)));
        }
        Ok(slots.into_iter().filter(|(_, value)| !value.is_zero()).collect())
    }
}
