//! [`IbftConsensus`]: the rules of chains with `config.ibft2`.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_consensus::Header as EthHeader;
use alloy_hardforks::EthereumHardfork;
use parking_lot::Mutex;
use peruri_chainspec::ChainSpec;
use peruri_evm::{BlockExecutionOutcome, post_execution};
use peruri_ibft2::{
    BlockHash, ExtraData, FeeMarket, HeaderContext, HeaderSource, Ibft2Schedule, Mode,
    ValidatorSet, ValidatorState, ValidatorWalk, validate_header,
    validators::DEFAULT_CACHED_STATES,
};
use peruri_primitives::{BlockBody, RecoveredBlock, SealedBlock, SealedHeader};
use peruri_storage::{ProviderError, ProviderFactory};

use crate::{Consensus, ConsensusError, FullConsensus, HeaderValidator, body::validate_body};

/// Knows the validators after any block.
pub trait ValidatorSource: fmt::Debug + Send + Sync {
    /// Validators and standing votes after `parent`: the set that seals its child.
    ///
    /// # Errors
    /// If an ancestor is missing or the store fails.
    fn state_after(&self, parent: &SealedHeader) -> Result<Arc<ValidatorState>, ConsensusError>;
}

/// Local time, for the rule that a header must not be from the future.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Seconds since the Unix epoch, rounded down.
    fn unix_seconds(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_seconds(&self) -> u64 {
        // A clock before 1970 makes every header one from the future: refused, not accepted.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
    }
}

/// Validators computed by the walk over headers of the store, the latest ones cached.
#[derive(Debug)]
pub struct StoredValidators {
    headers: StoredHeaders,
    walk: Mutex<ValidatorWalk>,
}

impl StoredValidators {
    /// Validators of the chain in `factory` under `schedule`.
    pub fn new(factory: ProviderFactory, schedule: Arc<Ibft2Schedule>) -> Self {
        Self {
            headers: StoredHeaders(factory),
            walk: Mutex::new(ValidatorWalk::new(schedule, DEFAULT_CACHED_STATES)),
        }
    }
}

impl ValidatorSource for StoredValidators {
    fn state_after(&self, parent: &SealedHeader) -> Result<Arc<ValidatorState>, ConsensusError> {
        self.walk
            .lock()
            .after(parent.header(), &self.headers)
            .map_err(|error| ConsensusError::Validators(error.to_string()))
    }
}

/// The headers of a store, as the walk reads them.
#[derive(Debug)]
struct StoredHeaders(ProviderFactory);

impl HeaderSource for StoredHeaders {
    type Error = ProviderError;

    fn header_by_hash(&self, hash: BlockHash) -> Result<Option<EthHeader>, ProviderError> {
        Ok(self.0.header_by_hash(hash.into())?.map(|header| header.into_inner()))
    }
}

/// Hyperledger Besu's rules for IBFT 2.0 blocks.
///
/// They are kept as they are, not made stricter: one proposer could otherwise part a network of
/// different clients with a block that only some accept. So neither the base fee's value nor blob
/// fields are checked, and no limit on the block's size applies. One rule is added: a body has no
/// withdrawals, since they would create money; no client writes any.
#[derive(Debug, Clone)]
pub struct IbftConsensus {
    chain_spec: Arc<ChainSpec>,
    validators: Arc<dyn ValidatorSource>,
    clock: Arc<dyn Clock>,
}

impl IbftConsensus {
    /// The rules of a chain with `config.ibft2`, by the machine's clock.
    pub fn new(chain_spec: Arc<ChainSpec>, validators: Arc<dyn ValidatorSource>) -> Self {
        Self { chain_spec, validators, clock: Arc::new(SystemClock) }
    }

    /// The same rules by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where the validators come from.
    pub const fn validators(&self) -> &Arc<dyn ValidatorSource> {
        &self.validators
    }

    /// Checks a proposal's header against its parent: every rule but the commit seals, which it
    /// does not have yet.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn validate_proposal_header(
        &self,
        header: &SealedHeader,
        parent: &SealedHeader,
    ) -> Result<(), ConsensusError> {
        self.validate(header, parent, Mode::Light)
    }

    /// Checks a header against its parent with a validator set that is known already.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn validate_header_with(
        &self,
        header: &SealedHeader,
        parent: &SealedHeader,
        validators: &ValidatorSet,
        mode: Mode,
    ) -> Result<(), ConsensusError> {
        let schedule = self.schedule()?;
        let london = |number, timestamp| {
            self.chain_spec.is_fork_active(EthereumHardfork::London, number, timestamp)
        };
        let ctx = HeaderContext {
            validators,
            period: schedule.params(header.number, header.timestamp).period,
            now: self.clock.unix_seconds(),
            fee_market: FeeMarket::from_activity(
                london(parent.number, parent.timestamp),
                london(header.number, header.timestamp),
            ),
        };
        Ok(validate_header(header.header(), parent, &ctx, mode)?)
    }

    fn validate(
        &self,
        header: &SealedHeader,
        parent: &SealedHeader,
        mode: Mode,
    ) -> Result<(), ConsensusError> {
        let state = self.validators.state_after(parent)?;
        self.validate_header_with(header, parent, state.validators(), mode)
    }

    fn schedule(&self) -> Result<&Ibft2Schedule, ConsensusError> {
        let none = || ConsensusError::Validators("the chain has no config.ibft2".to_owned());
        self.chain_spec.ibft2().ok_or_else(none)
    }
}

impl HeaderValidator for IbftConsensus {
    /// A header alone must have `extraData` of IBFT 2.0; everything else is relative to its parent.
    fn validate_header(&self, header: &SealedHeader) -> Result<(), ConsensusError> {
        ExtraData::decode(&header.extra_data)
            .map(drop)
            .map_err(|error| ConsensusError::Ibft(error.into()))
    }

    fn validate_header_against_parent(
        &self,
        header: &SealedHeader,
        parent: &SealedHeader,
    ) -> Result<(), ConsensusError> {
        self.validate(header, parent, Mode::Full)
    }
}

impl Consensus for IbftConsensus {
    fn validate_body_against_header(
        &self,
        body: &BlockBody,
        header: &SealedHeader,
    ) -> Result<(), ConsensusError> {
        let withdrawals = body.withdrawals.as_ref().map_or(0, |all| all.len());
        if withdrawals > 0 {
            return Err(ConsensusError::UnexpectedWithdrawals(withdrawals));
        }
        validate_body(&self.chain_spec, body, header)
    }

    fn validate_block_pre_execution(&self, block: &SealedBlock) -> Result<(), ConsensusError> {
        self.validate_body_against_header(block.body(), &block.clone_sealed_header())
    }
}

impl FullConsensus for IbftConsensus {
    fn validate_block_post_execution(
        &self,
        block: &RecoveredBlock,
        outcome: &BlockExecutionOutcome,
    ) -> Result<(), ConsensusError> {
        Ok(post_execution::validate(&self.chain_spec, block.header(), outcome)?)
    }
}
