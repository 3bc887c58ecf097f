//! Cursors over stored branch nodes and over flat rows.
//!
//! The root computation reads a store through these traits only. One snapshot serves many threads:
//! a factory is shared, each thread opens its own cursors. All keys ascend: node paths in the order
//! of [`Nibbles`] (by nibble, a prefix before what it is a prefix of), row keys as bytes.

use crate::{StoredBranch, TrieAccountRow};
use alloy_primitives::{B256, U256};
use alloy_trie::Nibbles;
use std::error::Error;

/// A cursor over the stored branch nodes of one trie.
pub trait TrieCursor {
    /// What reading the store can fail with.
    type Error: Error + Send + Sync + 'static;

    /// Moves to `path` and returns its node, or `None` when nothing is stored exactly there (the
    /// position is then unspecified until the next seek).
    ///
    /// # Errors
    /// When the store cannot be read or a row does not decode.
    fn seek_exact(&mut self, path: Nibbles)
    -> Result<Option<(Nibbles, StoredBranch)>, Self::Error>;

    /// Moves to the first node at or after `path`.
    ///
    /// # Errors
    /// When the store cannot be read or a row does not decode.
    fn seek(&mut self, path: Nibbles) -> Result<Option<(Nibbles, StoredBranch)>, Self::Error>;

    /// Moves to the node after the current one; before any seek, to the first one.
    ///
    /// # Errors
    /// When the store cannot be read or a row does not decode.
    fn next(&mut self) -> Result<Option<(Nibbles, StoredBranch)>, Self::Error>;

    /// The path the cursor stands on, `None` before the first seek and past the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn current(&mut self) -> Result<Option<Nibbles>, Self::Error>;
}

/// Opens cursors over stored branch nodes, all on the same snapshot.
pub trait TrieCursorFactory {
    /// What reading the store can fail with.
    type Error: Error + Send + Sync + 'static;
    /// Cursor over the account trie.
    type AccountTrieCursor<'a>: TrieCursor<Error = Self::Error>
    where
        Self: 'a;
    /// Cursor over the storage trie of one account.
    type StorageTrieCursor<'a>: TrieCursor<Error = Self::Error>
    where
        Self: 'a;

    /// Opens a cursor over the account trie.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn account_trie_cursor(&self) -> Result<Self::AccountTrieCursor<'_>, Self::Error>;

    /// Opens a cursor over the storage trie of the account with this hashed address.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn storage_trie_cursor(
        &self,
        hashed_address: B256,
    ) -> Result<Self::StorageTrieCursor<'_>, Self::Error>;
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<V> {
    /// Whether there was a row before the topmost changes.
    pub existed: bool,
    /// The row there is now.
    pub row: Option<V>,
}

/// A cursor over flat rows, keyed by hash.
pub trait HashedCursor {
    /// The value of a row.
    type Value: Copy;
    /// What reading the store can fail with.
    type Error: Error + Send + Sync + 'static;

    /// Moves to the first row at or after `key`.
    ///
    /// # Errors
    /// When the store cannot be read or a row does not decode.
    fn seek(&mut self, key: B256) -> Result<Option<(B256, Self::Value)>, Self::Error>;

    /// Moves to the row after the current one; before any seek, to the first one. Past the end it
    /// stays past the end.
    ///
    /// # Errors
    /// When the store cannot be read or a row does not decode.
    fn next(&mut self) -> Result<Option<(B256, Self::Value)>, Self::Error>;

    /// The row of a key. Does not move the cursor.
    ///
    /// # Errors
    /// When the store cannot be read or a row does not decode.
    fn get(&mut self, key: B256) -> Result<Option<Self::Value>, Self::Error>;

    /// The row of a key before and after the topmost changes; a store itself has none. Does not move
    /// the cursor.
    ///
    /// # Errors
    /// When the store cannot be read or a row does not decode.
    fn change(&mut self, key: B256) -> Result<Change<Self::Value>, Self::Error> {
        let row = self.get(key)?;
        Ok(Change { existed: row.is_some(), row })
    }
}

/// A cursor over the slots of one account. A store never holds a slot with the value zero.
pub trait HashedStorageCursor: HashedCursor<Value = U256> {
    /// Whether the account has no slot. Moves the cursor.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn is_storage_empty(&mut self) -> Result<bool, Self::Error> {
        Ok(self.seek(B256::ZERO)?.is_none())
    }
}

/// Opens cursors over flat rows, all on the same snapshot.
pub trait HashedCursorFactory {
    /// What reading the store can fail with.
    type Error: Error + Send + Sync + 'static;
    /// Cursor over the accounts.
    type AccountCursor<'a>: HashedCursor<Value = TrieAccountRow, Error = Self::Error>
    where
        Self: 'a;
    /// Cursor over the slots of one account.
    type StorageCursor<'a>: HashedStorageCursor<Error = Self::Error>
    where
        Self: 'a;

    /// Opens a cursor over the accounts.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn hashed_account_cursor(&self) -> Result<Self::AccountCursor<'_>, Self::Error>;

    /// Opens a cursor over the slots of the account with this hashed address.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn hashed_storage_cursor(
        &self,
        hashed_address: B256,
    ) -> Result<Self::StorageCursor<'_>, Self::Error>;
}

impl<F: TrieCursorFactory> TrieCursorFactory for &F {
    type Error = F::Error;
    type AccountTrieCursor<'a>
        = F::AccountTrieCursor<'a>
    where
        Self: 'a;
    type StorageTrieCursor<'a>
        = F::StorageTrieCursor<'a>
    where
        Self: 'a;

    fn account_trie_cursor(&self) -> Result<Self::AccountTrieCursor<'_>, Self::Error> {
        (**self).account_trie_cursor()
    }

    fn storage_trie_cursor(
        &self,
        hashed_address: B256,
    ) -> Result<Self::StorageTrieCursor<'_>, Self::Error> {
        (**self).storage_trie_cursor(hashed_address)
    }
}

impl<F: HashedCursorFactory> HashedCursorFactory for &F {
    type Error = F::Error;
    type AccountCursor<'a>
        = F::AccountCursor<'a>
    where
        Self: 'a;
    type StorageCursor<'a>
        = F::StorageCursor<'a>
    where
        Self: 'a;

    fn hashed_account_cursor(&self) -> Result<Self::AccountCursor<'_>, Self::Error> {
        (**self).hashed_account_cursor()
    }

    fn hashed_storage_cursor(
        &self,
        hashed_address: B256,
    ) -> Result<Self::StorageCursor<'_>, Self::Error> {
        (**self).hashed_storage_cursor(hashed_address)
    }
}
