//! Why no block was built.

use alloy_primitives::TxHash;
use peruri_evm::ExecutionError;

/// Failures of block building. An invalid transaction is none: it is left out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Execution of a transaction panicked. It has to leave the pool before the next attempt.
    #[error("executing transaction {hash} panicked: {message}")]
    Panicked {
        /// The transaction.
        hash: TxHash,
        /// The panic's message.
        message: String,
    },
    /// The node failed: nothing is known about any transaction.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}
