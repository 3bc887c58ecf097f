//! One block on the EVM, transaction by transaction.

use alloy_consensus::{Transaction, transaction::Recovered};
use alloy_eips::{
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, eip7685::Requests,
};
use alloy_evm::{
    Evm, EvmEnv,
    block::{BlockExecutor, BlockExecutorFactory, CommitChanges, ExecutableTx, TxResult},
    eth::{EthBlockExecutionCtx, EthBlockExecutor, EthEvmContext},
    precompiles::PrecompilesMap,
};
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::{Address, B256, TxHash};
use peruri_primitives::{Receipt, TransactionSigned};
use peruri_storage::{PlogAppend, StateProvider};
use peruri_trie::HashedPostState;
use revm::{
    Database, Inspector,
    context::TxEnv,
    context_interface::result::ResultAndState,
    database::{BundleState, State, states::bundle_state::BundleRetention},
    inspector::NoOpInspector,
    state::AccountInfo,
};

use crate::{
    BlockReward, ExecutionError, ExecutorSpec, PeruriEvm, PeruriEvmConfig, PeruriReceiptBuilder,
    StateDb, latch::Failure, plog::Capture, precompiles::capture_plog,
    storage_only::StorageOnlyAccounts,
};

/// The state of a block under execution: what its parent left, with the changes so far.
pub type SessionDb<'a> = State<StateDb<'a>>;

type Executor<'a, I> =
    EthBlockExecutor<'a, PeruriEvm<SessionDb<'a>, I>, &'a ExecutorSpec, &'a PeruriReceiptBuilder>;

/// What the execution of one block produced.
#[derive(Debug, Clone, Default)]
pub struct BlockExecutionOutcome {
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// EIP-7685 requests; none on a chain with `config.ibft2`.
    pub requests: Requests,
    /// Gas used by the transactions.
    pub gas_used: u64,
    /// Blob gas of the transactions (EIP-4844).
    pub blob_gas_used: u64,
    /// Changed accounts, slots and new code, plain keys.
    pub bundle: BundleState,
    /// What was appended to transparency logs, in order.
    pub plog_appends: Vec<PlogAppend>,
    /// State root after each transaction; filled on request only, for receipts before Byzantium.
    pub post_states: Vec<B256>,
}

/// What one transaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionOutcome {
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// False if it was reverted or halted.
    pub success: bool,
}

/// A block under execution: begun by [`PeruriEvmConfig::begin`], fed transactions, finished once.
///
/// A transaction that fails with [`ExecutionError::InvalidTransaction`] changed nothing, and the
/// session goes on; after any other error it must be dropped. Not `Send`: keep it inside one
/// blocking closure.
///
/// A session with an inspector `I` ([`PeruriEvmConfig::begin_inspected`]) lets it watch single
/// transactions: what a block did is looked at by the code that did it.
#[allow(missing_debug_implementations)]
pub struct BlockSession<'a, I = NoOpInspector> {
    executor: Executor<'a, I>,
    state: &'a dyn StateProvider,
    storage_only: &'a StorageOnlyAccounts,
    reward: Option<BlockReward>,
    failure: Failure,
    capture: Capture,
    gas_limit: u64,
    blob_gas_used: u64,
    post_states: Option<Vec<B256>>,
}

