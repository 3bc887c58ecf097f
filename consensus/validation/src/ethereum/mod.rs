//! [`EthereumConsensus`]: the rules of chains without `config.ibft2`.

mod difficulty;
mod header;
mod ommers;

use std::sync::Arc;

use alloy_hardforks::EthereumHardforks;
use peruri_chainspec::ChainSpec;
use peruri_evm::{BlockExecutionOutcome, post_execution};
use peruri_primitives::{BlockBody, RecoveredBlock, SealedBlock, SealedHeader};

pub use difficulty::difficulty;
pub use ommers::AncestorSource;

use crate::{
    Consensus, ConsensusError, FullConsensus, HeaderValidator,
    body::{MAX_BLOCK_RLP_SIZE, validate_body, validate_withdrawals},
};

/// Ethereum's rules, Frontier to Osaka. Does not check ethash seals.
#[derive(Debug, Clone)]
pub struct EthereumConsensus {
    chain_spec: Arc<ChainSpec>,
    ancestors: Arc<dyn AncestorSource>,
}

impl EthereumConsensus {
    /// The rules of a chain; `ancestors` is where the ommers' kin is looked up.
    pub const fn new(chain_spec: Arc<ChainSpec>, ancestors: Arc<dyn AncestorSource>) -> Self {
        Self { chain_spec, ancestors }
    }
}

impl HeaderValidator for EthereumConsensus {
    fn validate_header(&self, header: &SealedHeader) -> Result<(), ConsensusError> {
        header::validate(&self.chain_spec, header)
    }

    fn validate_header_against_parent(
        &self,
        header: &SealedHeader,
        parent: &SealedHeader,
    ) -> Result<(), ConsensusError> {
        header::validate_against_parent(&self.chain_spec, header, parent)
    }
}

impl Consensus for EthereumConsensus {
    fn validate_body_against_header(
        &self,
        body: &BlockBody,
        header: &SealedHeader,
    ) -> Result<(), ConsensusError> {
        validate_withdrawals(&self.chain_spec, body, header)?;
        validate_body(&self.chain_spec, body, header)
    }

    fn validate_block_pre_execution(&self, block: &SealedBlock) -> Result<(), ConsensusError> {
        if self.chain_spec.is_osaka_active_at_timestamp(block.header().timestamp) {
            let got = block.rlp_length();
            if got > MAX_BLOCK_RLP_SIZE {
                return Err(ConsensusError::BlockTooLarge { got, max: MAX_BLOCK_RLP_SIZE });
            }
        }
        self.validate_body_against_header(block.body(), &block.clone_sealed_header())?;
        ommers::validate(&self.chain_spec, block, self.ancestors.as_ref())
    }
}

impl FullConsensus for EthereumConsensus {
    fn validate_block_post_execution(
        &self,
        block: &RecoveredBlock,
        outcome: &BlockExecutionOutcome,
    ) -> Result<(), ConsensusError> {
        Ok(post_execution::validate(&self.chain_spec, block.header(), outcome)?)
    }
}
