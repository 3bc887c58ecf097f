//! The pool's interface.

use crate::{
    AccountCode, BestTransactions, BestTransactionsAttributes, BlockInfo,
    PendingTransactionsReceiver, PoolResult, TransactionOrigin, ValidPoolTransaction,
};
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::{Address, Bytes, TxHash, U256};
use peruri_primitives::{Header, PooledTransaction, RecoveredBlock};
use peruri_trie::HashedPostState;
use std::{collections::BTreeMap, sync::Arc};

/// An account that a block changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedAccount {
    /// The account.
    pub address: Address,
    /// Its next nonce.
    pub nonce: u64,
    /// Its balance in wei.
    pub balance: U256,
    /// Kind of code it has.
    pub code: AccountCode,
}

/// The accounts that a block changed, in the form the caller has them.
#[derive(Debug, Clone)]
pub enum ChangedAccounts {
    /// By address.
    ByAddress(Vec<ChangedAccount>),
    /// By hashed address, as execution leaves them.
    ByHash(Arc<HashedPostState>),
}

/// What a committed block means for the pool.
#[derive(Debug, Clone)]
pub struct CanonicalStateUpdate {
    /// The block, and the fees of the next one.
    pub block: BlockInfo,
    /// Hashes of its transactions.
    pub mined: Vec<TxHash>,
    /// Accounts it changed.
    pub changed_accounts: ChangedAccounts,
}

impl CanonicalStateUpdate {
    /// The update for `block`, whose execution left `state`; `next_base_fee` and `next_blob_fee`
    /// are those of the block after it, in wei per gas (0 where there is none).
    pub fn new(
        block: &RecoveredBlock,
        state: Arc<HashedPostState>,
        next_base_fee: u64,
        next_blob_fee: u128,
    ) -> Self {
        let header: &Header = block.header();
        Self {
            block: BlockInfo {
                number: header.number,
                timestamp: header.timestamp,
                gas_limit: header.gas_limit,
                next_base_fee,
                next_blob_fee,
            },
            mined: block.body().transactions.iter().map(|tx| *tx.tx_hash()).collect(),
            changed_accounts: ChangedAccounts::ByHash(state),
        }
    }
}

/// How full the pool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolSize {
    /// Transactions that the next block can hold.
    pub pending: usize,
    /// Their memory in bytes.
    pub pending_size: usize,
    /// Transactions that wait for a lower base fee.
    pub basefee: usize,
    /// Their memory in bytes.
    pub basefee_size: usize,
    /// Transactions that wait for a nonce, for balance or for an ancestor.
    pub queued: usize,
    /// Their memory in bytes.
    pub queued_size: usize,
    /// Blob sidecars.
    pub blobs: usize,
    /// Their memory in bytes.
    pub blobs_size: usize,
    /// Senders.
    pub senders: usize,
    /// Transactions of the lane.
    pub lane: usize,
}

impl PoolSize {
    /// All transactions.
    pub const fn total(&self) -> usize {
        self.pending + self.basefee + self.queued
    }
}

/// Transactions of one state, by sender and nonce.
pub type TransactionsBySender = BTreeMap<Address, BTreeMap<u64, Arc<ValidPoolTransaction>>>;

/// Everything in the pool, by sender and nonce.
#[derive(Debug, Clone, Default)]
pub struct PoolContent {
    /// What the next block can hold.
    pub pending: TransactionsBySender,
    /// What waits (basefee and queued).
    pub queued: TransactionsBySender,
}

