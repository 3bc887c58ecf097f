//! [`PeruriEvmConfig`]: the one place that knows how this chain executes.

use std::sync::Arc;

use alloy_consensus::Header as EthHeader;
use alloy_evm::{
    Database, EvmEnv, EvmFactory,
    eth::{EthBlockExecutionCtx, EthBlockExecutorFactory, EthEvmContext},
};
use peruri_chainspec::ChainSpec;
use peruri_primitives::{Header, RecoveredBlock, SealedHeader};
use peruri_storage::StateProvider;
use revm::{Inspector, inspector::NoOpInspector};

use crate::{
    BlockExecutionOutcome, BlockSession, ExecutionError, ExecutorSpec, NextBlockEnvAttributes,
    PeruriEvm, PeruriEvmFactory, PeruriReceiptBuilder, SessionDb, env, plog::Activation,
    reward::BlockReward, storage_only::StorageOnlyAccounts,
};

type ExecutorFactory =
    EthBlockExecutorFactory<PeruriReceiptBuilder, ExecutorSpec, PeruriEvmFactory>;

/// How this chain executes: environments, EVM instances, block sessions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PeruriEvmConfig {
    chain_spec: Arc<ChainSpec>,
    executor_factory: Arc<ExecutorFactory>,
    storage_only: Arc<StorageOnlyAccounts>,
    plog_activation: Option<Arc<Activation>>,
}

impl PeruriEvmConfig {
    /// Configuration for a chain.
    pub fn new(chain_spec: Arc<ChainSpec>) -> Self {
        let storage_only = Arc::new(StorageOnlyAccounts::of_genesis(&chain_spec));
        let executor_factory = Arc::new(EthBlockExecutorFactory::new(
            PeruriReceiptBuilder::default(),
            ExecutorSpec::new(chain_spec.clone()),
            PeruriEvmFactory::new(
                !storage_only.is_empty(),
                chain_spec.plog().map(|plog| plog.activation),
            ),
        ));
        let plog_activation = Activation::after_genesis(&chain_spec).map(Arc::new);
        Self { chain_spec, executor_factory, storage_only, plog_activation }
    }

    /// The chain's specification.
    pub const fn chain_spec(&self) -> &Arc<ChainSpec> {
        &self.chain_spec
    }

    pub(crate) fn executor_factory(&self) -> &ExecutorFactory {
        &self.executor_factory
    }

    pub(crate) fn storage_only(&self) -> &StorageOnlyAccounts {
        &self.storage_only
    }

    pub(crate) fn plog_activation(&self) -> Option<&Activation> {
        self.plog_activation.as_deref()
    }

    /// The environment in which the block of `header` runs. `header` need not be complete: roots,
    /// bloom and gas used are not looked at.
    pub fn evm_env(&self, header: &Header) -> EvmEnv {
        env::for_header(&self.chain_spec, header)
    }

    /// The environment in which a block on top of `parent` runs: that of the header that
    /// [`next_header`](Self::next_header) begins.
    pub fn next_evm_env(
        &self,
        parent: &SealedHeader,
        attributes: &NextBlockEnvAttributes,
    ) -> EvmEnv {
        self.evm_env(&self.next_header(parent, attributes))
    }

    /// Begins the header of a block on top of `parent`: everything that is known before execution.
    /// Roots, bloom, gas and blob gas used are left at their defaults.
    pub fn next_header(
        &self,
        parent: &SealedHeader,
        attributes: &NextBlockEnvAttributes,
    ) -> Header {
        env::next_header(&self.chain_spec, parent, attributes)
    }

    /// What a block at `header` pays, `None` on a chain without `config.ibft2`.
    pub fn block_reward(&self, header: &Header) -> Option<BlockReward> {
        let params = self.chain_spec.ibft2()?.params(header.number, header.timestamp);
        Some(BlockReward {
            beneficiary: params.beneficiary.unwrap_or(header.beneficiary),
            amount: params.reward,
        })
    }

    /// An EVM over any database: for calls and traces.
    pub fn evm_with_env<DB: Database>(&self, db: DB, env: EvmEnv) -> PeruriEvm<DB> {
        self.executor_factory.evm_factory().create_evm(db, env)
    }

