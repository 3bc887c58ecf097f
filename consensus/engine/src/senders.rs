//! Senders of the transactions of a block.
//!
//! A transaction that waits in the pool has had its sender recovered when it came in; its hash covers
//! its signature, so that the sender found there is the sender. Only what the pool does not hold is
//! recovered, which is most of the work that a validator has with a proposal.

use crate::EngineError;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_hardforks::EthereumHardforks;
use peruri_chainspec::ChainSpec;
use peruri_primitives::{RecoveredBlock, SealedBlock};
use peruri_txpool::TransactionPool;
use peruri_validation::{ConsensusError, recover_block};

/// Puts the senders to the transactions of `block`.
///
/// # Errors
/// [`EngineError::Refused`] if one cannot be recovered.
pub(crate) fn recover(
    chain_spec: &ChainSpec,
    pool: &dyn TransactionPool,
    block: SealedBlock,
) -> Result<RecoveredBlock, EngineError> {
    let number = block.header().number;
    let refused = |source| EngineError::Refused { number, source };
    // Before EIP-2 a signature may have a high `s`, which the pool does not take anyway.
    if !chain_spec.is_homestead_active_at_block(number) {
        return recover_block(chain_spec, block).map_err(refused);
    }
    let hashes: Vec<_> = block.body().transactions.iter().map(|tx| *tx.tx_hash()).collect();
    let known = pool.get_all(&hashes);
    if known.iter().all(Option::is_none) {
        return recover_block(chain_spec, block).map_err(refused);
    }
    let senders = block
        .body()
        .transactions
        .iter()
        .zip(known)
        .map(|(tx, known)| match known {
            Some(known) => Ok(known.sender()),
            None => tx.recover_signer(),
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(ConsensusError::Signature(error.to_string())))?;
    let hash = block.hash();
    Ok(RecoveredBlock::new(block.into_block(), senders, hash))
}
