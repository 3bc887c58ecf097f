//! The last block, and the rules that the next one puts on a transaction.

use alloy_eips::{eip7825::MAX_TX_GAS_LIMIT_OSAKA, eip7840::BlobParams};
use peruri_chainspec::ChainSpec;
use revm::{context_interface::cfg::GasParams, primitives::hardfork::SpecId};

/// What the pool knows of the last committed block and of the one that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BlockInfo {
    /// Number of the last block.
    pub number: u64,
    /// Its timestamp in seconds.
    pub timestamp: u64,
    /// Its gas limit.
    pub gas_limit: u64,
    /// Base fee per gas of the next block in wei; 0 on chains without fees.
    pub next_base_fee: u64,
    /// Blob fee per gas of the next block in wei; 0 where there are no blobs.
    pub next_blob_fee: u128,
}

/// The next block's rules for transactions.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) chain_id: u64,
    pub(crate) spec: SpecId,
    pub(crate) gas: GasParams,
    /// `None`: no blob transactions.
    pub(crate) blobs: Option<BlobParams>,
    pub(crate) tx_gas_cap: u64,
    pub(crate) block: BlockInfo,
}

impl Rules {
    /// The rules for the block after `block`. A fork that activates by time counts from the first
    /// second in which that block can stand.
    pub(crate) fn new(chain: &ChainSpec, block: BlockInfo) -> Self {
        let next_timestamp = block.timestamp.saturating_add(1);
        let spec = chain.spec_id(block.number.saturating_add(1), next_timestamp);
        let blobs = match chain.ibft2() {
            Some(_) => None,
            None => chain.blob_params_at_timestamp(next_timestamp),
        };
        Self::from_parts(chain.chain_id(), spec, blobs, block)
    }

    pub(crate) fn from_parts(
        chain_id: u64,
        spec: SpecId,
        blobs: Option<BlobParams>,
        block: BlockInfo,
    ) -> Self {
        let tx_gas_cap =
            if spec.is_enabled_in(SpecId::OSAKA) { MAX_TX_GAS_LIMIT_OSAKA } else { u64::MAX };
        let blobs = blobs.filter(|_| spec.is_enabled_in(SpecId::CANCUN));
        let gas = GasParams::new_spec(spec);
        Self { chain_id, spec, gas, blobs, tx_gas_cap, block }
    }

    /// Whether transactions that passed `self` may fail `next` without any change of state.
    pub(crate) fn differs_in_forks(&self, next: &Self) -> bool {
        self.spec != next.spec || self.blobs != next.blobs
    }
}
