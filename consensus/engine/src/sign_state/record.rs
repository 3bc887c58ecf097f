//! The content of a slot.

use alloy_primitives::{Address, B256};
use alloy_rlp::{RlpDecodable, RlpEncodable};

/// The newest thing a validator has signed.
///
/// With one validator a block needs one round and one seal, so the record names the sealed block;
/// the block itself, with its seal, lies beside the slots.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct SignRecord {
    /// Counts the records; the slot with the higher number is the newer one.
    pub sequence: u64,
    /// Genesis hash of the chain.
    pub genesis_hash: B256,
    /// Address of the key that signs.
    pub validator: Address,
    /// Height of the newest signed block; 0 if nothing was signed yet.
    pub height: u64,
    /// Block hash of the newest signed block; zero if nothing was signed yet.
    pub block_hash: B256,
}

impl SignRecord {
    /// The first record: nothing signed yet.
    pub const fn first(genesis_hash: B256, validator: Address) -> Self {
        Self { sequence: 1, genesis_hash, validator, height: 0, block_hash: B256::ZERO }
    }

    /// The record that follows when `block_hash` is signed at `height`.
    pub const fn next(&self, height: u64, block_hash: B256) -> Self {
        Self {
            sequence: self.sequence.saturating_add(1),
            genesis_hash: self.genesis_hash,
            validator: self.validator,
            height,
            block_hash,
        }
    }
}
