//! What a block is built from.

use peruri_evm::NextBlockEnvAttributes;
use peruri_primitives::SealedHeader;
use std::time::Instant;

/// The block to build on and the choices of its proposer.
#[derive(Debug, Clone)]
pub struct BuildArguments {
    /// Header of the parent.
    pub parent: SealedHeader,
    /// Time, coinbase, gas limit and extra data of the new block.
    pub attributes: NextBlockEnvAttributes,
    /// Bounds beside the gas limit.
    pub limits: BuildLimits,
}

/// Bounds of a block beside its gas limit.
#[derive(Debug, Clone, Copy)]
pub struct BuildLimits {
    /// No transaction is begun after this moment; `None`: no time budget.
    pub deadline: Option<Instant>,
    /// Bytes of the block's RLP (`maxproposalbytes`).
    pub max_bytes: usize,
    /// Transactions.
    pub max_transactions: usize,
    /// Percent of the block's gas limit that the lane may have. What is left of the lane then takes
    /// its turns with all others.
    pub lane_gas_share: u8,
}

/// Percent of a block's gas limit that the lane may have unless the operator says otherwise.
pub const DEFAULT_LANE_GAS_SHARE: u8 = 50;

impl BuildLimits {
    /// No bound but `max_bytes`, and the usual share of the lane.
    pub const fn bytes(max_bytes: usize) -> Self {
        Self {
            deadline: None,
            max_bytes,
            max_transactions: usize::MAX,
            lane_gas_share: DEFAULT_LANE_GAS_SHARE,
        }
    }
}
