//! The seams through which blocks are validated.

use std::fmt;

use peruri_evm::BlockExecutionOutcome;
use peruri_primitives::{BlockBody, RecoveredBlock, SealedBlock, SealedHeader};

use crate::ConsensusError;

/// Rules of headers.
pub trait HeaderValidator: fmt::Debug + Send + Sync {
    /// Checks what a header must fulfil by itself.
    ///
    /// # Errors
    /// The first broken rule.
    fn validate_header(&self, header: &SealedHeader) -> Result<(), ConsensusError>;

    /// Checks a header that passed [`validate_header`](Self::validate_header) against its parent.
    ///
    /// # Errors
    /// The first broken rule.
    fn validate_header_against_parent(
        &self,
        header: &SealedHeader,
        parent: &SealedHeader,
    ) -> Result<(), ConsensusError>;
}

/// Rules of blocks before execution.
pub trait Consensus: HeaderValidator {
    /// Checks that a body is the one its header speaks of: roots, and the shape of the fork.
    ///
    /// # Errors
    /// The first broken rule.
    fn validate_body_against_header(
        &self,
        body: &BlockBody,
        header: &SealedHeader,
    ) -> Result<(), ConsensusError>;

    /// Checks everything about a block that needs no execution and is not about its parent:
    /// [`validate_body_against_header`](Self::validate_body_against_header), size, ommers, and rules
    /// of single transactions.
    ///
    /// # Errors
    /// The first broken rule.
    fn validate_block_pre_execution(&self, block: &SealedBlock) -> Result<(), ConsensusError>;
}

/// Rules of executed blocks.
pub trait FullConsensus: Consensus {
    /// Compares what execution produced with the header: gas, receipts, logs, requests. The state
    /// root is compared where it is computed
    /// ([`process_block`](peruri_evm::PeruriEvmConfig::process_block), which does this too).
    ///
    /// # Errors
    /// The first field that differs.
    fn validate_block_post_execution(
        &self,
        block: &RecoveredBlock,
        outcome: &BlockExecutionOutcome,
    ) -> Result<(), ConsensusError>;
}
