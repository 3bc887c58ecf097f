//! From a parent to a sealed block of our own.

use crate::{EngineConfig, EngineError, SealSigner, clock, self_validation::fee_market};
use alloy_primitives::TxHash;
use peruri_chainspec::ChainSpec;
use peruri_evm::NextBlockEnvAttributes;
use peruri_ibft2::{Ibft2Schedule, ValidatorSet, gas_limit::next_gas_limit, sealing};
use peruri_payload::{BuildArguments, BuildError, BuildLimits, BuildOutcome, PayloadBuilder};
use peruri_primitives::{RecoveredBlock, SealedHeader};
use peruri_storage::{ExecutedBlock, ProviderFactory};
use peruri_txpool::TransactionPool;
use std::{sync::Arc, time::Instant};
use tracing::{error, warn};

/// Checks a block of our own as another validator would; the reason if it would be refused.
pub type SelfValidation =
    Box<dyn Fn(&SealedHeader, &ValidatorSet, &ExecutedBlock) -> Result<(), String> + Send + Sync>;

/// Builds, checks and seals blocks. Blocking.
pub struct Proposer {
    chain_spec: Arc<ChainSpec>,
    provider: ProviderFactory,
    pool: Arc<dyn TransactionPool>,
    builder: PayloadBuilder,
    signer: SealSigner,
    config: EngineConfig,
    self_validation: SelfValidation,
}

/// Transactions that may be evicted for one block before an empty one is proposed instead.
const MAX_EVICTIONS: usize = 8;

impl Proposer {
    /// A proposer for the key of `signer`.
    pub fn new(
        chain_spec: Arc<ChainSpec>,
        provider: ProviderFactory,
        pool: Arc<dyn TransactionPool>,
        builder: PayloadBuilder,
        signer: SealSigner,
        config: EngineConfig,
        self_validation: SelfValidation,
    ) -> Self {
        Self { chain_spec, provider, pool, builder, signer, config, self_validation }
    }

    /// The key's address.
    pub const fn signer(&self) -> &SealSigner {
        &self.signer
    }

    /// Builds a block on `parent` that passes self-validation. It carries no seals yet.
    ///
    /// A transaction whose execution panics, or that makes the block break a rule, is evicted from
    /// the pool and the block is built again without it.
    ///
    /// # Errors
    /// If the node itself fails, or even an empty block is refused.
    pub fn propose(
        &self,
        schedule: &Ibft2Schedule,
        validators: &ValidatorSet,
        parent: &SealedHeader,
    ) -> Result<ExecutedBlock, EngineError> {
        let arguments = self.arguments(schedule, validators, parent);
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

    /// The block that [`propose`](Self::propose) would build now, unchecked and without touching the
    /// pool: for those who ask what is pending.
    ///
    /// # Errors
    /// If the node itself fails, or a transaction's execution panics.
    pub fn preview(
        &self,
        schedule: &Ibft2Schedule,
        validators: &ValidatorSet,
        parent: &SealedHeader,
    ) -> Result<ExecutedBlock, EngineError> {
        let arguments = self.arguments(schedule, validators, parent);
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
        Ok(outcome.assembled.executed)
    }

    fn build_best(
        &self,
        arguments: &BuildArguments,
        max_transactions: usize,
    ) -> Result<BuildOutcome, BuildError> {
        let deadline = Instant::now().checked_add(self.config.build_budget);
        let limits = BuildLimits { max_transactions, deadline, ..arguments.limits };
        let arguments = BuildArguments { limits, ..arguments.clone() };
        let state = self.provider.latest().map_err(peruri_evm::ExecutionError::from)?;
        self.builder.build(&arguments, &*state, self.pool.best_transactions())
    }

    fn arguments(
        &self,
        schedule: &Ibft2Schedule,
        validators: &ValidatorSet,
        parent: &SealedHeader,
    ) -> BuildArguments {
        let vanity = if schedule.config().chain_bound_signatures {
            self.chain_spec.genesis_hash()
        } else {
            self.config.vanity
        };
        let timestamp = clock::header_time(schedule, parent, clock::unix_millis());
        let attributes = NextBlockEnvAttributes {
            timestamp,
            coinbase: self.signer.address(),
            gas_limit: next_gas_limit(
                parent.gas_limit,
                self.config.gas_limit_target,
                fee_market(&self.chain_spec, parent, timestamp),
            ),
            extra_data: sealing::unsealed_extra_data(vanity, validators, None, 0),
            ..NextBlockEnvAttributes::default()
        };
        let max_bytes = usize::try_from(schedule.config().max_proposal_bytes).unwrap_or(usize::MAX);
        BuildArguments { parent: parent.clone(), attributes, limits: BuildLimits::bytes(max_bytes) }
    }

    /// Signs the block's seal digest and puts the seal into its header. The block hash stays.
    ///
    /// # Errors
    /// If the key cannot sign or the header's `extraData` does not decode.
    pub fn seal(&self, block: ExecutedBlock) -> Result<ExecutedBlock, EngineError> {
        let hash = block.hash();
        let (mut unsealed, senders) = Arc::unwrap_or_clone(block.recovered_block).split();
        let number = unsealed.header.number;
        let extra_data = |source| EngineError::ExtraData { number, source };
        let digest = sealing::digest_to_sign(&unsealed.header).map_err(extra_data)?;
        let seal = self.signer.seal(digest)?;
        unsealed.header =
            sealing::seal_header(&unsealed.header, 0, vec![seal]).map_err(extra_data)?;
        let sealed = RecoveredBlock::new(unsealed, senders, hash);
        Ok(ExecutedBlock { recovered_block: Arc::new(sealed), ..block })
    }
}

impl std::fmt::Debug for Proposer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proposer").field("signer", &self.signer).finish_non_exhaustive()
    }
}
