//! Recently used blocks with their receipts and finished texts.

use crate::json::{ReceiptPlace, TransactionPlace};
use alloy_consensus::{
    Eip658Value, Receipt as ConsensusReceipt, ReceiptEnvelope, Transaction as _,
};
use alloy_eips::{eip2718::Encodable2718, eip4895::Withdrawal, eip7840::BlobParams};
use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{Block as RpcBlock, TransactionReceipt};
use peruri_primitives::{Header, Receipt, RecoveredBlock, TransactionSigned};
use peruri_rpc_api::Json;
use quick_cache::{Weighter, sync::Cache};
use std::sync::{Arc, OnceLock};

/// Estimated bytes that the cache may hold.
const CAPACITY_BYTES: u64 = 64 << 20;
/// Blocks that the cache is laid out for: so few that it has one part. Several parts would have to hold
/// a whole block each, and a block of some thousand transactions would fit into none of them.
const ESTIMATED_BLOCKS: usize = 32;
/// Block hashes kept by number.
const CACHED_HASHES: usize = 4096;
/// Estimated bytes of a transaction: itself, its receipt, and both as text.
const BYTES_PER_TRANSACTION: u64 = 4096;
/// Estimated bytes of a block beside its transactions.
const BYTES_PER_BLOCK: u64 = 8192;

/// A block, its receipts, and what follows from them.
#[derive(Debug)]
pub(crate) struct CachedBlock {
    block: Arc<RecoveredBlock>,
    receipts: OnceLock<Receipts>,
    blob_gas_price: Option<u128>,
    full: OnceLock<Json<RpcBlock>>,
    hashes: OnceLock<Json<RpcBlock>>,
    receipts_text: OnceLock<Json<Vec<TransactionReceipt>>>,
}

/// Receipts with running sums.
#[derive(Debug)]
struct Receipts {
    list: Vec<Receipt>,
    /// Logs before each receipt.
    first_logs: Vec<u64>,
    /// State roots after each transaction, for blocks before Byzantium.
    roots: Vec<B256>,
}

impl CachedBlock {
    /// A block without its receipts. `blob_params` are those at the block's time.
    pub(crate) fn new(block: Arc<RecoveredBlock>, blob_params: Option<BlobParams>) -> Self {
        let excess = block.header().excess_blob_gas;
        let blob_gas_price =
            excess.zip(blob_params).map(|(excess, params)| params.calc_blob_fee(excess));
        Self {
            block,
            receipts: OnceLock::new(),
            blob_gas_price,
            full: OnceLock::new(),
            hashes: OnceLock::new(),
            receipts_text: OnceLock::new(),
        }
    }

    /// Whether the receipts are here.
    pub(crate) fn has_receipts(&self) -> bool {
        self.receipts.get().is_some()
    }

    /// Adds the receipts. `roots` is empty from Byzantium on.
    pub(crate) fn set_receipts(&self, list: Vec<Receipt>, roots: Vec<B256>) {
        let mut next = 0;
        let first_logs = list
            .iter()
            .map(|receipt| {
                let first = next;
                next += receipt.logs.len() as u64;
                first
            })
            .collect();
        // Whoever came first set the same.
        let _ = self.receipts.set(Receipts { list, first_logs, roots });
    }

    pub(crate) fn block(&self) -> &Arc<RecoveredBlock> {
        &self.block
    }

    pub(crate) fn header(&self) -> &Header {
        self.block.header()
    }

    pub(crate) fn hash(&self) -> B256 {
        self.block.hash()
    }

    pub(crate) fn number(&self) -> u64 {
        self.header().number
    }

    pub(crate) fn transactions(&self) -> &[TransactionSigned] {
        &self.block.body().transactions
    }

    pub(crate) fn transaction_count(&self) -> usize {
        self.transactions().len()
    }

    pub(crate) fn sender(&self, index: usize) -> Address {
        self.block.senders().get(index).copied().unwrap_or_default()
    }

    pub(crate) fn ommers(&self) -> &[Header] {
        &self.block.body().ommers
    }

    pub(crate) fn withdrawals(&self) -> Option<&[Withdrawal]> {
        self.block.body().withdrawals.as_ref().map(|list| list.as_slice())
    }

    pub(crate) fn rlp_length(&self) -> usize {
        self.block.sealed_block().length()
    }

    /// Receipts, empty if they are not here.
    pub(crate) fn receipts(&self) -> &[Receipt] {
        self.receipts.get().map_or(&[], |receipts| &receipts.list)
    }

    /// Logs before the receipt `index`.
    pub(crate) fn first_log(&self, index: usize) -> u64 {
        self.receipts
            .get()
            .and_then(|receipts| receipts.first_logs.get(index).copied())
            .unwrap_or_default()
    }

    /// Where the transaction `index` stands.
    pub(crate) fn transaction_place(&self, index: usize) -> TransactionPlace {
        let header = self.header();
        TransactionPlace {
            block_hash: self.hash(),
            block_number: header.number,
            timestamp: header.timestamp,
            index: index as u64,
            base_fee: header.base_fee_per_gas,
        }
    }

