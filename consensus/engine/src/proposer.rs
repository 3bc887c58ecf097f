//! From a parent to a block of our own.

use crate::{EngineConfig, EngineError, clock, self_validation::fee_market};
use alloy_primitives::{Address, Bytes, TxHash};
use peruri_chainspec::ChainSpec;
use peruri_evm::NextBlockEnvAttributes;
use peruri_ibft2::{
    Ibft2Schedule, ValidatorSet, fresh_timestamp, gas_limit::next_gas_limit, sealing,
};
use peruri_payload::{BuildArguments, BuildError, BuildLimits, BuildOutcome, PayloadBuilder};
use peruri_primitives::SealedHeader;
use peruri_storage::{ExecutedBlock, ProviderFactory};
use peruri_txpool::TransactionPool;
use std::{sync::Arc, time::Instant};
use tracing::{error, warn};

/// Checks a block of our own as another validator would; the reason if it would be refused.
pub type SelfValidation =
    Box<dyn Fn(&SealedHeader, &ValidatorSet, &ExecutedBlock) -> Result<(), String> + Send + Sync>;

/// What consensus decides about a block of our own.
#[derive(Debug, Clone)]
pub struct BlockOrder {
    /// Header of the parent, the committed head.
    pub parent: SealedHeader,
    /// The validators after it.
    pub validators: ValidatorSet,
    /// The header's coinbase.
    pub coinbase: Address,
    /// The header's `extraData`: vanity, validators, vote, round, no seals.
    pub extra_data: Bytes,
    /// The header's time in seconds.
    pub timestamp: u64,
}

/// Builds and checks blocks. Blocking.
pub struct Proposer {
    chain_spec: Arc<ChainSpec>,
    provider: ProviderFactory,
    pool: Arc<dyn TransactionPool>,
    builder: PayloadBuilder,
    schedule: Arc<Ibft2Schedule>,
    config: EngineConfig,
    self_validation: SelfValidation,
}

/// Transactions that may be evicted for one block before an empty one is proposed instead.
const MAX_EVICTIONS: usize = 8;

impl Proposer {
    /// A proposer of blocks with the transactions of `pool`.
    pub fn new(
        chain_spec: Arc<ChainSpec>,
        provider: ProviderFactory,
        pool: Arc<dyn TransactionPool>,
        builder: PayloadBuilder,
        schedule: Arc<Ibft2Schedule>,
        config: EngineConfig,
        self_validation: SelfValidation,
    ) -> Self {
        Self { chain_spec, provider, pool, builder, schedule, config, self_validation }
    }

    /// Builds a block that passes self-validation. It carries no seals yet.
    ///
    /// A transaction whose execution panics, or that makes the block break a rule, is evicted from
    /// the pool and the block is built again without it.
    ///
    /// # Errors
    /// If the node itself fails, or even an empty block is refused.
    pub fn propose(&self, order: &BlockOrder) -> Result<ExecutedBlock, EngineError> {
        let arguments = self.arguments(order);
        let (parent, validators) = (&order.parent, &order.validators);
        for _ in 0..MAX_EVICTIONS {
            let culprit = match self.build(&arguments, usize::MAX) {
                Ok(block) => match (self.self_validation)(parent, validators, &block) {
                    Ok(()) => return Ok(block),
                    Err(reason) => match self.culprit(&arguments, validators, &block)? {
                        Some(hash) => (hash, reason),
                        None => return self.empty(&arguments, validators),
                    },
                },
                Err(BuildError::Panicked { hash, message }) => (hash, message),
                Err(error) => return Err(error.into()),
            };
            let (hash, reason) = culprit;
            error!(target: "consensus::engine", %hash, reason, "transaction breaks our own block: evicted");
            self.pool.evict_transactions(&[hash]);
        }
        self.empty(&arguments, validators)
    }

