//! The trie's cursors over one view: newest rows, or the rows as of a block.

use alloy_primitives::{B256, U256};
use peruri_trie::{
    HashedCursor, HashedCursorFactory, HashedStorageCursor, Nibbles, PACKED_PATH_LEN, StoredBranch,
    TrieAccountRow, TrieCursor, TrieCursorFactory, pack_path, unpack_path,
};

use super::{
    history::{AccountsAt, SlotsAt},
    node_cache::NodeCache,
    trie_history::NodesAt,
};
use crate::{
    ProviderError, ProviderResult,
    codecs::{account, keys, node},
    db::{Column, Cursor, ReadView},
};

/// Cursors over a view: at the head, or at an older block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StateCursors<'v> {
    view: &'v ReadView,
    source: Source<'v>,
}

/// Which state of a view is read.
#[derive(Debug, Clone, Copy)]
enum Source<'v> {
    /// Its head.
    Newest(Option<CachedNodes<'v>>),
    /// An older block.
    At(u64),
}

/// The nodes in memory, with the number of the view's head.
type CachedNodes<'v> = (&'v NodeCache, u64);

impl<'v> StateCursors<'v> {
    /// The state of the view's head, from the database alone.
    pub(crate) const fn newest(view: &'v ReadView) -> Self {
        Self { view, source: Source::Newest(None) }
    }

    /// The state of the view's head, which is block `head`.
    pub(super) const fn cached(view: &'v ReadView, nodes: &'v NodeCache, head: u64) -> Self {
        Self { view, source: Source::Newest(Some((nodes, head))) }
    }

    /// The state of an older block.
    pub(super) const fn at(view: &'v ReadView, number: u64) -> Self {
        Self { view, source: Source::At(number) }
    }

    fn nodes(&self, address: Option<B256>) -> NodeCursor<'v> {
        match self.source {
            Source::Newest(cached) => {
                NodeCursor::Newest(Box::new(NewestNodes::new(self.view, cached, address)))
            }
            Source::At(number) => {
                NodeCursor::At(Box::new(NodesAt::new(self.view, address, number)))
            }
        }
    }
}

impl<'v> TrieCursorFactory for StateCursors<'v> {
    type Error = ProviderError;
    type AccountTrieCursor<'a>
        = NodeCursor<'v>
    where
        Self: 'a;
    type StorageTrieCursor<'a>
        = NodeCursor<'v>
    where
        Self: 'a;

    fn account_trie_cursor(&self) -> ProviderResult<NodeCursor<'v>> {
        Ok(self.nodes(None))
    }

    fn storage_trie_cursor(&self, hashed_address: B256) -> ProviderResult<NodeCursor<'v>> {
        Ok(self.nodes(Some(hashed_address)))
    }
}

impl<'v> HashedCursorFactory for StateCursors<'v> {
    type Error = ProviderError;
    type AccountCursor<'a>
        = AccountCursor<'v>
    where
        Self: 'a;
    type StorageCursor<'a>
        = SlotCursor<'v>
    where
        Self: 'a;

    fn hashed_account_cursor(&self) -> ProviderResult<AccountCursor<'v>> {
        Ok(match self.source {
            Source::Newest(_) => AccountCursor::Newest {
                view: self.view,
                rows: self.view.cursor(Column::HashedAccounts)?,
                started: false,
            },
            Source::At(number) => AccountCursor::At(AccountsAt::new(self.view, number)?),
        })
    }

    fn hashed_storage_cursor(&self, hashed_address: B256) -> ProviderResult<SlotCursor<'v>> {
        Ok(match self.source {
            Source::Newest(_) => SlotCursor::Newest {
                view: self.view,
                rows: self.view.prefix_cursor(Column::HashedStorages, hashed_address.as_slice())?,
                address: hashed_address,
                started: false,
            },
            Source::At(number) => SlotCursor::At(SlotsAt::new(self.view, hashed_address, number)?),
        })
    }
}

/// Accounts by hashed address.
pub(crate) enum AccountCursor<'v> {
    Newest { view: &'v ReadView, rows: Cursor<'v>, started: bool },
    At(AccountsAt<'v>),
}

