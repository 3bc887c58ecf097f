//! Senders of a block's transactions.

use alloy_hardforks::EthereumHardforks;
use peruri_chainspec::ChainSpec;
use peruri_primitives::{RecoveredBlock, SealedBlock};

use crate::ConsensusError;

/// Recovers the sender of each transaction, on several threads. A signature with a high `s` is
/// refused from Homestead on (EIP-2).
///
/// # Errors
/// [`ConsensusError::Signature`] if one cannot be recovered.
pub fn recover_block(
    chain_spec: &ChainSpec,
    block: SealedBlock,
) -> Result<RecoveredBlock, ConsensusError> {
    let strict = chain_spec.is_homestead_active_at_block(block.header().number);
    let recovered = if strict { block.try_recover() } else { block.try_recover_unchecked() };
    recovered.map_err(|error| ConsensusError::Signature(error.to_string()))
}
