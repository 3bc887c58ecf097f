//! Why the engine stopped or refused.

use crate::SignStateError;
use alloy_primitives::{Address, B256};
use peruri_evm::ExecutionError;
use peruri_ibft2::ExtraDataError;
use peruri_payload::BuildError;
use peruri_storage::ProviderError;
use peruri_validation::ConsensusError;

/// Failures of the engine. After all but those that are
/// [transient](Self::is_transient) or [a block's fault](Self::is_refusal) nothing more may be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The sign state forbids signing.
    #[error("sign state: {0}")]
    SignState(#[from] SignStateError),
    /// The store failed.
    #[error("storage: {0}")]
    Provider(#[from] ProviderError),
    /// No block could be built.
    #[error("block building: {0}")]
    Build(#[from] BuildError),
    /// A block could not be executed.
    #[error("block {number}: {source}")]
    Execution {
        /// Number of the block.
        number: u64,
        /// Why.
        source: ExecutionError,
    },
    /// A block breaks a rule.
    #[error("block {number} is refused: {source}")]
    Refused {
        /// Number of the block.
        number: u64,
        /// The rule.
        source: ConsensusError,
    },
    /// The validators of a block cannot be computed.
    #[error("validators: {0}")]
    Validators(#[source] ConsensusError),
    /// A stored header's `extraData` does not decode.
    #[error("extraData of header {number}: {source}")]
    ExtraData {
        /// Number of the block.
        number: u64,
        /// What is wrong with it.
        source: ExtraDataError,
    },
    /// More validators than may be faulty have sealed two blocks of one height.
    #[error(
        "finality is broken: block {height} is {ours} here, and {other} carries the seals of a quorum too; \
         the evidence is in the data folder; nothing more is signed, compare both chains with the other operators"
    )]
    FinalityBroken {
        /// The height.
        height: u64,
        /// Hash of the block that is final here.
        ours: B256,
        /// Hash of the other block.
        other: B256,
    },
    /// A block cannot be given to consensus.
    #[error("block {number} cannot be encoded: {reason}")]
    Encoding {
        /// Number of the block.
        number: u64,
        /// Why.
        reason: String,
    },
    /// A file beside the data cannot be written.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Even a block without transactions breaks a rule.
    #[error("an empty block on top of block {parent} is refused: {reason}")]
    EmptyBlockRefused {
        /// Number of the parent.
        parent: u64,
        /// Why.
        reason: String,
    },
    /// A file of blocks cannot be read.
    #[error("block {index} of the file, at byte {offset}: {reason}")]
    ChainFile {
        /// Index of the block in the file, from 0.
        index: u64,
        /// Where it begins, in bytes.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The key cannot sign.
    #[error("signing with the key of {validator}: {reason}")]
    Signing {
        /// Address of the key.
        validator: Address,
        /// Why.
        reason: String,
    },
    /// A blocking task was cancelled or panicked.
    #[error("task {name} failed: {reason}")]
    Task {
        /// Name of the task.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

impl EngineError {
    /// Whether the block is at fault; otherwise the node is, and nothing is known about the block.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Execution { source, .. } => !source.is_internal(),
            Self::Refused { source, .. } => !source.is_internal(),
            Self::ChainFile { .. } => true,
            _ => false,
        }
    }

    /// Whether only the block in hand could not be built, and another may be tried.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Build(_) | Self::EmptyBlockRefused { .. } | Self::Execution { .. })
    }
}
