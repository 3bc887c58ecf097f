//! Flat-row cursors that count what they read.

use std::cell::RefCell;

use alloy_primitives::B256;
use peruri_trie::{HashedCursor, HashedCursorFactory, HashedStorageCursor};

use super::progress::Counter;

/// Counts each row a cursor of the inner factory returns.
pub(super) struct Counted<'c, 'p, F> {
    inner: F,
    counter: &'c RefCell<Counter<'p>>,
}

impl<'c, 'p, F> Counted<'c, 'p, F> {
    pub(super) const fn new(inner: F, counter: &'c RefCell<Counter<'p>>) -> Self {
        Self { inner, counter }
    }
}

pub(super) struct CountedCursor<'c, 'p, C> {
    inner: C,
    counter: &'c RefCell<Counter<'p>>,
}

impl<C: HashedCursor> HashedCursor for CountedCursor<'_, '_, C> {
    type Value = C::Value;
    type Error = C::Error;

    fn seek(&mut self, key: B256) -> Result<Option<(B256, C::Value)>, C::Error> {
        let row = self.inner.seek(key)?;
        if row.is_some() {
            self.counter.borrow_mut().step();
        }
        Ok(row)
    }

    fn next(&mut self) -> Result<Option<(B256, C::Value)>, C::Error> {
        let row = self.inner.next()?;
        if row.is_some() {
            self.counter.borrow_mut().step();
        }
        Ok(row)
    }

    fn get(&mut self, key: B256) -> Result<Option<C::Value>, C::Error> {
        self.inner.get(key)
    }
}

impl<C: HashedStorageCursor> HashedStorageCursor for CountedCursor<'_, '_, C> {}

impl<'c, 'p, F: HashedCursorFactory> HashedCursorFactory for Counted<'c, 'p, F> {
    type Error = F::Error;
    type AccountCursor<'a>
        = CountedCursor<'c, 'p, F::AccountCursor<'a>>
    where
        Self: 'a;
    type StorageCursor<'a>
        = CountedCursor<'c, 'p, F::StorageCursor<'a>>
    where
        Self: 'a;

    fn hashed_account_cursor(&self) -> Result<Self::AccountCursor<'_>, Self::Error> {
        Ok(CountedCursor { inner: self.inner.hashed_account_cursor()?, counter: self.counter })
    }

    fn hashed_storage_cursor(
        &self,
        hashed_address: B256,
    ) -> Result<Self::StorageCursor<'_>, Self::Error> {
        let inner = self.inner.hashed_storage_cursor(hashed_address)?;
        Ok(CountedCursor { inner, counter: self.counter })
    }
}
