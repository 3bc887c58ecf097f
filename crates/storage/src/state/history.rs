//! Flat rows as of a block, from version rows.
//!
//! A version row holds the value that was set at its block; the newest one at or below block `N` is
//! the value at `N`. Keys end in the inverted number, so that one forward seek finds it.

use alloy_primitives::{B256, U256};
use peruri_trie::TrieAccountRow;

use crate::{
    ProviderError, ProviderResult,
    codecs::{account, keys},
    db::{Column, Cursor, ReadView},
};

/// The account at block `number`.
pub(super) fn account_at(
    view: &ReadView,
    address: &B256,
    number: u64,
) -> ProviderResult<Option<TrieAccountRow>> {
    let column = Column::AccountVersions;
    let mut rows = view.prefix_cursor(column, address.as_slice())?;
    match rows.seek(keys::account_version(address, number))? {
        Some((_, row)) => account::decode_version(column.name(), row),
        None => Ok(None),
    }
}

/// The slot's value at block `number`.
pub(super) fn slot_at(
    view: &ReadView,
    address: &B256,
    slot: &B256,
    number: u64,
) -> ProviderResult<U256> {
    let column = Column::StorageVersions;
    let mut rows = view.prefix_cursor(column, &keys::storage(address, slot))?;
    match rows.seek(keys::storage_version(address, slot, number))? {
        Some((_, row)) => account::decode_value(column.name(), row),
        None => Ok(U256::ZERO),
    }
}

/// Walks version rows key by key, giving the newest value at or below `number` of each.
struct VersionWalk<'v> {
    view: &'v ReadView,
    rows: Cursor<'v>,
    column: Column,
    number: u64,
    /// What every key starts with; the address for slots, empty for accounts.
    scope: Vec<u8>,
    started: bool,
    position: Option<B256>,
}

impl VersionWalk<'_> {
    /// First key at or after `key` with a value at the block; `parse` gives `None` for a value that
    /// says "removed".
    fn seek<T>(
        &mut self,
        key: B256,
        parse: impl Fn(&[u8]) -> ProviderResult<Option<T>>,
    ) -> ProviderResult<Option<(B256, T)>> {
        self.started = true;
        let target = self.version_key(&key, self.number);
        self.rows.seek(target)?;
        self.scan(parse)
    }

    fn next<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> ProviderResult<Option<T>>,
    ) -> ProviderResult<Option<(B256, T)>> {
        if !self.started {
            return self.seek(B256::ZERO, parse);
        }
        match self.position {
            Some(position) => {
                self.skip(&position)?;
                self.scan(parse)
            }
            None => Ok(None),
        }
    }

    fn scan<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> ProviderResult<Option<T>>,
    ) -> ProviderResult<Option<(B256, T)>> {
        let column = self.column.name();
        loop {
            let Some((raw, row)) = self.rows.current()? else {
                self.position = None;
                return Ok(None);
            };
            let key = raw
                .get(self.scope.len()..self.scope.len().saturating_add(32))
                .and_then(|key| B256::try_from(key).ok());
            let (Some(key), Some(set_at)) = (key, keys::version_number(raw)) else {
                return Err(ProviderError::codec(column, "key is not a version key"));
            };
            if set_at > self.number {
                // The key's newest versions are later: go to the first that counts. It may not
                // exist, then this lands on the next key.
                let target = self.version_key(&key, self.number);
                self.rows.seek(target)?;
            } else if let Some(value) = parse(row)? {
                self.position = Some(key);
                return Ok(Some((key, value)));
            } else {
                self.skip(&key)?;
            }
        }
    }

    /// Moves behind all versions of a key.
    fn skip(&mut self, key: &B256) -> ProviderResult<()> {
        let oldest = self.version_key(key, 0);
        let landed = self.rows.seek(&oldest)?.is_some_and(|(key, _)| key == oldest);
        if landed {
            self.rows.next()?;
        }
        Ok(())
    }

    fn version_key(&self, key: &B256, number: u64) -> Vec<u8> {
        let mut out = self.scope.clone();
        out.extend_from_slice(key.as_slice());
        out.extend_from_slice(&(!number).to_be_bytes());
        out
    }
}

/// Accounts as of a block.
pub(crate) struct AccountsAt<'v>(VersionWalk<'v>);

impl<'v> AccountsAt<'v> {
    pub(super) fn new(view: &'v ReadView, number: u64) -> ProviderResult<Self> {
        let column = Column::AccountVersions;
        Ok(Self(VersionWalk {
            view,
            rows: view.cursor(column)?,
            column,
            number,
            scope: Vec::new(),
            started: false,
            position: None,
        }))
    }

    pub(super) fn seek(&mut self, key: B256) -> ProviderResult<Option<(B256, TrieAccountRow)>> {
        self.0.seek(key, parse_account)
    }

    pub(super) fn next(&mut self) -> ProviderResult<Option<(B256, TrieAccountRow)>> {
        self.0.next(parse_account)
    }

    pub(super) fn get(&self, key: &B256) -> ProviderResult<Option<TrieAccountRow>> {
        account_at(self.0.view, key, self.0.number)
    }
}

fn parse_account(row: &[u8]) -> ProviderResult<Option<TrieAccountRow>> {
    account::decode_version(Column::AccountVersions.name(), row)
}

/// Slots of one account as of a block.
pub(crate) struct SlotsAt<'v>(VersionWalk<'v>);

impl<'v> SlotsAt<'v> {
    pub(super) fn new(view: &'v ReadView, address: B256, number: u64) -> ProviderResult<Self> {
        let column = Column::StorageVersions;
        Ok(Self(VersionWalk {
            view,
            rows: view.range_cursor(column, address.as_slice())?,
            column,
            number,
            scope: address.to_vec(),
            started: false,
            position: None,
        }))
    }

    pub(super) fn seek(&mut self, key: B256) -> ProviderResult<Option<(B256, U256)>> {
        self.0.seek(key, parse_slot)
    }

    pub(super) fn next(&mut self) -> ProviderResult<Option<(B256, U256)>> {
        self.0.next(parse_slot)
    }

    pub(super) fn get(&self, key: &B256) -> ProviderResult<U256> {
        slot_at(self.0.view, &B256::from_slice(&self.0.scope), key, self.0.number)
    }
}

fn parse_slot(row: &[u8]) -> ProviderResult<Option<U256>> {
    let value = account::decode_value(Column::StorageVersions.name(), row)?;
    Ok((!value.is_zero()).then_some(value))
}