    /// The block that [`propose`](Self::propose) would build now for `coinbase`, unchecked and without
    /// touching the pool: for those who ask what is pending.
    ///
    /// # Errors
    /// If the node itself fails, or a transaction's execution panics.
    pub fn preview(
        &self,
        validators: &ValidatorSet,
        parent: &SealedHeader,
        coinbase: Address,
    ) -> Result<ExecutedBlock, EngineError> {
        let vanity = if self.schedule.config().chain_bound_signatures {
            self.chain_spec.genesis_hash()
        } else {
            self.config.vanity
        };
        let arguments = self.arguments(&BlockOrder {
            parent: parent.clone(),
            validators: validators.clone(),
            coinbase,
            extra_data: sealing::unsealed_extra_data(vanity, validators, None, 0),
            timestamp: clock::header_time(
                &self.schedule,
                parent,
                fresh_timestamp(clock::unix_millis(), 0),
            ),
        });
        Ok(self.build_best(&arguments, usize::MAX)?.assembled.executed)
    }

    /// An empty block, when no block with transactions passes.
    fn empty(
        &self,
        arguments: &BuildArguments,
        validators: &ValidatorSet,
    ) -> Result<ExecutedBlock, EngineError> {
        warn!(target: "consensus::engine", "proposing an empty block: blocks with transactions are refused");
        let block = self.build(arguments, 0)?;
        (self.self_validation)(&arguments.parent, validators, &block).map_err(|reason| {
            EngineError::EmptyBlockRefused { parent: arguments.parent.number, reason }
        })?;
        Ok(block)
    }

    /// The first transaction of a refused `block` with which the block is refused, by bisection:
    /// the shortest refused prefix ends with it. `None` if the empty prefix is refused too.
    fn culprit(
        &self,
        arguments: &BuildArguments,
        validators: &ValidatorSet,
        block: &ExecutedBlock,
    ) -> Result<Option<TxHash>, EngineError> {
        let state = self.provider.latest()?;
        let refused = |length: usize| -> Result<bool, EngineError> {
            let prefix = block.recovered_block.transactions_recovered().take(length);
            let prefix = self.builder.build_exact(arguments, &*state, prefix)?;
            Ok((self.self_validation)(&arguments.parent, validators, &prefix.executed).is_err())
        };
        let transactions = &block.recovered_block.body().transactions;
        let (mut passes, mut fails) = (0, transactions.len());
        if fails == 0 || refused(0)? {
            return Ok(None);
        }
        while fails.saturating_sub(passes) > 1 {
            let middle = passes.midpoint(fails);
            if refused(middle)? { fails = middle } else { passes = middle }
        }
        Ok(transactions.get(passes).map(|tx| *tx.tx_hash()))
    }

    /// Builds and drops from the pool what turned out to be invalid.
    fn build(
        &self,
        arguments: &BuildArguments,
        max_transactions: usize,
    ) -> Result<ExecutedBlock, BuildError> {
        let outcome = self.build_best(arguments, max_transactions)?;
        self.pool.remove_transactions(&outcome.invalid);
        self.pool.lane_reverted(&outcome.reverted);
        Ok(outcome.assembled.executed)
    }

    fn build_best(
        &self,
        arguments: &BuildArguments,
        max_transactions: usize,
    ) -> Result<BuildOutcome, BuildError> {
        let deadline = Instant::now().checked_add(self.config.build_budget);
        let limits = BuildLimits {
            max_transactions,
            deadline,
            lane_gas_share: self.config.lane_gas_share,
            ..arguments.limits
        };
        let arguments = BuildArguments { limits, ..arguments.clone() };
        let state = self.provider.latest().map_err(peruri_evm::ExecutionError::from)?;
        self.builder.build(&arguments, &*state, self.pool.best_transactions())
    }

    fn arguments(&self, order: &BlockOrder) -> BuildArguments {
        let parent = &order.parent;
        let attributes = NextBlockEnvAttributes {
            timestamp: order.timestamp,
            coinbase: order.coinbase,
            gas_limit: next_gas_limit(
                parent.gas_limit,
                self.config.gas_limit_target,
                fee_market(&self.chain_spec, parent, order.timestamp),
            ),
            extra_data: order.extra_data.clone(),
            ..NextBlockEnvAttributes::default()
        };
        let max_bytes = self.schedule.config().max_proposal_bytes;
        let limits = BuildLimits::bytes(usize::try_from(max_bytes).unwrap_or(usize::MAX));
        BuildArguments { parent: parent.clone(), attributes, limits }
    }
}

impl std::fmt::Debug for Proposer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proposer").field("config", &self.config).finish_non_exhaustive()
    }
}
