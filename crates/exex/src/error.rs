//! What can go wrong between the chain and an extension.

use alloy_primitives::BlockNumber;
use peruri_storage::ProviderError;

/// Errors of the delivery of blocks. An extension that gets one should end with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExExError {
    /// The database cannot be read or written.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A block that is due is not in the database.
    #[error("block {0} is committed, but not in the database")]
    MissingBlock(BlockNumber),
    /// Reading or writing was broken off: the process is about to end.
    #[error("work on the database was broken off: {0}")]
    BrokenOff(#[from] tokio::task::JoinError),
}
