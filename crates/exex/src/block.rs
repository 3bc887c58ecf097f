//! What an extension is told of a block.

use alloy_primitives::{BlockHash, BlockNumber};
use peruri_primitives::{Receipt, RecoveredBlock};
use peruri_storage::{ExecutedBlock, ProviderFactory, ProviderResult};
use std::sync::Arc;

/// A committed block with senders and receipts.
///
/// Two are equal if block hash, transactions, senders and receipts are. The seals are left out: seals
/// that come late are added to the stored header, so that a block that is read again may carry more of
/// them; the block hash does not cover them.
#[derive(Debug, Clone)]
pub struct CommittedBlock {
    /// Header, transactions and their senders.
    pub block: Arc<RecoveredBlock>,
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
}

impl CommittedBlock {
    /// As it was just committed.
    pub(crate) fn live(block: &ExecutedBlock) -> Self {
        Self {
            block: block.recovered_block.clone(),
            receipts: block.execution_output.receipts.clone(),
        }
    }

    /// As the database has it; `None` if there is no such block.
    pub(crate) fn read(
        provider: &ProviderFactory,
        number: BlockNumber,
    ) -> ProviderResult<Option<Self>> {
        let Some(block) = provider.recovered_block(number)? else { return Ok(None) };
        let receipts = provider.receipts_by_block(number)?;
        Ok(receipts.map(|receipts| Self { block, receipts }))
    }

    /// Block number.
    pub fn number(&self) -> BlockNumber {
        self.block.header().number
    }

    /// Block hash.
    pub fn hash(&self) -> BlockHash {
        self.block.hash()
    }
}

impl PartialEq for CommittedBlock {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
            && self.block.body() == other.block.body()
            && self.block.senders() == other.block.senders()
            && self.receipts == other.receipts
    }
}
