//! Flat rows that were read through one view of the head.
//!
//! Execution reads the row of every account and slot that it changes; the state root needs the same
//! rows again. A view never changes, so a row that was read stands for as long as the view.

use std::hash::Hash;

use alloy_primitives::{B256, U256, map::HashMap};
use parking_lot::RwLock;
use peruri_trie::TrieAccountRow;

use crate::ProviderResult;

/// Accounts, and slots, that a view remembers: more than 100 million gas can read (EIP-2929), in at
/// most about 20 MiB.
const REMEMBERED: usize = 1 << 16;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SeenRows {
    accounts: Rows<B256, Option<TrieAccountRow>>,
    slots: Rows<(B256, B256), U256>,
}

type Rows<K, V> = RwLock<HashMap<K, V>>;

impl SeenRows {
    /// The row of an account, which `read` reads if it is not remembered.
    pub(super) fn account(
        &self,
        address: &B256,
        read: impl FnOnce() -> ProviderResult<Option<TrieAccountRow>>,
    ) -> ProviderResult<Option<TrieAccountRow>> {
        remembered(&self.accounts, *address, read)
    }

    /// The value of a slot, which `read` reads if it is not remembered.
    pub(super) fn slot(
        &self,
        address: &B256,
        slot: &B256,
        read: impl FnOnce() -> ProviderResult<U256>,
    ) -> ProviderResult<U256> {
        remembered(&self.slots, (*address, *slot), read)
    }
}

fn remembered<K: Hash + Eq, V: Copy>(
    rows: &Rows<K, V>,
    key: K,
    read: impl FnOnce() -> ProviderResult<V>,
) -> ProviderResult<V> {
    let seen = rows.read().get(&key).copied();
    if let Some(value) = seen {
        return Ok(value);
    }
    let value = read()?;
    let mut rows = rows.write();
    if rows.len() < REMEMBERED {
        rows.insert(key, value);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProviderError;

    #[test]
    fn a_row_is_read_once() -> ProviderResult<()> {
        let (seen, address, slot) = (SeenRows::default(), B256::ZERO, B256::repeat_byte(1));
        let unexpected = || Err(ProviderError::NotInitialised);
        assert!(seen.slot(&address, &slot, unexpected).is_err());
        assert_eq!(seen.slot(&address, &slot, || Ok(U256::ONE))?, U256::ONE);
        assert_eq!(seen.slot(&address, &slot, unexpected)?, U256::ONE);
        assert!(seen.slot(&slot, &address, unexpected).is_err());
        assert_eq!(seen.account(&address, || Ok(None))?, None);
        assert_eq!(seen.account(&address, || Err(ProviderError::NotInitialised))?, None);
        Ok(())
    }

    #[test]
    fn memory_is_bounded() -> ProviderResult<()> {
        let rows = Rows::default();
        for key in 0..=REMEMBERED {
            remembered(&rows, key, || Ok(key))?;
        }
        assert_eq!(rows.read().len(), REMEMBERED);
        assert_eq!(remembered(&rows, REMEMBERED, || Ok(7))?, 7);
        Ok(())
    }
}
