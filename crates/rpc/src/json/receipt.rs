//! Receipts.

use super::{LogContext, Writer, write_log};
use crate::cache::CachedBlock;
use alloy_consensus::{Transaction as _, Typed2718};
use alloy_primitives::{Address, B256, TxKind, logs_bloom};
use alloy_rpc_types_eth::TransactionReceipt;
use peruri_primitives::{Receipt, TransactionSigned};
use peruri_rpc_api::Json;

/// What a receipt's text needs besides receipt and transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceiptPlace {
    pub(crate) block_hash: B256,
    pub(crate) block_number: u64,
    pub(crate) timestamp: u64,
    pub(crate) index: u64,
    pub(crate) base_fee: Option<u64>,
    /// Wei per blob gas in this block, for blob transactions.
    pub(crate) blob_gas_price: Option<u128>,
    /// Gas used by the transactions before.
    pub(crate) gas_before: u64,
    /// Logs of the transactions before.
    pub(crate) first_log: u64,
    /// State root after the transaction: receipts before Byzantium have it instead of a status.
    pub(crate) root: Option<B256>,
}

/// The receipt of transaction `index` of a block.
pub(crate) fn receipt_json(
    block: &CachedBlock,
    index: usize,
) -> serde_json::Result<Option<Json<TransactionReceipt>>> {
    let mut out = Writer::with_capacity(1600);
    if !write_receipt_at(&mut out, block, index) {
        return Ok(None);
    }
    out.finish().map(Some)
}

/// All receipts of a block.
pub(crate) fn receipts_json(
    block: &CachedBlock,
) -> serde_json::Result<Json<Vec<TransactionReceipt>>> {
    let count = block.transaction_count();
    let mut out = Writer::with_capacity(1600 * count + 2);
    out.begin_array();
    for index in 0..count {
        write_receipt_at(&mut out, block, index);
    }
    out.end_array();
    out.finish()
}

fn write_receipt_at(out: &mut Writer, block: &CachedBlock, index: usize) -> bool {
    let Some((tx, from, receipt, place)) = block.receipt_parts(index) else { return false };
    write_receipt(out, tx, from, receipt, &place);
    true
}

fn write_receipt(
    out: &mut Writer,
    tx: &TransactionSigned,
    from: Address,
    receipt: &Receipt,
    place: &ReceiptPlace,
) {
    out.begin();
    out.field_data("blockHash", place.block_hash.as_slice());
    out.field_quantity("blockNumber", place.block_number);
    let created = match tx.kind() {
        TxKind::Create => Some(from.create(tx.nonce())),
        TxKind::Call(_) => None,
    };
    out.field_address("contractAddress", created.as_ref());
    out.field_quantity("cumulativeGasUsed", receipt.cumulative_gas_used);
    out.field_quantity("effectiveGasPrice", tx.effective_gas_price(place.base_fee));
    out.field_data("from", from.as_slice());
    let gas_used = receipt.cumulative_gas_used.saturating_sub(place.gas_before);
    out.field_quantity("gasUsed", gas_used);
    if let Some(blob_gas) = tx.blob_gas_used() {
        out.field_quantity("blobGasUsed", blob_gas);
        if let Some(price) = place.blob_gas_price {
            out.field_quantity("blobGasPrice", price);
        }
    }
    let at = LogContext {
        block_hash: place.block_hash,
        block_number: place.block_number,
        timestamp: place.timestamp,
        tx_hash: *tx.tx_hash(),
        tx_index: place.index,
    };
    out.key("logs");
    out.begin_array();
    for (offset, log) in receipt.logs.iter().enumerate() {
        write_log(out, log, &at, place.first_log + offset as u64);
    }
    out.end_array();
    out.field_data("logsBloom", logs_bloom(receipt.logs.iter()).as_slice());
    match place.root {
        Some(root) => out.field_data("root", root.as_slice()),
        None => out.field_quantity("status", u8::from(receipt.success)),
    }
    out.field_address("to", tx.to().as_ref());
    out.field_data("transactionHash", tx.tx_hash().as_slice());
    out.field_quantity("transactionIndex", place.index);
    out.field_quantity("type", tx.ty());
    out.end();
}
