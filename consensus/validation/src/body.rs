//! Rules of bodies that both kinds of chain share.

use alloy_consensus::{
    Transaction,
    proofs::{calculate_ommers_root, calculate_transaction_root, calculate_withdrawals_root},
};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks};
use alloy_primitives::B256;
use peruri_chainspec::ChainSpec;
use peruri_primitives::{BlockBody, Header, TransactionSigned};

use crate::ConsensusError;

/// Most bytes of a block's RLP from Osaka on: 10 MiB less 2 MiB for what surrounds it (EIP-7934).
pub const MAX_BLOCK_RLP_SIZE: usize = 8 * 1024 * 1024;

/// Checks the roots of transactions and ommers, rules of single transactions, and, on a chain
/// without `config.ibft2`, blob gas where the header names it.
///
/// # Errors
/// The first difference.
pub fn validate_body(
    chain_spec: &ChainSpec,
    body: &BlockBody,
    header: &Header,
) -> Result<(), ConsensusError> {
    root("sha3Uncles", header.ommers_hash, calculate_ommers_root(&body.ommers))?;
    root(
        "transactionsRoot",
        header.transactions_root,
        calculate_transaction_root(&body.transactions),
    )?;
    if chain_spec.ibft2().is_none() {
        validate_blob_gas(chain_spec, body, header)?;
    }
    body.transactions
        .iter()
        .enumerate()
        .try_for_each(|(index, tx)| validate_transaction(chain_spec, header, index, tx))
}

/// Checks the withdrawals list against the fork and the header's root (EIP-4895).
pub(crate) fn validate_withdrawals(
    chain_spec: &ChainSpec,
    body: &BlockBody,
    header: &Header,
) -> Result<(), ConsensusError> {
    let expected = chain_spec.is_shanghai_active_at_timestamp(header.timestamp);
    if body.withdrawals.is_some() != expected {
        return Err(ConsensusError::WithdrawalsPresence { expected });
    }
    match (&body.withdrawals, header.withdrawals_root) {
        (Some(withdrawals), Some(expected)) => {
            root("withdrawalsRoot", expected, calculate_withdrawals_root(withdrawals))
        }
        _ => Ok(()),
    }
}

fn root(field: &'static str, expected: B256, got: B256) -> Result<(), ConsensusError> {
    if expected == got { Ok(()) } else { Err(ConsensusError::BodyRoot { field, expected, got }) }
}

/// The transactions' blobs: not more than a block may carry, and as many as the header says.
fn validate_blob_gas(
    chain_spec: &ChainSpec,
    body: &BlockBody,
    header: &Header,
) -> Result<(), ConsensusError> {
    let Some(expected) = header.blob_gas_used else { return Ok(()) };
    let used = body.transactions.iter().filter_map(Transaction::blob_gas_used);
    let got = used.fold(0, u64::saturating_add);
    if let Some(params) = chain_spec.blob_params_at_timestamp(header.timestamp) {
        let max = params.max_blob_gas_per_block();
        if got > max {
            return Err(ConsensusError::TooMuchBlobGas { got, max });
        }
    }
    if got == expected { Ok(()) } else { Err(ConsensusError::BodyBlobGas { expected, got }) }
}

/// Rules of transactions that the EVM does not check: replay protection before its fork (EIP-155).
fn validate_transaction(
    chain_spec: &ChainSpec,
    header: &Header,
    index: usize,
    tx: &TransactionSigned,
) -> Result<(), ConsensusError> {
    let replay_protection = chain_spec
        .ethereum_fork_activation(EthereumHardfork::SpuriousDragon)
        .active_at_timestamp_or_number(header.timestamp, header.number);
    if tx.is_legacy() && tx.chain_id().is_some() && !replay_protection {
        let hash = *tx.tx_hash();
        let reason = "signed for a chain id before EIP-155 is active";
        return Err(ConsensusError::Transaction { index, hash, reason });
    }
    Ok(())
}
