//! The flat account row.

use alloy_primitives::{B256, U256};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY, TrieAccount};
use reth_primitives_traits::Account;

/// What the flat account table keeps for each hashed address.
///
/// It holds the storage root next to the three fields of the account. A leaf can then be hashed
/// from its row alone, also where an unchanged account has to be read again because it sits next
/// to a changed one under a branch that is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TrieAccountRow {
    /// Number of transactions sent, or of contracts created by a contract.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Keccak-256 of the code, [`KECCAK_EMPTY`] when there is none.
    pub code_hash: B256,
    /// Root of the account's storage trie, [`EMPTY_ROOT_HASH`] when it has no slot.
    pub storage_root: B256,
}

impl Default for TrieAccountRow {
    fn default() -> Self {
        Self {
            nonce: 0,
            balance: U256::ZERO,
            code_hash: KECCAK_EMPTY,
            storage_root: EMPTY_ROOT_HASH,
        }
    }
}

impl TrieAccountRow {
    /// Joins an account with the root of its storage.
    pub fn new(account: &Account, storage_root: B256) -> Self {
        Self {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.bytecode_hash.unwrap_or(KECCAK_EMPTY),
            storage_root,
        }
    }

    /// The account without its storage root. A code hash of no code becomes `None`.
    pub fn account(&self) -> Account {
        let code = (self.code_hash != KECCAK_EMPTY).then_some(self.code_hash);
        Account::new(self.nonce, self.balance, code)
    }

    /// The account as it is hashed into the trie (Yellow Paper, section 4.1).
    pub const fn trie_account(&self) -> TrieAccount {
        TrieAccount::new(self.nonce, self.balance, self.storage_root, self.code_hash)
    }
}

impl From<TrieAccountRow> for Account {
    fn from(row: TrieAccountRow) -> Self {
        row.account()
    }
}

impl From<TrieAccountRow> for TrieAccount {
    fn from(row: TrieAccountRow) -> Self {
        row.trie_account()
    }
}

impl From<TrieAccount> for TrieAccountRow {
    fn from(account: TrieAccount) -> Self {
        Self {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash,
            storage_root: account.storage_root,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_without_code_round_trips_as_none() {
        let account = Account::new(3, U256::from(9), None);
        let row = TrieAccountRow::new(&account, EMPTY_ROOT_HASH);
        assert_eq!(row.code_hash, KECCAK_EMPTY);
        assert_eq!(row.account(), account);
    }

    #[test]
    fn trie_account_round_trips() {
        let row = TrieAccountRow {
            nonce: 1,
            balance: U256::from(2),
            code_hash: B256::repeat_byte(3),
            storage_root: B256::repeat_byte(4),
        };
        assert_eq!(TrieAccountRow::from(row.trie_account()), row);
    }
}
