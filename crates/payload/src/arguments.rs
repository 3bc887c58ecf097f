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
}

impl BuildLimits {
    /// No bound but `max_bytes`.
    pub const fn bytes(max_bytes: usize) -> Self {
        Self { deadline: None, max_bytes, max_transactions: usize::MAX }
    }
}
