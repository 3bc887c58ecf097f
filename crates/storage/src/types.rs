//! Values handed to and from the store.

use std::sync::Arc;

use alloy_eips::eip7685::Requests;
use alloy_primitives::{Address, B256, BlockHash, BlockNumber, TxHash, map::B256Map};
use peruri_primitives::{Receipt, RecoveredBlock, SealedHeader};
use peruri_trie::{HashedPostState, StateRootOutput};
use revm::bytecode::Bytecode;
use serde::{Deserialize, Serialize};

use crate::PlogAppend;

/// What the execution of one block produced besides state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlockExecutionOutput {
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// EIP-7685 requests.
    pub requests: Requests,
    /// Gas used by the block.
    pub gas_used: u64,
    /// What was appended to transparency logs, in the order of the block.
    pub plog_appends: Vec<PlogAppend>,
    /// Code that contracts created in this block carry, by code hash.
    pub bytecodes: B256Map<Bytecode>,
}

/// A block with the outcome of its execution on its parent: a *candidate*. It never touches the
/// database before it is committed, and dies with the height when it is not.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    /// The block with the senders of its transactions.
    pub recovered_block: Arc<RecoveredBlock>,
    /// Receipts, requests, gas and new code.
    pub execution_output: Arc<BlockExecutionOutput>,
    /// Changed accounts and slots.
    pub hashed_state: Arc<HashedPostState>,
    /// State root, changed trie nodes and changed storage roots.
    pub trie: Arc<StateRootOutput>,
}

impl ExecutedBlock {
    /// Block number.
    pub fn number(&self) -> BlockNumber {
        self.recovered_block.header().number
    }

    /// Block hash.
    pub fn hash(&self) -> BlockHash {
        self.recovered_block.hash()
    }

    /// Hash of the parent.
    pub fn parent_hash(&self) -> BlockHash {
        self.recovered_block.header().parent_hash
    }
}

/// Something happened to the canonical chain. Finality is instant: blocks are only ever added.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CanonStateNotification {
    /// A block was committed; its batch is synced to disk.
    Commit {
        /// The committed block.
        new: Arc<ExecutedBlock>,
    },
}

impl CanonStateNotification {
    /// The block that is now the head.
    pub const fn tip(&self) -> &Arc<ExecutedBlock> {
        match self {
            Self::Commit { new } => new,
        }
    }
}

/// Where a transaction stands in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionMeta {
    /// Hash of the transaction.
    pub tx_hash: TxHash,
    /// Its recovered sender.
    pub sender: Address,
    /// Index in the block.
    pub index: u64,
    /// Hash of the block.
    pub block_hash: BlockHash,
    /// Number of the block.
    pub block_number: BlockNumber,
    /// Base fee of the block in wei.
    pub base_fee: Option<u64>,
    /// Excess blob gas of the block.
    pub excess_blob_gas: Option<u64>,
    /// Time of the block, seconds.
    pub timestamp: u64,
}

/// A receipt with what depends on the receipts before it.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedReceipt {
    /// The receipt.
    pub receipt: Receipt,
    /// Gas used by this transaction alone.
    pub gas_used: u64,
    /// Index in the block of the receipt's first log.
    pub first_log_index: u64,
}

/// Why a round of consensus was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundChangeRecord {
    /// The round that was left.
    pub round: u32,
    /// Name of the reason.
    pub reason: String,
}

/// How consensus reached one height; an operator's record, never read by consensus itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoundRecord {
    /// Round in which the block was finalised.
    pub round: u32,
    /// Proposer of that round.
    pub proposer: Address,
    /// Start of the height, Unix milliseconds.
    pub started_ms: u64,
    /// Commit of the block, Unix milliseconds.
    pub committed_ms: u64,
    /// Who prepared.
    pub prepared: Vec<Address>,
    /// Who sealed.
    pub committed: Vec<Address>,
    /// Rounds that were left, and why.
    pub changes: Vec<RoundChangeRecord>,
}

/// What an operator wishes for a member of the validator set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredWish {
    /// It should become a validator (`true`) or stop being one.
    pub add: bool,
    /// The vote is cast even if the new set has no live quorum.
    pub force: bool,
}

impl StoredWish {
    /// The wish as one byte: bit 0 is `add`, bit 1 is `force`.
    pub(crate) const fn encode(self) -> u8 {
        (self.add as u8) | ((self.force as u8) << 1)
    }

    pub(crate) const fn decode(row: &[u8]) -> Option<Self> {
        match row {
            [bits @ 0..=3] => Some(Self { add: *bits & 1 != 0, force: *bits & 2 != 0 }),
            _ => None,
        }
    }
}

/// What goes into a block's batch besides the block itself.
#[derive(Debug, Clone, Default)]
pub struct CommitExtras {
    /// Record of the rounds of this height.
    pub rounds: Option<RoundRecord>,
    /// Sequence number of the newest durable sign-state record.
    pub sign_record_seq: Option<u64>,
    /// Earlier headers whose seals grew; their block hashes must be unchanged.
    pub late_seals: Vec<SealedHeader>,
}

/// The committed head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Number.
    pub number: BlockNumber,
    /// Block hash.
    pub hash: BlockHash,
    /// State root.
    pub state_root: B256,
}
