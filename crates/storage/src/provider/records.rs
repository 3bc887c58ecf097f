//! Small rows beside the chain: round records, vote wishes, the sign-state sequence, and named rows
//! of other components. Each write is its own synced batch.

use alloy_primitives::{Address, BlockNumber};
use rocksdb::WriteBatch;

use super::ProviderFactory;
use crate::{
    ProviderError, ProviderResult, RoundRecord, StoredWish,
    codecs::{keys, meta},
    db::{Column, ReadView},
};

impl ProviderFactory {
    /// How consensus reached a height.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn rounds(&self, number: BlockNumber) -> ProviderResult<Option<RoundRecord>> {
        let row = self.db().get(Column::Rounds, keys::number(number))?;
        row.map(|row| {
            serde_json::from_slice(&row).map_err(|e| ProviderError::codec(Column::Rounds.name(), e))
        })
        .transpose()
    }

    /// Sequence number of the newest sign-state record that was durable when a block was committed.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn sign_record_seq(&self) -> ProviderResult<Option<u64>> {
        let row = self.db().get(Column::Meta, meta::SIGN_RECORD)?;
        row.map(|row| meta::decode_u64(&row)).transpose()
    }

    /// The vote wish list: address, and what is wished for it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn votes(&self) -> ProviderResult<Vec<(Address, StoredWish)>> {
        let view = ReadView::new(std::sync::Arc::clone(self.db()));
        let mut rows = view.cursor(Column::Votes)?;
        let mut votes = Vec::new();
        let mut row = rows.first()?;
        while let Some((key, value)) = row {
            let address = Address::try_from(key).map_err(|_| malformed_vote())?;
            votes.push((address, StoredWish::decode(value).ok_or_else(malformed_vote)?));
            row = rows.next()?;
        }
        Ok(votes)
    }

    /// Puts a wish on the list, in place of an earlier one for the same address.
    ///
    /// # Errors
    /// The write failed (fatal).
    pub fn put_vote(&self, address: Address, wish: StoredWish) -> ProviderResult<()> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.db().cf(Column::Votes)?, address, [wish.encode()]);
        self.db().write_synced("vote", batch)
    }

    /// Takes a wish off the list. Returns whether there was one.
    ///
    /// # Errors
    /// The write failed (fatal).
    pub fn delete_vote(&self, address: Address) -> ProviderResult<bool> {
        let existed = self.db().get(Column::Votes, address)?.is_some();
        if existed {
            let mut batch = WriteBatch::default();
            batch.delete_cf(self.db().cf(Column::Votes)?, address);
            self.db().write_synced("vote", batch)?;
        }
        Ok(existed)
    }

    /// A named row of another component.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn meta_get(&self, name: &str) -> ProviderResult<Option<Vec<u8>>> {
        Ok(self.db().get(Column::Meta, meta::user_key(name))?.map(|row| row.to_vec()))
    }

    /// Writes and syncs a named row of another component.
    ///
    /// # Errors
    /// The write failed (fatal).
    pub fn meta_put(&self, name: &str, value: &[u8]) -> ProviderResult<()> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.db().cf(Column::Meta)?, meta::user_key(name), value);
        self.db().write_synced("named row", batch)
    }
}

fn malformed_vote() -> ProviderError {
    ProviderError::codec(Column::Votes.name(), "row is not an address and a wish")
}
