//! Why a call ends early.

use alloy_evm::EvmInternalsError;
use alloy_primitives::Bytes;
use alloy_sol_types::SolError;

/// Why a call ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// A rule of the contract: a revert with this data. What was charged is kept.
    Refused(Bytes),
    /// The gas does not cover the price.
    OutOfGas,
    /// The database failed. Nothing is known about the call, and the block is given up.
    Fatal(String),
}

impl Stop {
    /// A revert with one of the contract's errors.
    pub(super) fn refused(error: &impl SolError) -> Self {
        Self::Refused(error.abi_encode().into())
    }
}

impl From<EvmInternalsError> for Stop {
    fn from(error: EvmInternalsError) -> Self {
        Self::Fatal(error.to_string())
    }
}

/// Refuses with `error` unless `holds`.
pub(super) fn require(holds: bool, error: &impl SolError) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::refused(error)) }
}
