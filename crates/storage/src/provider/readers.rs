//! Readers of blocks, transactions and receipts. Committed rows never change (seals may grow, the
//! block hash does not), so each read goes to the newest rows without a snapshot.

use std::sync::Arc;

use alloy_primitives::{BlockHash, BlockNumber, TxHash};
use peruri_primitives::{Block, Header, Receipt, RecoveredBlock, SealedHeader, TransactionSigned};

use super::ProviderFactory;
use crate::{
    IndexedReceipt, ProviderError, ProviderResult, TransactionMeta,
    codecs::{blocks, keys, meta, receipts},
    db::Column,
};

impl ProviderFactory {
    /// Header of the committed head, from memory.
    ///
    /// # Errors
    /// [`ProviderError::NotInitialised`] before genesis.
    pub fn last_header(&self) -> ProviderResult<SealedHeader> {
        self.inner.head.read().clone().ok_or(ProviderError::NotInitialised)
    }

    /// Number of the committed head.
    ///
    /// # Errors
    /// [`ProviderError::NotInitialised`] before genesis.
    pub fn best_block_number(&self) -> ProviderResult<BlockNumber> {
        let head = self.inner.head.read();
        head.as_ref().map(|head| head.number).ok_or(ProviderError::NotInitialised)
    }

    /// Hash of the committed head.
    ///
    /// # Errors
    /// [`ProviderError::NotInitialised`] before genesis.
    pub fn best_block_hash(&self) -> ProviderResult<BlockHash> {
        let head = self.inner.head.read();
        head.as_ref().map(|head| head.hash()).ok_or(ProviderError::NotInitialised)
    }

    /// True once block 0 is written.
    pub fn is_initialised(&self) -> bool {
        self.inner.head.read().is_some()
    }