    /// An EVM whose execution `inspector` watches.
    pub fn evm_with_env_and_inspector<DB: Database, I: Inspector<EthEvmContext<DB>>>(
        &self,
        db: DB,
        env: EvmEnv,
        inspector: I,
    ) -> PeruriEvm<DB, I> {
        self.executor_factory.evm_factory().create_evm_with_inspector(db, env, inspector)
    }

    /// Begins the block of `header` on `state`, the state after its parent.
    ///
    /// This is what proposing and validating share. `header` is complete when a block is validated
    /// and comes from [`next_header`](Self::next_header) when one is built. `ctx` holds what the
    /// EVM does not see; [`block_context`](Self::block_context) fills it for a block without ommers.
    ///
    /// # Errors
    /// [`ExecutionError`] if a system call fails.
    pub fn begin<'a>(
        &'a self,
        header: &Header,
        ctx: EthBlockExecutionCtx<'a>,
        state: &'a dyn StateProvider,
    ) -> Result<BlockSession<'a>, ExecutionError> {
        self.begin_inspected(header, ctx, state, NoOpInspector)
    }

    /// The same with an inspector for [`BlockSession::inspect_transaction`]; it sees nothing else.
    ///
    /// # Errors
    /// [`ExecutionError`] if a system call fails.
    pub fn begin_inspected<'a, I: Inspector<EthEvmContext<SessionDb<'a>>>>(
        &'a self,
        header: &Header,
        ctx: EthBlockExecutionCtx<'a>,
        state: &'a dyn StateProvider,
        inspector: I,
    ) -> Result<BlockSession<'a, I>, ExecutionError> {
        let reward = self.block_reward(header);
        let env = self.evm_env(header);
        BlockSession::begin(self, env, ctx, reward, state, inspector, |_| Ok(()))
    }

    /// Begins a block that is only imagined: in an environment that need not be the header's, on a
    /// state that `prepare` may change before anything runs.
    ///
    /// # Errors
    /// [`ExecutionError`] of `prepare`, and if a system call fails.
    pub fn begin_simulated<'a, I: Inspector<EthEvmContext<SessionDb<'a>>>>(
        &'a self,
        header: &Header,
        env: EvmEnv,
        state: &'a dyn StateProvider,
        inspector: I,
        prepare: impl FnOnce(&mut SessionDb<'a>) -> Result<(), ExecutionError>,
    ) -> Result<BlockSession<'a, I>, ExecutionError> {
        let (ctx, reward) = (self.block_context(header), self.block_reward(header));
        BlockSession::begin(self, env, ctx, reward, state, inspector, prepare)
    }

    /// The execution context of a block without ommers.
    pub fn block_context<'a>(&self, header: &Header) -> EthBlockExecutionCtx<'a> {
        EthBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ommers: &[],
            withdrawals: header.withdrawals_root.map(|_| Default::default()),
            extra_data: header.extra_data.clone(),
            tx_count_hint: None,
            slot_number: header.slot_number,
        }
    }

    /// Executes a whole block on `state`, the state after its parent. Nothing is compared with the
    /// header: [`process_block`](Self::process_block) does that.
    ///
    /// # Errors
    /// [`ExecutionError`]: the first transaction or rule that fails.
    pub fn execute_block(
        &self,
        block: &RecoveredBlock,
        state: &dyn StateProvider,
    ) -> Result<BlockExecutionOutcome, ExecutionError> {
        self.run(block, state, false)
    }

    pub(crate) fn run(
        &self,
        block: &RecoveredBlock,
        state: &dyn StateProvider,
        post_states: bool,
    ) -> Result<BlockExecutionOutcome, ExecutionError> {
        let body = block.body();
        let ommers: Vec<EthHeader> = body.ommers.iter().map(|ommer| ommer.0.clone()).collect();
        let ctx = EthBlockExecutionCtx {
            ommers: &ommers,
            withdrawals: body.withdrawals.as_ref().map(|all| all.as_slice().into()),
            tx_count_hint: Some(body.transactions.len()),
            ..self.block_context(block.header())
        };
        let mut session = self.begin(block.header(), ctx, state)?;
        if post_states {
            session = session.with_post_states();
        }
        for tx in block.transactions_recovered() {
            session.execute_transaction(tx)?;
        }
        session.finish()
    }
}
