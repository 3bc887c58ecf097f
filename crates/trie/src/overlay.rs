//! Changes that are not written yet, on top of a store.
//!
//! An overlay is itself a cursor factory, so overlays stack; the parents of a block are better
//! merged into one ([`HashedPostState::extend`](crate::HashedPostState::extend),
//! [`TrieUpdates::extend`](crate::TrieUpdates::extend)).

use crate::{
    AccountChange, Change, HashedCursor, HashedCursorFactory, HashedPostStateSorted,
    HashedStorageCursor, StoredBranch, TrieAccountRow, TrieCursor, TrieCursorFactory, TrieUpdates,
};
use alloy_primitives::{B256, U256};
use alloy_trie::Nibbles;

/// A change of one flat row.
pub trait RowChange {
    /// The row.
    type Row: Copy;

    /// The row that results from the one below, `None` for no row.
    fn apply_to(&self, below: Option<Self::Row>) -> Option<Self::Row>;
}

impl RowChange for AccountChange {
    type Row = TrieAccountRow;

    fn apply_to(&self, below: Option<TrieAccountRow>) -> Option<TrieAccountRow> {
        self.apply(below)
    }
}

/// A slot's new value; zero removes it.
impl RowChange for U256 {
    type Row = Self;

    fn apply_to(&self, _below: Option<Self>) -> Option<Self> {
        (!self.is_zero()).then_some(*self)
    }
}

/// Index of the first entry at or after `key`, found from `from` on. Seeks mostly go forward and
/// not far, so the distance is doubled until the key is passed.
fn lower_bound<K: Ord, V>(entries: &[(K, V)], from: usize, key: &K) -> usize {
    let from =
        if from > 0 && entries.get(from - 1).is_none_or(|(k, _)| k >= key) { 0 } else { from };
    let mut end = from;
    let mut step = 1;
    while entries.get(end).is_some_and(|(k, _)| k < key) {
        end = (end + step).min(entries.len());
        step *= 2;
    }
    let start = from.max(end.saturating_sub(step / 2));
    start + entries[start..end].partition_point(|(k, _)| k < key)
}

/// The row of the base cursor that was not handed out yet.
#[derive(Clone, Copy, Debug)]
enum BaseRow<V> {
    /// Has to be read by stepping on.
    Unread,
    At(B256, V),
    End,
}

impl<V> From<Option<(B256, V)>> for BaseRow<V> {
    fn from(row: Option<(B256, V)>) -> Self {
        row.map_or(Self::End, |(key, value)| Self::At(key, value))
    }
}

/// Flat rows with changes on top.
#[derive(Debug)]
pub struct OverlayHashedCursor<'a, C: HashedCursor, D> {
    /// `None` when all rows below are gone.
    base: Option<C>,
    base_row: BaseRow<C::Value>,
    changes: &'a [(B256, D)],
    index: usize,
    /// Where the last look-up of a single row ended.
    looked_up: usize,
}

impl<'a, C, D> OverlayHashedCursor<'a, C, D>
where
    C: HashedCursor,
    D: RowChange<Row = C::Value>,
{
    /// Puts changes, ascending by key, on top of a cursor; on top of nothing when `base` is `None`.
    pub const fn new(base: Option<C>, changes: &'a [(B256, D)]) -> Self {
        Self { base, base_row: BaseRow::Unread, changes, index: 0, looked_up: 0 }
    }

    /// The next row of base and changes together.
    fn merged(&mut self) -> Result<Option<(B256, C::Value)>, C::Error> {
        loop {
            // Rows are large: one that the next change does not concern is handed on at once.
            let below = match std::mem::replace(&mut self.base_row, BaseRow::Unread) {
                BaseRow::At(key, value) => Some((key, value)),
                BaseRow::Unread => match &mut self.base {
                    Some(base) => base.next()?,
                    None => None,
                },
                BaseRow::End => None,
            };
            let Some((changed, change)) = self.changes.get(self.index) else {
                if below.is_none() {
                    self.base_row = BaseRow::End;
                }
                return Ok(below);
            };
            let row = match below {
                Some((key, _)) if key < *changed => return Ok(below),
                Some((key, value)) if key == *changed => change.apply_to(Some(value)),
                below => {
                    self.base_row = below.into();
                    change.apply_to(None)
                }
            };
            self.index += 1;
            if let Some(row) = row {
                return Ok(Some((*changed, row)));
            }
        }
    }
}