    /// Number of a committed block.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn block_number(&self, hash: BlockHash) -> ProviderResult<Option<BlockNumber>> {
        let row = self.db().get(Column::HeaderNumbers, hash)?;
        row.map(|row| {
            keys::parse_number(&row).ok_or_else(|| {
                ProviderError::codec(Column::HeaderNumbers.name(), "value is not a number")
            })
        })
        .transpose()
    }

    /// Hash of a committed block.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn block_hash(&self, number: BlockNumber) -> ProviderResult<Option<BlockHash>> {
        Ok(self.sealed_header(number)?.map(|header| header.hash()))
    }

    /// Header with its block hash.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn sealed_header(&self, number: BlockNumber) -> ProviderResult<Option<SealedHeader>> {
        self.header_row(number)
    }

    /// Header with its block hash.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn sealed_header_by_hash(&self, hash: BlockHash) -> ProviderResult<Option<SealedHeader>> {
        match self.block_number(hash)? {
            Some(number) => self.sealed_header(number),
            None => Ok(None),
        }
    }

    /// Header of a committed block.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn header_by_number(&self, number: BlockNumber) -> ProviderResult<Option<Header>> {
        Ok(self.sealed_header(number)?.map(SealedHeader::into_header))
    }

    /// Header of a committed block.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn header_by_hash(&self, hash: BlockHash) -> ProviderResult<Option<Header>> {
        Ok(self.sealed_header_by_hash(hash)?.map(SealedHeader::into_header))
    }

    /// A block with the senders of its transactions, which are stored and not recovered again.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn recovered_block(
        &self,
        number: BlockNumber,
    ) -> ProviderResult<Option<Arc<RecoveredBlock>>> {
        let Some(header) = self.sealed_header(number)? else { return Ok(None) };
        let (body, senders) = blocks::decode_body(&self.body_row(number)?)?;
        let (header, hash) = header.split();
        Ok(Some(Arc::new(RecoveredBlock::new(Block { header, body }, senders, hash))))
    }

    /// A block with the senders of its transactions.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn recovered_block_by_hash(
        &self,
        hash: BlockHash,
    ) -> ProviderResult<Option<Arc<RecoveredBlock>>> {
        match self.block_number(hash)? {
            Some(number) => self.recovered_block(number),
            None => Ok(None),
        }
    }

    /// Header and body of a block.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn block_by_number(&self, number: BlockNumber) -> ProviderResult<Option<Block>> {
        let Some(header) = self.header_by_number(number)? else { return Ok(None) };
        let (body, _) = blocks::decode_body(&self.body_row(number)?)?;
        Ok(Some(Block { header, body }))
    }

    /// Header and body of a block.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn block_by_hash(&self, hash: BlockHash) -> ProviderResult<Option<Block>> {
        match self.block_number(hash)? {
            Some(number) => self.block_by_number(number),
            None => Ok(None),
        }
    }

    /// Number of transactions of a block, without decoding them.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn transaction_count(&self, number: BlockNumber) -> ProviderResult<Option<usize>> {
        let row = self.db().get(Column::Bodies, keys::number(number))?;
        row.map(|row| blocks::body_transaction_count(&row)).transpose()
    }

    /// Block number and index of a committed transaction.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn transaction_location(&self, hash: TxHash) -> ProviderResult<Option<(BlockNumber, u64)>> {
        let row = self.db().get(Column::TxLookup, hash)?;
        row.map(|row| meta::decode_tx_lookup(&row)).transpose()
    }

    /// A committed transaction and where it stands. Decodes one chunk of the block's body.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn transaction_by_hash(
        &self,
        hash: TxHash,
    ) -> ProviderResult<Option<(TransactionSigned, TransactionMeta)>> {
        match self.transaction_location(hash)? {
            Some((number, index)) => self.transaction_by_index(number, index),
            None => Ok(None),
        }
    }

    /// A committed transaction by its place.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn transaction_by_index(
        &self,
        number: BlockNumber,
        index: u64,
    ) -> ProviderResult<Option<(TransactionSigned, TransactionMeta)>> {
        let Some(header) = self.sealed_header(number)? else { return Ok(None) };
        let found = blocks::decode_body_transaction(&self.body_row(number)?, index)?;
        Ok(found.map(|(transaction, sender)| {
            let meta = TransactionMeta {
                tx_hash: *transaction.tx_hash(),
                sender,
                index,
                block_hash: header.hash(),
                block_number: number,
                base_fee: header.base_fee_per_gas,
                excess_blob_gas: header.excess_blob_gas,
                timestamp: header.timestamp,
            };
            (transaction, meta)
        }))
    }

    /// Receipts of a block; `None` if there is no such block.
    ///
    /// # Errors
    /// [`ProviderError::OutsideWindow`] if they have been dropped; the database cannot be read.
    pub fn receipts_by_block(&self, number: BlockNumber) -> ProviderResult<Option<Vec<Receipt>>> {
        let row = self.receipt_row(number)?;
        row.map(|row| receipts::decode(&row)).transpose()
    }

    /// One receipt with its own gas and the index of its first log.
    ///
    /// # Errors
    /// [`ProviderError::OutsideWindow`] if it has been dropped; the database cannot be read.
    pub fn receipt(
        &self,
        number: BlockNumber,
        index: u64,
    ) -> ProviderResult<Option<IndexedReceipt>> {
        match self.receipt_row(number)? {
            Some(row) => receipts::decode_one(&row, index),
            None => Ok(None),
        }
    }

    /// Receipt of a committed transaction with its place.
    ///
    /// # Errors
    /// As [`receipt`](Self::receipt).
    pub fn receipt_by_hash(
        &self,
        hash: TxHash,
    ) -> ProviderResult<Option<(IndexedReceipt, BlockNumber, u64)>> {
        let Some((number, index)) = self.transaction_location(hash)? else { return Ok(None) };
        Ok(self.receipt(number, index)?.map(|receipt| (receipt, number, index)))
    }

    fn body_row(&self, number: BlockNumber) -> ProviderResult<rocksdb::DBPinnableSlice<'_>> {
        let row = self.db().get(Column::Bodies, keys::number(number))?;
        row.ok_or_else(|| ProviderError::codec(Column::Bodies.name(), "header without body"))
    }

    fn receipt_row(
        &self,
        number: BlockNumber,
    ) -> ProviderResult<Option<rocksdb::DBPinnableSlice<'_>>> {
        if let Some(row) = self.db().get(Column::Receipts, keys::number(number))? {
            return Ok(Some(row));
        }
        let oldest = self.windows()?.receipts;
        if number < oldest {
            let what = "receipts";
            return Err(ProviderError::OutsideWindow { what, requested: number, oldest });
        }
        Ok(None)
    }
}
