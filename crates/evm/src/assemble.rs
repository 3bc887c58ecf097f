//! [`BlockAssembler`]: the block that follows from what was executed.

use std::sync::Arc;

use alloy_consensus::{TxReceipt, proofs::calculate_transaction_root};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::Address;
use peruri_primitives::{Block, BlockBody, Header, RecoveredBlock, TransactionSigned};
use peruri_storage::{ExecutedBlock, StateProvider};

use crate::{
    BlockExecutionOutcome, ExecutionError, PeruriEvmConfig, post_execution::summarise_receipts,
    process::candidate,
};

/// Completes headers and puts blocks together.
#[derive(Debug, Clone)]
pub struct BlockAssembler {
    config: PeruriEvmConfig,
}

/// A block that was built here, with the outcome of its execution.
#[derive(Debug, Clone)]
pub struct AssembledBlock {
    /// The candidate. On a chain with `config.ibft2` its header is complete but for round and seals
    /// in `extraData`; these do not change its hash.
    pub executed: ExecutedBlock,
    /// Sum over the transactions of gas used times the tip per gas: what the beneficiary earned, in
    /// wei.
    pub fees: u128,
}

impl BlockAssembler {
    /// An assembler for a chain.
    pub const fn new(config: PeruriEvmConfig) -> Self {
        Self { config }
    }

    /// Completes `header` (from [`PeruriEvmConfig::next_header`]) with what executing
    /// `transactions` on `state`, the state after the parent, gave: state, transactions and receipts
    /// root, bloom, gas, blob gas, requests hash; and adds the body, with an empty list of
    /// withdrawals from Shanghai on where `withdrawals` has none.
    ///
    /// `senders` are in the order of `transactions`.
    ///
    /// # Errors
    /// If the store fails while the state root is computed.
    pub fn assemble_block(
        &self,
        mut header: Header,
        transactions: Vec<TransactionSigned>,
        senders: Vec<Address>,
        withdrawals: Withdrawals,
        outcome: BlockExecutionOutcome,
        state: &dyn StateProvider,
    ) -> Result<AssembledBlock, ExecutionError> {
        let (hashed_state, trie) = self.config.state_root(&outcome, state)?;
        let receipts = summarise_receipts(self.config.chain_spec(), header.number, &outcome);
        header.state_root = trie.root;
        header.transactions_root = calculate_transaction_root(&transactions);
        header.receipts_root = receipts.receipts_root;
        header.logs_bloom = receipts.logs_bloom;
        header.gas_used = outcome.gas_used;
        header.blob_gas_used = header.blob_gas_used.map(|_| outcome.blob_gas_used);
        header.requests_hash = header.requests_hash.map(|_| outcome.requests.requests_hash());
        let fees = fees(&transactions, &outcome, header.base_fee_per_gas);
        let withdrawals = header.withdrawals_root.map(|_| withdrawals);
        let body = BlockBody { transactions, ommers: Vec::new(), withdrawals };
        let block = RecoveredBlock::new_unhashed(Block { header, body }, senders);
        let executed = candidate(Arc::new(block), outcome, hashed_state, trie);
        Ok(AssembledBlock { executed, fees })
    }
}

/// What the beneficiary earned in tips.
fn fees(
    transactions: &[TransactionSigned],
    outcome: &BlockExecutionOutcome,
    base_fee: Option<u64>,
) -> u128 {
    let mut before = 0;
    let tips = transactions.iter().zip(&outcome.receipts).map(|(tx, receipt)| {
        let after = receipt.cumulative_gas_used();
        let gas = after.saturating_sub(before);
        before = after;
        let tip = alloy_consensus::Transaction::effective_tip_per_gas(tx, base_fee.unwrap_or(0));
        tip.unwrap_or_default().saturating_mul(gas.into())
    });
    tips.fold(0, u128::saturating_add)
}
