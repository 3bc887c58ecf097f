//! The driver's opinion on a proposed block: light header rules and execution, once per block.

use crate::{EngineError, senders};
use peruri_chainspec::ChainSpec;
use peruri_evm::PeruriEvmConfig;
use peruri_ibft2::{Block as ProposedBlock, core::Verdict};
use peruri_primitives::{RecoveredBlock, SealedHeader};
use peruri_storage::{CandidateChain, ExecutedBlock, ProviderFactory};
use peruri_txpool::TransactionPool;
use peruri_validation::{Consensus, ConsensusError, IbftConsensus, decode_block};
use reth_primitives_traits::Block as _;
use std::sync::Arc;

/// Rule of the header rules on times in the future, which the next second may satisfy.
const RULE_FUTURE_TIME: u8 = 4;

/// Checks blocks on top of the committed head. Blocking.
#[derive(Clone)]
pub(crate) struct BlockChecker {
    pub(crate) chain_spec: Arc<ChainSpec>,
    pub(crate) provider: ProviderFactory,
    pub(crate) evm_config: PeruriEvmConfig,
    pub(crate) consensus: IbftConsensus,
    pub(crate) pool: Arc<dyn TransactionPool>,
}

/// What a check came to.
#[derive(Debug)]
pub(crate) enum Checked {
    /// Every rule is kept; this is what the block does.
    Valid(Box<ExecutedBlock>),
    /// It may be valid later.
    NotYet(String),
    /// Broken for good.
    Invalid(String),
}

impl Checked {
    pub(crate) const fn verdict(&self) -> Verdict {
        match self {
            Self::Valid(_) => Verdict::Valid,
            Self::NotYet(_) => Verdict::NotYet,
            Self::Invalid(_) => Verdict::Invalid,
        }
    }
}

impl BlockChecker {
    /// Checks a proposal. `fresh`: no certificate forces it, so that its base fee must be the one that
    /// follows from the parent.
    ///
    /// # Errors
    /// If the node fails and nothing is known about the block.
    pub(crate) fn check(&self, block: &ProposedBlock, fresh: bool) -> Result<Checked, EngineError> {
        match self.try_check(block, fresh) {
            Ok(checked) => Ok(checked),
            Err(EngineError::Refused { source: ConsensusError::Ibft(error), .. })
                if error.rule() == RULE_FUTURE_TIME =>
            {
                Ok(Checked::NotYet(error.to_string()))
            }
            Err(error) if error.is_refusal() => Ok(Checked::Invalid(error.to_string())),
            Err(error) => Err(error),
        }
    }

    fn try_check(&self, block: &ProposedBlock, fresh: bool) -> Result<Checked, EngineError> {
        let parent = self.provider.last_header()?;
        if block.header.parent_hash != parent.hash() {
            return Ok(Checked::NotYet("its parent is not the committed head".to_owned()));
        }
        if fresh && let Some(wrong) = self.wrong_base_fee(block, &parent) {
            return Ok(Checked::Invalid(wrong));
        }
        let block = self.recover(block)?;
        let header = block.clone_sealed_header();
        self.consensus
            .validate_proposal_header(&header, &parent)
            .map_err(|source| EngineError::Refused { number: header.number, source })?;
        self.execute(block, &parent).map(|block| Checked::Valid(Box::new(block)))
    }

    fn wrong_base_fee(&self, block: &ProposedBlock, parent: &SealedHeader) -> Option<String> {
        let expected = self.chain_spec.next_base_fee(&parent.header().0, block.header.timestamp);
        let got = block.header.base_fee_per_gas;
        (got != expected).then(|| format!("base fee {got:?}, expected {expected:?}"))
    }

    /// Executes a block that is final already, whatever the clock says.
    ///
    /// # Errors
    /// If it cannot be executed: a quorum of validators has sealed what this node holds for wrong.
    pub(crate) fn execute_final(
        &self,
        block: &ProposedBlock,
    ) -> Result<ExecutedBlock, EngineError> {
        let parent = self.provider.last_header()?;
        self.execute(self.recover(block)?, &parent)
    }

    fn recover(&self, block: &ProposedBlock) -> Result<RecoveredBlock, EngineError> {
        let number = block.header.number;
        let decoded = decode_block(&alloy_rlp::encode(block))
            .map_err(|source| EngineError::Refused { number, source })?;
        senders::recover(&self.chain_spec, &*self.pool, decoded.seal_slow())
    }

    fn execute(
        &self,
        block: RecoveredBlock,
        parent: &SealedHeader,
    ) -> Result<ExecutedBlock, EngineError> {
        let number = block.header().number;
        self.consensus
            .validate_block_pre_execution(block.sealed_block())
            .map_err(|source| EngineError::Refused { number, source })?;
        let state = self.provider.overlay(parent.hash(), CandidateChain::default())?;
        self.evm_config
            .process_block(block, &*state)
            .map_err(|source| EngineError::Execution { number, source })
    }
}

impl std::fmt::Debug for BlockChecker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockChecker").finish_non_exhaustive()
    }
}
