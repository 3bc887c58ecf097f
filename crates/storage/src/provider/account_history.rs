//! In which blocks an account changed.

use alloy_primitives::{Address, BlockNumber, keccak256};

use super::ProviderFactory;
use crate::{
    ProviderError, ProviderResult,
    codecs::keys,
    db::{Column, ReadView},
};

/// Which way a look-up goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To older blocks.
    Older,
    /// To newer blocks.
    Newer,
}

impl ProviderFactory {
    /// The nearest block, from `number` on in a direction, that changed an account: nonce, balance,
    /// code or storage. Of the blocks before the state window only the newest change is known.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn account_change(
        &self,
        address: Address,
        number: BlockNumber,
        direction: Direction,
    ) -> ProviderResult<Option<BlockNumber>> {
        let (column, hashed) = (Column::AccountVersions, keccak256(address));
        let view = ReadView::new(self.db().clone());
        let mut rows = view.prefix_cursor(column, hashed.as_slice())?;
        let key = keys::account_version(&hashed, number);
        // Newer versions come first.
        let row = match direction {
            Direction::Older => rows.seek(key)?,
            Direction::Newer => rows.seek_for_prev(key)?,
        };
        let Some((key, _)) = row else { return Ok(None) };
        let changed = keys::version_number(key);
        changed
            .map(Some)
            .ok_or_else(|| ProviderError::codec(column.name(), "key is not a version key"))
    }
}
