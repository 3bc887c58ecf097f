//! What can go wrong when a block is executed, and whose fault it is.

use alloy_evm::block::{BlockExecutionError, BlockValidationError, InternalBlockExecutionError};
use alloy_primitives::{B256, Bloom, TxHash};
use peruri_storage::ProviderError;
use revm::context_interface::result::InvalidTransaction;

/// Why a block or one of its transactions cannot be executed.
///
/// Three classes, told apart by [`is_invalid_transaction`](Self::is_invalid_transaction) and
/// [`is_internal`](Self::is_internal): an invalid transaction is left out by a block builder, which
/// goes on with the next; an internal error says nothing about the block and aborts whatever was
/// being done; everything else is a broken rule of the block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionError {
    /// A transaction breaks a rule. It changed nothing: the session can go on without it.
    #[error("transaction {index} ({hash}): {reason}")]
    InvalidTransaction {
        /// Index in the block, or in the block under construction.
        index: usize,
        /// Hash of the transaction.
        hash: TxHash,
        /// What is wrong with it.
        reason: TransactionError,
    },
    /// The block breaks a rule outside its transactions (system call, deposit log).
    #[error("block cannot be executed: {0}")]
    InvalidBlock(String),
    /// The gas the transactions used differs from the header's.
    #[error("gas used: {got} by execution, {expected} in the header")]
    GasUsedMismatch {
        /// In the header.
        expected: u64,
        /// By execution.
        got: u64,
    },
    /// The blob gas of the transactions differs from the header's.
    #[error("blob gas used: {got} by the transactions, {expected} in the header")]
    BlobGasUsedMismatch {
        /// In the header.
        expected: u64,
        /// By the transactions.
        got: u64,
    },
    /// The receipts differ from the header's root.
    #[error("receipts root: {got} by execution, {expected} in the header")]
    ReceiptsRootMismatch {
        /// In the header.
        expected: B256,
        /// By execution.
        got: B256,
    },
    /// The logs differ from the header's bloom filter.
    #[error("logs bloom differs from the header's")]
    LogsBloomMismatch {
        /// In the header.
        expected: Box<Bloom>,
        /// By execution.
        got: Box<Bloom>,
    },
    /// The requests (EIP-7685) differ from the header's.
    #[error("requests hash: {got} by execution, {expected:?} in the header")]
    RequestsHashMismatch {
        /// In the header.
        expected: Option<B256>,
        /// By execution.
        got: B256,
    },
    /// The state after the block differs from the header's.
    #[error("state root: {got} by execution, {expected} in the header")]
    StateRootMismatch {
        /// In the header.
        expected: B256,
        /// By execution.
        got: B256,
    },
    /// A database read failed, or the EVM is misconfigured: nothing is known about the block.
    #[error("internal error while executing: {0}")]
    Internal(String),
    /// The store failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

impl ExecutionError {
    /// Whether one transaction is at fault, and the rest of the block may go on without it.
    pub const fn is_invalid_transaction(&self) -> bool {
        matches!(self, Self::InvalidTransaction { .. })
    }

    /// Whether the node is at fault, not the block: the work has to be aborted.
    pub const fn is_internal(&self) -> bool {
        matches!(self, Self::Internal(_) | Self::Provider(_))
    }

    /// The reason of an invalid transaction.
    pub const fn transaction_error(&self) -> Option<&TransactionError> {
        match self {
            Self::InvalidTransaction { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Sorts an error of the executor. `failure` is what the database said, if it failed; `at` is
    /// the transaction that was being executed, if one was.
    pub(crate) fn sort(
        error: BlockExecutionError,
        failure: Option<&str>,
        at: Option<(usize, TxHash)>,
    ) -> Self {
        if let Some(failure) = failure {
            return Self::Internal(failure.to_owned());
        }
        let error = match error {
            BlockExecutionError::Internal(error) => return internal(&error),
            BlockExecutionError::Validation(error) => error,
        };
        match (error, at) {
            (BlockValidationError::InvalidTx { error, .. }, Some((index, hash))) => {
                let reason = match error.as_invalid_tx_err() {
                    Some(invalid) => TransactionError::Invalid(invalid.clone()),
                    None => TransactionError::Other(error.to_string()),
                };
                Self::InvalidTransaction { index, hash, reason }
            }
            (
                BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                    transaction_gas_limit,
                    block_available_gas,
                },
                Some((index, hash)),
            ) => {
                let reason = TransactionError::GasLimitExceedsBlock {
                    gas_limit: transaction_gas_limit,
                    available: block_available_gas,
                };
                Self::InvalidTransaction { index, hash, reason }
            }
            (error @ BlockValidationError::IncrementBalanceFailed, _) => {
                Self::Internal(error.to_string())
            }
            (error, _) => Self::InvalidBlock(error.to_string()),
        }
    }
}

fn internal(error: &InternalBlockExecutionError) -> ExecutionError {
    ExecutionError::Internal(error.to_string())
}

/// Why a transaction is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// A rule of the EVM: nonce, funds, fees, intrinsic gas, type.
    #[error("{0}")]
    Invalid(InvalidTransaction),
    /// The transaction may use more gas than the block has left.
    #[error("gas limit {gas_limit} exceeds the {available} left in the block")]
    GasLimitExceedsBlock {
        /// Gas limit of the transaction.
        gas_limit: u64,
        /// Gas left in the block.
        available: u64,
    },
    /// Another rule.
    #[error("{0}")]
    Other(String),
}

impl TransactionError {
    /// The sender's nonce is already used: the transaction stands in an earlier block.
    pub const fn is_nonce_too_low(&self) -> bool {
        matches!(self, Self::Invalid(InvalidTransaction::NonceTooLow { .. }))
    }

    /// It does not fit into this block and may fit into the next.
    pub const fn is_block_full(&self) -> bool {
        matches!(self, Self::GasLimitExceedsBlock { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Option<(usize, TxHash)> = Some((3, TxHash::ZERO));

    fn nonce_too_low() -> BlockExecutionError {
        BlockValidationError::InvalidTx {
            hash: B256::ZERO,
            error: Box::new(InvalidTransaction::NonceTooLow { tx: 0, state: 1 }),
        }
        .into()
    }

    #[test]
    fn invalid_transactions_carry_their_reason() {
        let error = ExecutionError::sort(nonce_too_low(), None, AT);
        assert!(error.is_invalid_transaction() && !error.is_internal());
        assert!(error.transaction_error().is_some_and(TransactionError::is_nonce_too_low));
    }

    #[test]
    fn a_database_failure_is_never_the_blocks_fault() {
        for error in [
            nonce_too_low(),
            BlockValidationError::msg("system call failed").into(),
            BlockValidationError::IncrementBalanceFailed.into(),
        ] {
            let error = ExecutionError::sort(error, Some("disk"), AT);
            assert!(error.is_internal(), "{error}");
        }
    }

    #[test]
    fn balance_increments_fail_only_for_internal_reasons() {
        let error = BlockValidationError::IncrementBalanceFailed.into();
        assert!(ExecutionError::sort(error, None, None).is_internal());
    }

    #[test]
    fn a_full_block_is_told_from_other_reasons() {
        let error = BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
            transaction_gas_limit: 5,
            block_available_gas: 4,
        };
        let error = ExecutionError::sort(error.into(), None, AT);
        assert!(error.transaction_error().is_some_and(TransactionError::is_block_full));
    }
}
