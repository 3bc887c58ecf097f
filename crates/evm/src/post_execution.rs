//! Comparison of what a block did with what its header says.

use alloy_consensus::Header as EthHeader;
use alloy_hardforks::EthereumHardforks;
use peruri_chainspec::ChainSpec;

use crate::{BlockExecutionOutcome, ExecutionError, ReceiptsSummary};

/// Whether receipts of a block with this number carry state roots instead of a status (EIP-658).
pub fn needs_post_states(chain_spec: &ChainSpec, number: u64) -> bool {
    !chain_spec.is_byzantium_active_at_block(number)
}

/// Root and bloom of a block's receipts, in the form of the block's fork.
pub fn summarise_receipts(
    chain_spec: &ChainSpec,
    number: u64,
    outcome: &BlockExecutionOutcome,
) -> ReceiptsSummary {
    if needs_post_states(chain_spec, number) {
        ReceiptsSummary::with_post_states(&outcome.receipts, &outcome.post_states)
    } else {
        ReceiptsSummary::new(&outcome.receipts)
    }
}

/// Checks gas used, blob gas used, bloom, receipts root and requests hash of `header`. The state
/// root is compared by [`process_block`](crate::PeruriEvmConfig::process_block).
///
/// `blobGasUsed` is compared where the header has it, but not on a chain with `config.ibft2`: no
/// rule of IBFT 2.0 binds it. `requestsHash` is required from Prague on.
///
/// # Errors
/// The first field that differs, with both values.
pub fn validate(
    chain_spec: &ChainSpec,
    header: &EthHeader,
    outcome: &BlockExecutionOutcome,
) -> Result<(), ExecutionError> {
    if header.gas_used != outcome.gas_used {
        return Err(ExecutionError::GasUsedMismatch {
            expected: header.gas_used,
            got: outcome.gas_used,
        });
    }
    if let Some(expected) = header.blob_gas_used
        && expected != outcome.blob_gas_used
        && chain_spec.ibft2().is_none()
    {
        return Err(ExecutionError::BlobGasUsedMismatch { expected, got: outcome.blob_gas_used });
    }
    let summary = summarise_receipts(chain_spec, header.number, outcome);
    if header.logs_bloom != summary.logs_bloom {
        return Err(ExecutionError::LogsBloomMismatch {
            expected: Box::new(header.logs_bloom),
            got: Box::new(summary.logs_bloom),
        });
    }
    if header.receipts_root != summary.receipts_root {
        return Err(ExecutionError::ReceiptsRootMismatch {
            expected: header.receipts_root,
            got: summary.receipts_root,
        });
    }
    validate_requests(chain_spec, header, outcome)
}

fn validate_requests(
    chain_spec: &ChainSpec,
    header: &EthHeader,
    outcome: &BlockExecutionOutcome,
) -> Result<(), ExecutionError> {
    if !chain_spec.is_prague_active_at_timestamp(header.timestamp) {
        return Ok(());
    }
    let got = outcome.requests.requests_hash();
    if header.requests_hash == Some(got) {
        return Ok(());
    }
    Err(ExecutionError::RequestsHashMismatch { expected: header.requests_hash, got })
}