impl HashedCursor for AccountCursor<'_> {
    type Value = TrieAccountRow;
    type Error = ProviderError;

    fn seek(&mut self, key: B256) -> ProviderResult<Option<(B256, TrieAccountRow)>> {
        match self {
            Self::Newest { rows, started, .. } => {
                *started = true;
                rows.seek(key)?.map(parse_account).transpose()
            }
            Self::At(rows) => rows.seek(key),
        }
    }

    fn next(&mut self) -> ProviderResult<Option<(B256, TrieAccountRow)>> {
        match self {
            Self::Newest { rows, started, .. } => {
                let row = if *started { rows.next()? } else { rows.first()? };
                *started = true;
                row.map(parse_account).transpose()
            }
            Self::At(rows) => rows.next(),
        }
    }

    fn get(&mut self, key: B256) -> ProviderResult<Option<TrieAccountRow>> {
        match self {
            Self::Newest { view, .. } => newest_account(view, &key),
            Self::At(rows) => rows.get(&key),
        }
    }
}

/// The account's row as the view's head has it.
pub(super) fn newest_account(
    view: &ReadView,
    address: &B256,
) -> ProviderResult<Option<TrieAccountRow>> {
    let column = Column::HashedAccounts;
    let row = view.get(column, address)?;
    row.map(|row| account::decode(column.name(), &row)).transpose()
}

fn parse_account((key, row): (&[u8], &[u8])) -> ProviderResult<(B256, TrieAccountRow)> {
    let column = Column::HashedAccounts.name();
    let address =
        B256::try_from(key).map_err(|_| ProviderError::codec(column, "key is not a hash"))?;
    Ok((address, account::decode(column, row)?))
}

/// Slots of one account by hashed slot.
pub(crate) enum SlotCursor<'v> {
    Newest { view: &'v ReadView, rows: Cursor<'v>, address: B256, started: bool },
    At(SlotsAt<'v>),
}

impl HashedCursor for SlotCursor<'_> {
    type Value = U256;
    type Error = ProviderError;

    fn seek(&mut self, key: B256) -> ProviderResult<Option<(B256, U256)>> {
        match self {
            Self::Newest { rows, address, started, .. } => {
                *started = true;
                rows.seek(keys::storage(address, &key))?.map(parse_slot).transpose()
            }
            Self::At(rows) => rows.seek(key),
        }
    }

    fn next(&mut self) -> ProviderResult<Option<(B256, U256)>> {
        match self {
            Self::Newest { rows, address, started, .. } => {
                let row = if *started {
                    rows.next()?
                } else {
                    rows.seek(keys::storage(address, &B256::ZERO))?
                };
                *started = true;
                row.map(parse_slot).transpose()
            }
            Self::At(rows) => rows.next(),
        }
    }

    fn get(&mut self, key: B256) -> ProviderResult<Option<U256>> {
        let value = match self {
            Self::Newest { view, address, .. } => newest_slot(view, address, &key)?,
            Self::At(rows) => rows.get(&key)?,
        };
        Ok((!value.is_zero()).then_some(value))
    }
}

/// The slot's value as the view's head has it.
pub(super) fn newest_slot(view: &ReadView, address: &B256, slot: &B256) -> ProviderResult<U256> {
    let column = Column::HashedStorages;
    match view.get(column, keys::storage(address, slot))? {
        Some(row) => account::decode_value(column.name(), &row),
        None => Ok(U256::ZERO),
    }
}

impl HashedStorageCursor for SlotCursor<'_> {}

pub(crate) fn parse_slot((key, row): (&[u8], &[u8])) -> ProviderResult<(B256, U256)> {
    let column = Column::HashedStorages.name();
    let slot = key
        .get(32..)
        .and_then(|slot| B256::try_from(slot).ok())
        .ok_or_else(|| ProviderError::codec(column, "key is not two hashes"))?;
    Ok((slot, account::decode_value(column, row)?))
}