impl<'a, I: Inspector<EthEvmContext<SessionDb<'a>>>> BlockSession<'a, I> {
    pub(crate) fn begin(
        config: &'a PeruriEvmConfig,
        env: EvmEnv,
        ctx: EthBlockExecutionCtx<'a>,
        reward: Option<BlockReward>,
        state: &'a dyn StateProvider,
        inspector: I,
        prepare: impl FnOnce(&mut SessionDb<'a>) -> Result<(), ExecutionError>,
    ) -> Result<Self, ExecutionError> {
        let failure = Failure::default();
        let db = StateDb::new(state, failure.clone());
        let mut db = State::builder().with_database(db).with_bundle_update().build();
        config.storage_only().preload(&mut db)?;
        prepare(&mut db)?;
        if let Some(plog) = config.plog_activation() {
            let block = &env.block_env;
            plog.run(block.number.saturating_to(), block.timestamp.saturating_to(), &mut db)
                .map_err(|error| ExecutionError::Internal(error.to_string()))?;
        }
        let gas_limit = env.block_env.gas_limit;
        let mut evm = config.evm_with_env_and_inspector(db, env, inspector);
        evm.disable_inspector();
        let capture = Capture::default();
        capture_plog(evm.precompiles_mut(), &capture);
        let mut executor = config.executor_factory().create_executor(evm, ctx);
        executor
            .apply_pre_execution_changes()
            .map_err(|error| ExecutionError::sort(error, failure.get(), None))?;
        Ok(Self {
            executor,
            state,
            storage_only: config.storage_only(),
            reward,
            failure,
            capture,
            gas_limit,
            blob_gas_used: 0,
            post_states: None,
        })
    }

    /// Also computes the state root after every transaction, as receipts before Byzantium need it.
    /// Slow: one root per transaction.
    #[must_use]
    pub fn with_post_states(mut self) -> Self {
        self.post_states = Some(Vec::new());
        self
    }

    /// Executes the next transaction.
    ///
    /// # Errors
    /// [`ExecutionError::InvalidTransaction`]: nothing changed, the session goes on.
    /// Any other error ends the session.
    pub fn execute_transaction(
        &mut self,
        tx: Recovered<&TransactionSigned>,
    ) -> Result<TransactionOutcome, ExecutionError> {
        self.execute(tx, |_| true)
    }

    /// Executes the next transaction, but leaves it out of the block if it is reverted or halts: then
    /// nothing changed, and the outcome has no gas.
    ///
    /// # Errors
    /// As [`execute_transaction`](Self::execute_transaction).
    pub fn execute_successful(
        &mut self,
        tx: Recovered<&TransactionSigned>,
    ) -> Result<TransactionOutcome, ExecutionError> {
        self.execute(tx, |success| success)
    }

    /// Executes the next transaction; `keep` says by its success whether it belongs to the block.
    fn execute(
        &mut self,
        tx: Recovered<&TransactionSigned>,
        keep: fn(bool) -> bool,
    ) -> Result<TransactionOutcome, ExecutionError> {
        let transaction: &TransactionSigned = tx.inner();
        let at: (usize, TxHash) = (self.executor.receipts().len(), *transaction.tx_hash());
        let mut success = false;
        let gas = self
            .executor
            .execute_transaction_with_commit_condition(tx, |done| {
                success = done.result().result.is_success();
                if keep(success) { CommitChanges::Yes } else { CommitChanges::No }
            })
            .map_err(|error| ExecutionError::sort(error, self.failure.get(), Some(at)))?;
        let Some(gas) = gas else { return Ok(TransactionOutcome { gas_used: 0, success }) };
        self.count(transaction)?;
        Ok(TransactionOutcome { gas_used: gas.tx_gas_used(), success })
    }

    /// Executes the next transaction while the inspector watches, and hands the inspector, what the
    /// transaction did and the state before it to `look`.
    ///
    /// # Errors
    /// As [`execute_transaction`](Self::execute_transaction).
    pub fn inspect_transaction<T>(
        &mut self,
        tx: Recovered<&TransactionSigned>,
        look: impl FnOnce(&mut I, &ResultAndState, &mut SessionDb<'a>) -> T,
    ) -> Result<T, ExecutionError> {
        let transaction: &TransactionSigned = tx.inner();
        self.watch(transaction, tx, |inspector, done, db| look(inspector, done, db))
    }

    /// Executes a transaction that nobody signed, in an environment of the caller's choice, while the
    /// inspector watches; hands both to `look`, which may change what the transaction did.
    ///
    /// # Errors
    /// As [`execute_transaction`](Self::execute_transaction).
    pub fn simulate_transaction<T>(
        &mut self,
        tx: Recovered<&TransactionSigned>,
        env: TxEnv,
        look: impl FnOnce(&mut I, &mut ResultAndState) -> T,
    ) -> Result<T, ExecutionError> {
        let transaction: &TransactionSigned = tx.inner();
        self.watch(transaction, (env, tx), |inspector, done, _| look(inspector, done))
    }

    fn watch<T>(
        &mut self,
        transaction: &TransactionSigned,
        tx: impl ExecutableTx<Executor<'a, I>>,
        look: impl FnOnce(&mut I, &mut ResultAndState, &mut SessionDb<'a>) -> T,
    ) -> Result<T, ExecutionError> {
        let at: (usize, TxHash) = (self.executor.receipts().len(), *transaction.tx_hash());
        self.executor.evm_mut().enable_inspector();
        let done = self.executor.execute_transaction_without_commit(tx);
        self.executor.evm_mut().disable_inspector();
        let mut done =
            done.map_err(|error| ExecutionError::sort(error, self.failure.get(), Some(at)))?;
        let (db, inspector, _) = self.executor.evm_mut().components_mut();
        let seen = look(inspector, &mut done.result, db);
        self.executor.commit_transaction(done);
        self.count(transaction)?;
        Ok(seen)
    }

    /// The precompiled contracts, for a simulation that changes them.
    pub fn precompiles_mut(&mut self) -> &mut PrecompilesMap {
        self.executor.evm_mut().precompiles_mut()
    }

    /// An account as the block stands now.
    ///
    /// # Errors
    /// If the store fails.
    pub fn account(&mut self, address: Address) -> Result<Option<AccountInfo>, ExecutionError> {
        let account = self.executor.evm_mut().db_mut().basic(address);
        account.map_err(|error| ExecutionError::Internal(error.to_string()))
    }

    /// Adds a transaction that was committed to what is counted here.
    fn count(&mut self, transaction: &TransactionSigned) -> Result<(), ExecutionError> {
        let blob_gas = transaction.blob_gas_used().unwrap_or_default();
        self.blob_gas_used = self.blob_gas_used.saturating_add(blob_gas);
        if self.post_states.is_some() {
            let root = self.state_root()?;
            self.post_states.get_or_insert_default().push(root);
        }
        Ok(())
    }

    /// Gas used so far.
    pub fn gas_used(&self) -> u64 {
        self.executor.cumulative_tx_gas_used
    }

    /// Gas left in the block.
    pub fn gas_available(&self) -> u64 {
        self.gas_limit.saturating_sub(self.gas_used())
    }

    /// Blob gas of the transactions so far.
    pub const fn blob_gas_used(&self) -> u64 {
        self.blob_gas_used
    }

    /// Receipts so far.
    pub fn receipts(&self) -> &[Receipt] {
        self.executor.receipts()
    }

    /// Ends the block: system calls and withdrawals, the block reward, and the changes it all made.
    ///
    /// # Errors
    /// [`ExecutionError`], never of the invalid-transaction class.
    pub fn finish(mut self) -> Result<BlockExecutionOutcome, ExecutionError> {
        self.require_system_contracts()?;
        let Self {
            executor,
            reward,
            failure,
            capture,
            blob_gas_used,
            post_states,
            storage_only,
            ..
        } = self;
        let (evm, result) =
            executor.finish().map_err(|error| ExecutionError::sort(error, failure.get(), None))?;
        let mut db = evm.into_db();
        if let Some(reward) = reward {
            reward.pay(&mut db).map_err(|error| ExecutionError::Internal(error.to_string()))?;
        }
        db.merge_transitions(BundleRetention::PlainState);
        let mut bundle = db.take_bundle();
        storage_only.restore(&mut bundle);
        let plog_appends = capture
            .appends(&result.receipts)
            .map_err(|error| ExecutionError::Internal(error.to_string()))?;
        Ok(BlockExecutionOutcome {
            plog_appends,
            receipts: result.receipts,
            requests: result.requests,
            gas_used: result.gas_used,
            blob_gas_used,
            bundle,
            post_states: post_states.unwrap_or_default(),
        })
    }

    /// EIP-7002 and EIP-7251: a block that ends without code at their addresses is invalid. The
    /// executor would take the empty answer for no requests.
    fn require_system_contracts(&mut self) -> Result<(), ExecutionError> {
        let timestamp = self.executor.evm().block().timestamp.saturating_to();
        if !self.executor.spec.is_prague_active_at_timestamp(timestamp) {
            return Ok(());
        }
        for address in
            [WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS]
        {
            let account = self
                .executor
                .evm_mut()
                .db_mut()
                .basic(address)
                .map_err(|error| ExecutionError::Internal(error.to_string()))?;
            if account.is_none_or(|account| account.is_empty_code_hash()) {
                return Err(ExecutionError::InvalidBlock(format!(
                    "system contract {address} has no code"
                )));
            }
        }
        Ok(())
    }

    /// State root as the block stands now.
    fn state_root(&mut self) -> Result<B256, ExecutionError> {
        let db = self.executor.evm_mut().db_mut();
        db.merge_transitions(BundleRetention::PlainState);
        self.storage_only.restore(&mut db.bundle_state);
        let changes = HashedPostState::from_bundle_state(&db.bundle_state);
        Ok(self.state.state_root_with_updates(&changes)?.root)
    }
}
