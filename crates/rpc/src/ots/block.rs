//! Blocks, transactions and receipts in Otterscan's forms.

use crate::{cache::CachedBlock, context::Inner, error::RpcResult, trace::rewards};
use alloy_consensus::{Sealed, Transaction as _, Typed2718, transaction::Recovered};
use alloy_eips::{BlockId, eip4895::Withdrawals};
use alloy_primitives::{Sealable, TxKind, U256, logs_bloom};
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt};
use alloy_rpc_types_trace::{
    otterscan::{
        BlockDetails, InternalIssuance, OtsBlock, OtsBlockTransactions, OtsReceipt,
        OtsTransactionReceipt,
    },
    parity::{Action, RewardType},
};
use std::ops::Range;

/// A block with its reward and the fees that were paid in it.
pub(super) fn details(ctx: &Inner, id: BlockId) -> RpcResult<Option<BlockDetails>> {
    let Some(block) = ctx.block(id)? else { return Ok(None) };
    ctx.with_receipts(&block)?;
    let all = 0..block.transaction_count();
    let fees = receipts(&block, all.clone())
        .map(|OtsTransactionReceipt { receipt, .. }| {
            U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price)
        })
        .sum();
    Ok(Some(BlockDetails::new(rpc_block(&block, all), issuance(ctx, &block), fees)))
}

/// A page of a block's transactions, the last ones on page 0.
pub(super) fn transactions(
    ctx: &Inner,
    number: u64,
    page: u64,
    page_size: u64,
) -> RpcResult<Option<OtsBlockTransactions>> {
    let Some(block) = ctx.block_by_number(number)? else { return Ok(None) };
    ctx.with_receipts(&block)?;
    let count = block.transaction_count();
    let size = usize::try_from(page_size).unwrap_or(usize::MAX);
    let end =
        count.saturating_sub(usize::try_from(page).unwrap_or(usize::MAX).saturating_mul(size));
    let range = end.saturating_sub(size)..end;
    let receipts = receipts(&block, range.clone()).collect();
    let fullblock = OtsBlock { transaction_count: count, block: rpc_block(&block, range) };
    Ok(Some(OtsBlockTransactions { fullblock, receipts }))
}

/// A transaction of a block.
pub(super) fn transaction(block: &CachedBlock, index: usize) -> Option<Transaction> {
    let tx = block.transactions().get(index)?;
    let place = block.transaction_place(index);
    Some(Transaction {
        effective_gas_price: Some(tx.effective_gas_price(place.base_fee)),
        inner: Recovered::new_unchecked(tx.clone().into(), block.sender(index)),
        block_hash: Some(place.block_hash),
        block_number: Some(place.block_number),
        transaction_index: Some(place.index),
        block_timestamp: Some(place.timestamp),
    })
}

/// Receipts of a block, without logs.
fn receipts(
    block: &CachedBlock,
    range: Range<usize>,
) -> impl Iterator<Item = OtsTransactionReceipt> + '_ {
    range.filter_map(|index| receipt(block, index))
}

/// A receipt with its logs.
pub(super) fn whole_receipt(block: &CachedBlock, index: usize) -> Option<OtsTransactionReceipt> {
    let mut whole = receipt(block, index)?;
    let (tx, _, receipt, place) = block.receipt_parts(index)?;
    let logs = (place.first_log..).zip(&receipt.logs).map(|(log_index, log)| Log {
        inner: log.clone(),
        block_hash: Some(place.block_hash),
        block_number: Some(place.block_number),
        block_timestamp: Some(place.timestamp),
        transaction_hash: Some(*tx.tx_hash()),
        transaction_index: Some(place.index),
        log_index: Some(log_index),
        removed: false,
    });
    whole.receipt.inner.logs = Some(logs.collect());
    whole.receipt.inner.logs_bloom = Some(logs_bloom(&receipt.logs));
    Some(whole)
}

/// A receipt without its logs.
fn receipt(block: &CachedBlock, index: usize) -> Option<OtsTransactionReceipt> {
    let (tx, from, receipt, place) = block.receipt_parts(index)?;
    let inner = OtsReceipt {
        status: receipt.success,
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs: None,
        logs_bloom: None,
        r#type: tx.ty(),
    };
    let receipt = TransactionReceipt {
        inner,
        transaction_hash: *tx.tx_hash(),
        transaction_index: Some(place.index),
        block_hash: Some(place.block_hash),
        block_number: Some(place.block_number),
        gas_used: receipt.cumulative_gas_used.saturating_sub(place.gas_before),
        effective_gas_price: tx.effective_gas_price(place.base_fee),
        blob_gas_used: tx.blob_gas_used(),
        blob_gas_price: place.blob_gas_price,
        from,
        to: tx.to(),
        contract_address: matches!(tx.kind(), TxKind::Create).then(|| from.create(tx.nonce())),
    };
    Some(OtsTransactionReceipt { receipt, timestamp: Some(place.timestamp) })
}

/// The header of a block.
pub(super) fn header(block: &CachedBlock) -> Header {
    let header = Sealed::new_unchecked(block.header().0.clone(), block.hash());
    Header::from_consensus(header, None, Some(U256::from(block.rlp_length())))
}

fn rpc_block(block: &CachedBlock, range: Range<usize>) -> Block {
    let transactions = range.filter_map(|index| transaction(block, index)).collect();
    Block {
        header: header(block),
        uncles: block.ommers().iter().map(Sealable::hash_slow).collect(),
        transactions: BlockTransactions::Full(transactions),
        withdrawals: block.withdrawals().map(|list| Withdrawals::new(list.to_vec())),
    }
}

fn issuance(ctx: &Inner, block: &CachedBlock) -> InternalIssuance {
    let mut issuance = InternalIssuance::default();
    for trace in rewards(ctx, block) {
        let Action::Reward(reward) = trace.trace.action else { continue };
        match reward.reward_type {
            RewardType::Block => issuance.block_reward += reward.value,
            RewardType::Uncle => issuance.uncle_reward += reward.value,
        }
        issuance.issuance += reward.value;
    }
    issuance
}