impl<C, D> HashedCursor for OverlayHashedCursor<'_, C, D>
where
    C: HashedCursor,
    D: RowChange<Row = C::Value>,
{
    type Value = C::Value;
    type Error = C::Error;

    fn seek(&mut self, key: B256) -> Result<Option<(B256, C::Value)>, C::Error> {
        self.base_row = match &mut self.base {
            Some(base) => base.seek(key)?.into(),
            None => BaseRow::End,
        };
        self.index = lower_bound(self.changes, self.index, &key);
        self.merged()
    }

    fn next(&mut self) -> Result<Option<(B256, C::Value)>, C::Error> {
        self.merged()
    }

    fn get(&mut self, key: B256) -> Result<Option<C::Value>, C::Error> {
        Ok(self.change(key)?.row)
    }

    fn change(&mut self, key: B256) -> Result<Change<C::Value>, C::Error> {
        let below = match &mut self.base {
            Some(base) => base.get(key)?,
            None => None,
        };
        self.looked_up = lower_bound(self.changes, self.looked_up, &key);
        let row = match self.changes.get(self.looked_up) {
            Some((changed, change)) if *changed == key => change.apply_to(below),
            _ => below,
        };
        Ok(Change { existed: below.is_some(), row })
    }
}

impl<C: HashedStorageCursor> HashedStorageCursor for OverlayHashedCursor<'_, C, U256> {}

/// Flat state with unwritten changes on top.
#[derive(Clone, Copy, Debug)]
pub struct OverlayHashedCursors<'o, F> {
    base: F,
    overlay: &'o HashedPostStateSorted,
}

impl<'o, F> OverlayHashedCursors<'o, F> {
    /// Puts `overlay` on top of `base`.
    pub const fn new(base: F, overlay: &'o HashedPostStateSorted) -> Self {
        Self { base, overlay }
    }
}

impl<F: HashedCursorFactory> HashedCursorFactory for OverlayHashedCursors<'_, F> {
    type Error = F::Error;
    type AccountCursor<'a>
        = OverlayHashedCursor<'a, F::AccountCursor<'a>, AccountChange>
    where
        Self: 'a;
    type StorageCursor<'a>
        = OverlayHashedCursor<'a, F::StorageCursor<'a>, U256>
    where
        Self: 'a;

    fn hashed_account_cursor(&self) -> Result<Self::AccountCursor<'_>, Self::Error> {
        let base = self.base.hashed_account_cursor()?;
        Ok(OverlayHashedCursor::new(Some(base), &self.overlay.accounts))
    }

    fn hashed_storage_cursor(
        &self,
        hashed_address: B256,
    ) -> Result<Self::StorageCursor<'_>, Self::Error> {
        let storage = self.overlay.storages.get(&hashed_address);
        let base = match storage {
            Some(storage) if storage.wiped => None,
            _ => Some(self.base.hashed_storage_cursor(hashed_address)?),
        };
        Ok(OverlayHashedCursor::new(base, storage.map_or(&[], |storage| &storage.slots)))
    }
}

/// Stored nodes with changes on top.
#[derive(Debug)]
pub struct OverlayTrieCursor<'a, C> {
    base: Option<C>,
    changes: &'a [(Nibbles, Option<StoredBranch>)],
    index: usize,
    current: Option<Nibbles>,
    started: bool,
}

impl<'a, C: TrieCursor> OverlayTrieCursor<'a, C> {
    /// Puts changes, ascending by path, on top of a cursor; on top of nothing when `base` is
    /// `None`.
    pub const fn new(base: Option<C>, changes: &'a [(Nibbles, Option<StoredBranch>)]) -> Self {
        Self { base, changes, index: 0, current: None, started: false }
    }

    fn arrive(
        &mut self,
        found: Option<(Nibbles, StoredBranch)>,
    ) -> Option<(Nibbles, StoredBranch)> {
        self.started = true;
        self.current = found.as_ref().map(|(path, _)| *path);
        found
    }