/// The transaction pool.
///
/// All methods are synchronous. The `add_` methods recover signatures on all cores, read the
/// database and write the journal: call them from blocking context (`spawn_blocking`). The others
/// only take a lock for a moment.
pub trait TransactionPool: Send + Sync + 'static {
    /// Adds transactions from their EIP-2718 encoding (blob transactions with sidecar). The results
    /// stand in the order of `raw`. A local transaction that is reported as added is in the journal.
    fn add_raw_transactions(
        &self,
        origin: TransactionOrigin,
        raw: Vec<Bytes>,
    ) -> Vec<PoolResult<TxHash>>;

    /// Adds decoded transactions; otherwise as [`Self::add_raw_transactions`].
    fn add_transactions(
        &self,
        origin: TransactionOrigin,
        transactions: Vec<PooledTransaction>,
    ) -> Vec<PoolResult<TxHash>>;

    /// Adds one transaction from its EIP-2718 encoding.
    ///
    /// # Errors
    /// Why it was not taken.
    fn add_raw_transaction(&self, origin: TransactionOrigin, raw: Bytes) -> PoolResult<TxHash>;

    /// What the next block can hold, best first.
    fn best_transactions(&self) -> BestTransactions;

    /// The same for a block with other fees than expected.
    fn best_transactions_with_attributes(
        &self,
        attributes: BestTransactionsAttributes,
    ) -> BestTransactions;

    /// The transaction `hash`.
    fn get(&self, hash: &TxHash) -> Option<Arc<ValidPoolTransaction>>;

    /// The transactions `hashes`, in their order. Block import takes recovered senders from here.
    fn get_all(&self, hashes: &[TxHash]) -> Vec<Option<Arc<ValidPoolTransaction>>>;

    /// Whether the pool holds `hash`.
    fn contains(&self, hash: &TxHash) -> bool;

    /// The transaction `hash` as it travels: with its sidecar if it has blobs.
    fn get_pooled_transaction(&self, hash: &TxHash) -> Option<PooledTransaction>;

    /// The blob sidecar of the transaction `hash`.
    fn get_blob_sidecar(&self, hash: &TxHash) -> Option<Arc<BlobTransactionSidecarVariant>>;

    /// How full the pool is.
    fn status(&self) -> PoolSize;

    /// Everything in the pool.
    fn content(&self) -> PoolContent;

    /// What the pool holds of `sender`: pending, and waiting.
    fn content_from(
        &self,
        sender: &Address,
    ) -> (BTreeMap<u64, Arc<ValidPoolTransaction>>, BTreeMap<u64, Arc<ValidPoolTransaction>>);

    /// The nonce after the last transaction of `sender` that has no gap before it (the account's
    /// nonce as of tag `pending`); `None` if the pool holds nothing of it.
    fn pending_nonce(&self, sender: &Address) -> Option<u64>;

    /// Transactions that become pending from now on, in batches. A listener that falls too far
    /// behind is told how many batches it lost.
    fn pending_transactions_listener(&self) -> PendingTransactionsReceiver;

    /// Executable transactions of the lane that were here when block `entered_by` was the last one, and
    /// were never reverted: what a proposer should have, in the order of senders and nonces.
    fn lane_due(&self, entered_by: u64) -> Vec<Arc<ValidPoolTransaction>>;

    /// Notes that transactions of the lane were reverted while a block was built. Those that are for
    /// [`lane_revert_blocks`](crate::PoolConfig::lane_revert_blocks) blocks are ordinary ones then.
    fn lane_reverted(&self, hashes: &[TxHash]);

    /// Removes transactions, e.g. because execution found them invalid. What depends on them waits.
    fn remove_transactions(&self, hashes: &[TxHash]) -> Vec<Arc<ValidPoolTransaction>>;

    /// Removes transactions that broke block building and refuses them for
    /// [`eviction_blocks`](crate::PoolConfig::eviction_blocks) blocks.
    fn evict_transactions(&self, hashes: &[TxHash]) -> Vec<Arc<ValidPoolTransaction>>;

    /// Brings the pool to a newly committed block. Blocks must come in order.
    fn on_canonical_state_change(&self, update: CanonicalStateUpdate);

    /// The block the pool stands on.
    fn block_info(&self) -> BlockInfo;
}