/// Stored nodes of one trie.
pub(crate) enum NodeCursor<'v> {
    Newest(Box<NewestNodes<'v>>),
    At(Box<NodesAt<'v>>),
}

impl TrieCursor for NodeCursor<'_> {
    type Error = ProviderError;

    fn seek_exact(&mut self, path: Nibbles) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        match self {
            Self::Newest(nodes) => nodes.seek_exact(path),
            Self::At(nodes) => nodes.seek_exact(path),
        }
    }

    fn seek(&mut self, path: Nibbles) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        match self {
            Self::Newest(nodes) => nodes.seek(path),
            Self::At(nodes) => nodes.seek(path),
        }
    }

    fn next(&mut self) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        match self {
            Self::Newest(nodes) => nodes.next(),
            Self::At(nodes) => nodes.next(),
        }
    }

    fn current(&mut self) -> ProviderResult<Option<Nibbles>> {
        Ok(match self {
            Self::Newest(nodes) => nodes.position,
            Self::At(nodes) => nodes.position(),
        })
    }
}

/// Nodes of one trie as the view's head has them. Exact look-ups are point reads, which the bloom
/// filters serve; the iterator is opened by the first step that needs an order.
pub(crate) struct NewestNodes<'v> {
    view: &'v ReadView,
    cached: Option<CachedNodes<'v>>,
    address: Option<B256>,
    rows: Option<Cursor<'v>>,
    /// Whether `rows` stands on `position`.
    aligned: bool,
    started: bool,
    position: Option<Nibbles>,
}

impl<'v> NewestNodes<'v> {
    pub(super) const fn new(
        view: &'v ReadView,
        cached: Option<CachedNodes<'v>>,
        address: Option<B256>,
    ) -> Self {
        Self { view, cached, address, rows: None, aligned: false, started: false, position: None }
    }

    const fn column(&self) -> Column {
        if self.address.is_some() { Column::StoragesTrie } else { Column::AccountsTrie }
    }

    fn key(&self, path: &Nibbles) -> Vec<u8> {
        match &self.address {
            Some(address) => keys::storage_node(address, path).to_vec(),
            None => pack_path(path).to_vec(),
        }
    }

    pub(super) fn seek_exact(
        &mut self,
        path: Nibbles,
    ) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        let cached = self.cached.and_then(|(nodes, head)| nodes.get(head, self.address, path));
        let node = match cached {
            Some(node) => Some(node),
            None => self.read(&path)?,
        };
        self.started = true;
        self.aligned = false;
        self.position = node.is_some().then_some(path);
        Ok(node.map(|node| (path, node)))
    }

    fn read(&self, path: &Nibbles) -> ProviderResult<Option<StoredBranch>> {
        let column = self.column();
        let row = self.view.get(column, self.key(path))?;
        row.map(|row| node::decode(column.name(), &row)).transpose()
    }

    pub(super) fn seek(
        &mut self,
        path: Nibbles,
    ) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        self.started = true;
        let key = self.key(&path);
        self.rows()?.seek(key)?;
        self.land()
    }

    pub(super) fn next(&mut self) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        if !self.started {
            return self.seek(Nibbles::new());
        }
        let Some(position) = self.position else { return Ok(None) };
        let key = self.key(&position);
        let aligned = self.aligned;
        let rows = self.rows()?;
        if !aligned {
            rows.seek(key)?;
        }
        rows.next()?;
        self.land()
    }

    fn rows(&mut self) -> ProviderResult<&mut Cursor<'v>> {
        let column = self.column();
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => match &self.address {
                Some(address) => self.view.prefix_cursor(column, address.as_slice())?,
                None => self.view.cursor(column)?,
            },
        };
        Ok(self.rows.insert(rows))
    }

    /// Decodes the row under the iterator and takes its path as position.
    fn land(&mut self) -> ProviderResult<Option<(Nibbles, StoredBranch)>> {
        let column = self.column();
        let landed = match &self.rows {
            Some(rows) => rows.current()?.map(|row| parse_node(column, row)).transpose()?,
            None => None,
        };
        self.position = landed.as_ref().map(|(path, _)| *path);
        self.aligned = landed.is_some();
        Ok(landed)
    }
}

/// Decodes a row of `accounts_trie` or `storages_trie`.
fn parse_node(
    column: Column,
    (key, row): (&[u8], &[u8]),
) -> ProviderResult<(Nibbles, StoredBranch)> {
    let path = key
        .len()
        .checked_sub(PACKED_PATH_LEN)
        .and_then(|at| key.get(at..))
        .and_then(unpack_path)
        .ok_or_else(|| ProviderError::codec(column.name(), "key is not a node path"))?;
    Ok((path, node::decode(column.name(), row)?))
}
