//! Blocks and headers.

use super::{Writer, transaction::size_hint, write_transaction};
use crate::cache::CachedBlock;
use alloy_primitives::B256;
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{Block, Header as RpcHeader};
use peruri_primitives::{Block as ConsensusBlock, Header};
use peruri_rpc_api::Json;

/// A whole block, with transactions or their hashes. A pending block is shown as it would be
/// sealed.
pub(crate) fn block_json(block: &CachedBlock, full: bool) -> serde_json::Result<Json<Block>> {
    let transactions = block.transactions();
    let body: usize =
        if full { transactions.iter().map(size_hint).sum() } else { 70 * transactions.len() };
    let mut out = Writer::with_capacity(2200 + body);
    out.begin();
    write_block_fields(&mut out, block, full);
    out.end();
    out.finish()
}

/// The members of a block, for an object that has others too.
pub(crate) fn write_block_fields(out: &mut Writer, block: &CachedBlock, full: bool) {
    let transactions = block.transactions();
    write_header_fields(out, block.header(), block.hash());
    out.field_quantity("size", block.rlp_length() as u64);
    out.key("transactions");
    out.begin_array();
    for (index, tx) in transactions.iter().enumerate() {
        if full {
            let place = block.transaction_place(index);
            write_transaction(out, tx, block.sender(index), Some(&place));
        } else {
            out.data(tx.tx_hash().as_slice());
        }
    }
    out.end_array();
    out.key("uncles");
    out.begin_array();
    block.ommers().iter().for_each(|ommer| out.data(ommer_hash(ommer).as_slice()));
    out.end_array();
    write_withdrawals(out, block);
}

/// A header alone.
pub(crate) fn header_json(header: &Header, hash: B256) -> serde_json::Result<Json<RpcHeader>> {
    let mut out = Writer::with_capacity(2200);
    out.begin();
    write_header_fields(&mut out, header, hash);
    out.end();
    out.finish()
}

/// An ommer as a block without body.
pub(crate) fn uncle_json(header: &Header) -> serde_json::Result<Json<Block>> {
    let block = ConsensusBlock::uncle(header.clone());
    let mut out = Writer::with_capacity(2200);
    out.begin();
    write_header_fields(&mut out, header, ommer_hash(header));
    out.field_quantity("size", block.length() as u64);
    for key in ["transactions", "uncles"] {
        out.key(key);
        out.begin_array();
        out.end_array();
    }
    out.end();
    out.finish()
}

fn ommer_hash(header: &Header) -> B256 {
    alloy_primitives::Sealable::hash_slow(header)
}

fn write_header_fields(out: &mut Writer, header: &Header, hash: B256) {
    if let Some(fee) = header.base_fee_per_gas {
        out.field_quantity("baseFeePerGas", fee);
    }
    if let Some(gas) = header.blob_gas_used {
        out.field_quantity("blobGasUsed", gas);
    }
    out.field_quantity256("difficulty", &header.difficulty);
    if let Some(gas) = header.excess_blob_gas {
        out.field_quantity("excessBlobGas", gas);
    }
    out.field_data("extraData", &header.extra_data);
    out.field_quantity("gasLimit", header.gas_limit);
    out.field_quantity("gasUsed", header.gas_used);
    out.field_data("hash", hash.as_slice());
    out.field_data("logsBloom", header.logs_bloom.as_slice());
    out.field_data("miner", header.beneficiary.as_slice());
    out.field_data("mixHash", header.mix_hash.as_slice());
    out.field_data("nonce", header.nonce.as_slice());
    out.field_quantity("number", header.number);
    if let Some(root) = header.parent_beacon_block_root {
        out.field_data("parentBeaconBlockRoot", root.as_slice());
    }
    out.field_data("parentHash", header.parent_hash.as_slice());
    out.field_data("receiptsRoot", header.receipts_root.as_slice());
    if let Some(hash) = header.requests_hash {
        out.field_data("requestsHash", hash.as_slice());
    }
    out.field_data("sha3Uncles", header.ommers_hash.as_slice());
    out.field_data("stateRoot", header.state_root.as_slice());
    out.field_quantity("timestamp", header.timestamp);
    out.field_data("transactionsRoot", header.transactions_root.as_slice());
    if let Some(root) = header.withdrawals_root {
        out.field_data("withdrawalsRoot", root.as_slice());
    }
}

fn write_withdrawals(out: &mut Writer, block: &CachedBlock) {
    let Some(withdrawals) = block.withdrawals() else { return };
    out.key("withdrawals");
    out.begin_array();
    for item in withdrawals {
        out.begin();
        out.field_quantity("index", item.index);
        out.field_quantity("validatorIndex", item.validator_index);
        out.field_data("address", item.address.as_slice());
        out.field_quantity("amount", item.amount);
        out.end();
    }
    out.end_array();
}