    /// What the text of receipt `index` is made of.
    pub(crate) fn receipt_parts(
        &self,
        index: usize,
    ) -> Option<(&TransactionSigned, Address, &Receipt, ReceiptPlace)> {
        let tx = self.transactions().get(index)?;
        let receipts = self.receipts.get()?;
        let receipt = receipts.list.get(index)?;
        let before = index.checked_sub(1).and_then(|before| receipts.list.get(before));
        let header = self.header();
        let place = ReceiptPlace {
            block_hash: self.hash(),
            block_number: header.number,
            timestamp: header.timestamp,
            index: index as u64,
            base_fee: header.base_fee_per_gas,
            blob_gas_price: tx.blob_gas_used().and(self.blob_gas_price),
            gas_before: before.map_or(0, |receipt| receipt.cumulative_gas_used),
            first_log: self.first_log(index),
            root: receipts.roots.get(index).copied(),
        };
        Some((tx, self.sender(index), receipt, place))
    }

    /// The receipt `index` as the receipts trie holds it (EIP-2718, with bloom).
    pub(crate) fn encoded_receipt(&self, index: usize) -> Option<Bytes> {
        let receipts = self.receipts.get()?;
        let receipt = receipts.list.get(index)?;
        let status = match receipts.roots.get(index) {
            Some(root) => Eip658Value::PostState(*root),
            None => Eip658Value::Eip658(receipt.success),
        };
        let inner = ConsensusReceipt {
            status,
            cumulative_gas_used: receipt.cumulative_gas_used,
            logs: receipt.logs.clone(),
        };
        let envelope = ReceiptEnvelope::from_typed(receipt.tx_type, inner.with_bloom());
        Some(envelope.encoded_2718().into())
    }

    /// The block's text, written at most once.
    pub(crate) fn block_text(&self, full: bool) -> serde_json::Result<Json<RpcBlock>> {
        let slot = if full { &self.full } else { &self.hashes };
        once(slot, || crate::json::block_json(self, full))
    }

    /// Whether the block's text is written already.
    pub(crate) fn has_text(&self, full: bool) -> bool {
        if full { self.full.get().is_some() } else { self.hashes.get().is_some() }
    }

    /// The receipts' text, written at most once.
    pub(crate) fn receipts_text(&self) -> serde_json::Result<Json<Vec<TransactionReceipt>>> {
        once(&self.receipts_text, || crate::json::receipts_json(self))
    }
}

fn once<T: Clone>(
    slot: &OnceLock<T>,
    make: impl FnOnce() -> serde_json::Result<T>,
) -> serde_json::Result<T> {
    match slot.get() {
        Some(value) => Ok(value.clone()),
        None => {
            let value = make()?;
            Ok(slot.get_or_init(|| value).clone())
        }
    }
}

/// Blocks by hash, bounded by estimated bytes.
#[derive(Debug)]
pub(crate) struct BlockCache {
    blocks: Cache<B256, Arc<CachedBlock>, ByTransactions>,
    /// Hashes of committed blocks; final, so never invalidated.
    hashes: Cache<u64, B256>,
}

#[derive(Debug, Clone)]
struct ByTransactions;

impl Weighter<B256, Arc<CachedBlock>> for ByTransactions {
    fn weight(&self, _hash: &B256, block: &Arc<CachedBlock>) -> u64 {
        let input: usize = block.transactions().iter().map(|tx| tx.input().len()).sum();
        let transactions = block.transaction_count() as u64;
        // Input is kept as bytes and as hex text.
        BYTES_PER_BLOCK + transactions * BYTES_PER_TRANSACTION + 3 * input as u64
    }
}

impl BlockCache {
    pub(crate) fn new() -> Self {
        Self {
            blocks: Cache::with_weighter(ESTIMATED_BLOCKS, CAPACITY_BYTES, ByTransactions),
            hashes: Cache::new(CACHED_HASHES),
        }
    }

    pub(crate) fn get(&self, hash: &B256) -> Option<Arc<CachedBlock>> {
        self.blocks.get(hash)
    }

    /// Hash of a committed block, if it was asked for lately.
    pub(crate) fn hash(&self, number: u64) -> Option<B256> {
        self.hashes.get(&number)
    }

    pub(crate) fn insert_hash(&self, number: u64, hash: B256) {
        self.hashes.insert(number, hash);
    }

    /// Adds a committed block.
    pub(crate) fn insert(&self, block: Arc<CachedBlock>) {
        self.hashes.insert(block.number(), block.hash());
        self.blocks.insert(block.hash(), block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_a_large_block() {
        // Twice as many transactions as 100,000,000 gas pay for.
        let weight = BYTES_PER_BLOCK + 10_000 * BYTES_PER_TRANSACTION;
        assert!(BlockCache::new().blocks.shard_capacity() > weight);
    }
}
