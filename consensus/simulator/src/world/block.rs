//! Blocks of the simulated chain and their tiny execution.
//!
//! The body is one list of transactions and an empty list of ommers; a transaction is a number. The
//! state root is the hash of the parent's state root and the body.

use std::sync::Arc;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_primitives::{Address, B64, B256, Bytes, U256, keccak256};
use peruri_ibft2::{IbftHeader, MIX_HASH, messages::Block};

use crate::{
    clock::EPOCH_MS,
    oracle::{View, rlp},
};

/// A block as a node stores it, with what the oracles read from it.
#[derive(Debug)]
pub struct Sealed {
    /// The block with round and seals in its header.
    pub block: Arc<Block>,
    /// The oracles' reading of the header.
    pub view: View,
}

impl Sealed {
    /// Reads a block; `None` if its header is no IBFT header.
    pub fn new(block: Arc<Block>) -> Option<Self> {
        let view = View::read(&alloy_rlp::encode(&block.header))?;
        Some(Self { block, view })
    }
}

/// The genesis with these validators.
pub(crate) fn genesis(validators: Vec<Address>) -> Header {
    let extra = peruri_ibft2::ExtraData::genesis(Bytes::from(vec![0; 32]), validators);
    Header {
        mix_hash: MIX_HASH,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        difficulty: U256::from(1),
        gas_limit: 30_000_000,
        timestamp: EPOCH_MS / 1_000,
        extra_data: extra.encode(peruri_ibft2::Form::All),
        ..Header::default()
    }
}

/// The body with these transactions.
pub(crate) fn body(transactions: &[u64]) -> Bytes {
    let items: Vec<u8> =
        transactions.iter().flat_map(|number| rlp::string(&number.to_be_bytes())).collect();
    let mut body = rlp::list(&items);
    body.push(0xc0);
    body.into()
}

/// The transactions of a body that [`body`] made.
pub(crate) fn transactions(body: &[u8]) -> Vec<u64> {
    let mut rest = body;
    let items = rlp::take(&mut rest).and_then(|list| list.items()).unwrap_or_default();
    items.iter().filter_map(|item| item.number()).collect()
}

/// The state after a block.
pub(crate) fn execute(parent: B256, body: &[u8]) -> B256 {
    keccak256([parent.as_slice(), body].concat())
}

/// A block on `parent`.
pub(crate) fn build(
    parent: &Sealed,
    coinbase: Address,
    extra_data: Bytes,
    timestamp: u64,
    body: Bytes,
) -> Block {
    let header = Header {
        parent_hash: parent.view.hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: coinbase,
        state_root: execute(parent.view.state_root, &body),
        transactions_root: keccak256(&body),
        difficulty: U256::from(1),
        number: parent.view.number + 1,
        gas_limit: 30_000_000,
        timestamp,
        extra_data,
        mix_hash: MIX_HASH,
        nonce: B64::ZERO,
        ..Header::default()
    };
    Block { header: IbftHeader::from(header), body }
}
