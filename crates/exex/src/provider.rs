//! The chain, for reading.

use alloy_primitives::{BlockHash, BlockNumber, TxHash};
use peruri_chainspec::ChainSpec;
use peruri_primitives::{Receipt, RecoveredBlock, SealedHeader, TransactionSigned};
use peruri_storage::{
    IndexedReceipt, PlogView, ProviderFactory, ProviderResult, StateProviderBox, TransactionMeta,
    Windows,
};
use std::sync::Arc;

/// The committed chain as an extension may read it. What is newer than the block that an extension
/// works on is there too: the chain does not wait. The calls block.
#[derive(Debug, Clone)]
pub struct ExExProvider(ProviderFactory);

impl ExExProvider {
    /// For an extension of a node with this store.
    pub const fn new(factory: ProviderFactory) -> Self {
        Self(factory)
    }

    /// The chain's rules.
    pub fn chain_spec(&self) -> &Arc<ChainSpec> {
        self.0.chain_spec()
    }

    /// Number of the committed head.
    ///
    /// # Errors
    /// The database is empty.
    pub fn best_block_number(&self) -> ProviderResult<BlockNumber> {
        self.0.best_block_number()
    }

    /// Header of the committed head.
    ///
    /// # Errors
    /// The database is empty.
    pub fn last_header(&self) -> ProviderResult<SealedHeader> {
        self.0.last_header()
    }

    /// Header of a block.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn sealed_header(&self, number: BlockNumber) -> ProviderResult<Option<SealedHeader>> {
        self.0.sealed_header(number)
    }

    /// Number of a block.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn block_number(&self, hash: BlockHash) -> ProviderResult<Option<BlockNumber>> {
        self.0.block_number(hash)
    }

    /// A block with senders.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn recovered_block(
        &self,
        number: BlockNumber,
    ) -> ProviderResult<Option<Arc<RecoveredBlock>>> {
        self.0.recovered_block(number)
    }

    /// Receipts of a block.
    ///
    /// # Errors
    /// They have been pruned; the database cannot be read.
    pub fn receipts_by_block(&self, number: BlockNumber) -> ProviderResult<Option<Vec<Receipt>>> {
        self.0.receipts_by_block(number)
    }

    /// A transaction and where it stands.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn transaction_by_hash(
        &self,
        hash: TxHash,
    ) -> ProviderResult<Option<(TransactionSigned, TransactionMeta)>> {
        self.0.transaction_by_hash(hash)
    }

    /// Receipt of a transaction, its block and its index there.
    ///
    /// # Errors
    /// It has been pruned; the database cannot be read.
    pub fn receipt_by_hash(
        &self,
        hash: TxHash,
    ) -> ProviderResult<Option<(IndexedReceipt, BlockNumber, u64)>> {
        self.0.receipt_by_hash(hash)
    }

    /// State of the committed head.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn latest(&self) -> ProviderResult<StateProviderBox> {
        self.0.latest()
    }

    /// State after a block.
    ///
    /// # Errors
    /// It has been pruned or is not committed; the database cannot be read.
    pub fn history_by_block_number(&self, number: BlockNumber) -> ProviderResult<StateProviderBox> {
        self.0.history_by_block_number(number)
    }

    /// The index of the transparency log as it is now.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn plog(&self) -> ProviderResult<PlogView> {
        self.0.plog()
    }

    /// Oldest blocks whose state, proofs and receipts can be read.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn windows(&self) -> ProviderResult<Windows> {
        self.0.windows()
    }
}