    /// Merges from the given base entry on.
    fn merge(
        &mut self,
        mut below: Option<(Nibbles, StoredBranch)>,
    ) -> Result<Option<(Nibbles, StoredBranch)>, C::Error> {
        loop {
            let Some((changed, node)) = self.changes.get(self.index) else { return Ok(below) };
            if below.as_ref().is_some_and(|(path, _)| path < changed) {
                return Ok(below);
            }
            if let Some(node) = node {
                return Ok(Some((*changed, node.clone())));
            }
            self.index += 1;
            if let (Some((path, _)), Some(base)) = (&below, &mut self.base)
                && path == changed
            {
                below = base.next()?;
            }
        }
    }
}

impl<C: TrieCursor> TrieCursor for OverlayTrieCursor<'_, C> {
    type Error = C::Error;

    fn seek_exact(&mut self, path: Nibbles) -> Result<Option<(Nibbles, StoredBranch)>, C::Error> {
        self.index = lower_bound(self.changes, self.index, &path);
        let found = match self.changes.get(self.index) {
            Some((changed, node)) if *changed == path => node.clone().map(|node| (path, node)),
            _ => match &mut self.base {
                Some(base) => base.seek_exact(path)?,
                None => None,
            },
        };
        Ok(self.arrive(found))
    }

    fn seek(&mut self, path: Nibbles) -> Result<Option<(Nibbles, StoredBranch)>, C::Error> {
        self.index = lower_bound(self.changes, self.index, &path);
        let below = match &mut self.base {
            Some(base) => base.seek(path)?,
            None => None,
        };
        let found = self.merge(below)?;
        Ok(self.arrive(found))
    }

    fn next(&mut self) -> Result<Option<(Nibbles, StoredBranch)>, C::Error> {
        let Some(current) = self.current else {
            return if self.started { Ok(None) } else { self.seek(Nibbles::new()) };
        };
        // The base may stand anywhere: bring it to the first node after the current one.
        self.index = lower_bound(self.changes, self.index, &current);
        if self.changes.get(self.index).is_some_and(|(path, _)| *path == current) {
            self.index += 1;
        }
        let below = match &mut self.base {
            Some(base) => match base.seek(current)? {
                Some((path, _)) if path == current => base.next()?,
                found => found,
            },
            None => None,
        };
        let found = self.merge(below)?;
        Ok(self.arrive(found))
    }

    fn current(&mut self) -> Result<Option<Nibbles>, C::Error> {
        Ok(self.current)
    }
}

/// Stored nodes with unwritten changes on top.
#[derive(Clone, Copy, Debug)]
pub struct OverlayTrieCursors<'o, F> {
    base: F,
    overlay: &'o TrieUpdates,
}

impl<'o, F> OverlayTrieCursors<'o, F> {
    /// Puts `overlay` on top of `base`.
    pub const fn new(base: F, overlay: &'o TrieUpdates) -> Self {
        Self { base, overlay }
    }
}

impl<F: TrieCursorFactory> TrieCursorFactory for OverlayTrieCursors<'_, F> {
    type Error = F::Error;
    type AccountTrieCursor<'a>
        = OverlayTrieCursor<'a, F::AccountTrieCursor<'a>>
    where
        Self: 'a;
    type StorageTrieCursor<'a>
        = OverlayTrieCursor<'a, F::StorageTrieCursor<'a>>
    where
        Self: 'a;

    fn account_trie_cursor(&self) -> Result<Self::AccountTrieCursor<'_>, Self::Error> {
        let base = self.base.account_trie_cursor()?;
        Ok(OverlayTrieCursor::new(Some(base), &self.overlay.account_nodes))
    }

    fn storage_trie_cursor(
        &self,
        hashed_address: B256,
    ) -> Result<Self::StorageTrieCursor<'_>, Self::Error> {
        let updates = self.overlay.storage_tries.get(&hashed_address);
        let base = match updates {
            Some(updates) if updates.is_deleted => None,
            _ => Some(self.base.storage_trie_cursor(hashed_address)?),
        };
        Ok(OverlayTrieCursor::new(base, updates.map_or(&[], |updates| &updates.nodes)))
    }
}
