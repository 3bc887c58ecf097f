//! One simulated block.

use super::{
    call::{Defaults, SimulatedCall, answer, wrap_nonce},
    error::execution,
    plan::PlannedBlock,
    watch::{CallLogs, WarmAddresses},
};
use crate::{
    cache::CachedBlock,
    calls::{Deadline, DeadlineInspector, PrecompileChanges},
    context::Inner,
    error::RpcResult,
};
use alloy_consensus::transaction::Recovered;
use alloy_eips::eip4895::Withdrawals;
use alloy_evm::overrides::{OverrideBlockHashes, apply_state_overrides};
use alloy_primitives::{Address, B256, Log};
use alloy_rpc_types_eth::{
    BlockOverrides, Log as RpcLog, TransactionRequest, simulate::SimCallResult,
};
use peruri_evm::{
    BlockAssembler, BlockSession, EvmEnv, ExecutionError, NextBlockEnvAttributes, SessionDb,
    post_execution::needs_post_states, precompiles as ethereum_precompiles,
};
use peruri_primitives::{Header, SealedHeader, TransactionSigned};
use peruri_storage::{CandidateChain, StateProviderBox};
use revm::context_interface::result::ResultAndState;
use std::sync::Arc;

/// What sees the calls of a block.
type Watch = (CallLogs, (WarmAddresses, DeadlineInspector));

/// A session whose transactions are watched.
pub(super) type Session<'a> = BlockSession<'a, Watch>;

/// A chain of simulated blocks.
pub(super) struct Simulator<'c> {
    pub(super) ctx: &'c Inner,
    /// The blocks so far that are not committed.
    pub(super) chain: CandidateChain,
    /// The block before the next one.
    pub(super) parent: SealedHeader,
    /// Gas that may still be used.
    pub(super) gas_left: u64,
    pub(super) validation: bool,
    pub(super) trace_transfers: bool,
    pub(super) deadline: Deadline,
}

impl Simulator<'_> {
    /// Simulates the next block.
    pub(super) fn run(
        &mut self,
        mut planned: PlannedBlock,
    ) -> RpcResult<(Arc<CachedBlock>, Vec<SimCallResult>)> {
        self.deadline.check()?;
        let precompiles = PrecompileChanges::take(&mut planned.state)?;
        let state = self.state()?;
        let header = self.header(&planned);
        let env = self.env(&header, &planned.overrides);
        let warm =
            WarmAddresses(precompiles.vacated(&ethereum_precompiles(env.cfg_env.spec, false)));
        let clock = DeadlineInspector::new(self.deadline);
        let watch = (CallLogs::new(self.trace_transfers), (warm, clock));
        let config = &self.ctx.handles.evm_config;
        let (overrides, hashes) = (planned.state, planned.overrides.block_hash);
        let prepare = |db: &mut SessionDb<'_>| {
            db.override_block_hashes(hashes.unwrap_or_default());
            apply_state_overrides(overrides, db)
                .map_err(|error| ExecutionError::InvalidBlock(error.to_string()))
        };
        let mut session = config
            .begin_simulated(&header, env.clone(), &*state, watch, prepare)
            .map_err(execution)?;
        if needs_post_states(config.chain_spec(), header.number) {
            session = session.with_post_states();
        }
        precompiles.apply(session.precompiles_mut())?;

        let Calls { transactions, senders, mut answers } =
            self.calls(&mut session, planned.calls, &header, &env)?;
        let outcome = session.finish().map_err(execution)?;
        let withdrawals = Withdrawals::default();
        let executed = BlockAssembler::new(config.clone())
            .assemble_block(header, transactions, senders, withdrawals, outcome, &*state)
            .map_err(execution)?
            .executed;
        drop(state);
        let block = self.ctx.executed(&executed);
        for log in answers.iter_mut().flat_map(|answer| &mut answer.logs) {
            log.block_hash = Some(block.hash());
        }
        self.parent = executed.recovered_block.clone_sealed_header();
        self.chain.push(Arc::new(executed));
        Ok((block, answers))
    }

    /// Executes the calls of a block.
    fn calls(
        &mut self,
        session: &mut Session<'_>,
        requests: Vec<TransactionRequest>,
        header: &Header,
        env: &EvmEnv,
    ) -> RpcResult<Calls> {
        let (mut places, mut done) = (Places::new(header), Calls::default());
        for request in requests {
            self.deadline.check()?;
            let (validation, gas_left) = (self.validation, self.gas_left);
            let defaults = Defaults { header, env, validation, gas_left };
            let call = defaults.complete(request, session)?;
            places.next(*call.tx.tx_hash());
            done.answers.push(self.call(session, &call, &places)?);
            done.transactions.push(call.tx);
            done.senders.push(call.from);
        }
        Ok(done)
    }

    fn call(
        &mut self,
        session: &mut Session<'_>,
        call: &SimulatedCall,
        places: &Places,
    ) -> RpcResult<SimCallResult> {
        let free_nonces = !self.validation;
        let tx = Recovered::new_unchecked(&call.tx, call.from);
        let look = |watch: &mut Watch, done: &mut ResultAndState| -> RpcResult<SimCallResult> {
            let (logs, (_, clock)) = watch;
            clock.verdict()?;
            if free_nonces {
                wrap_nonce(call, done);
            }
            Ok(answer(&done.result, places.logs(logs.take())))
        };
        let answer =
            session.simulate_transaction(tx, call.env.clone(), look).map_err(execution)??;
        self.gas_left = self.gas_left.saturating_sub(answer.gas_used);
        Ok(answer)
    }

    fn state(&self) -> RpcResult<StateProviderBox> {
        let factory = self.ctx.factory();
        Ok(if self.chain.blocks().is_empty() {
            factory.history_by_block_number(self.parent.number)?
        } else {
            factory.overlay(self.parent.hash(), self.chain.clone())?
        })
    }

    /// The header before execution. Without `validation` the base fee is zero unless it is given.
    fn header(&self, planned: &PlannedBlock) -> Header {
        let overrides = &planned.overrides;
        let attributes = NextBlockEnvAttributes {
            timestamp: planned.timestamp,
            coinbase: overrides.coinbase.unwrap_or(self.parent.beneficiary),
            gas_limit: overrides.gas_limit.unwrap_or(self.parent.gas_limit),
            prev_randao: overrides.random.unwrap_or_default(),
            parent_beacon_block_root: overrides.beacon_root.unwrap_or_default(),
            ..NextBlockEnvAttributes::default()
        };
        let mut header = self.ctx.handles.evm_config.next_header(&self.parent, &attributes);
        if let Some(fee) = &mut header.base_fee_per_gas {
            match overrides.base_fee {
                Some(given) => *fee = given.saturating_to(),
                None if !self.validation => *fee = 0,
                None => {}
            }
        }
        if let Some(difficulty) = overrides.difficulty {
            header.difficulty = difficulty;
        }
        header
    }

    /// The header's environment with what the chain would fix but the request overrides.
    fn env(&self, header: &Header, overrides: &BlockOverrides) -> EvmEnv {
        let mut env = self.ctx.handles.evm_config.evm_env(header);
        let block = &mut env.block_env;
        if let Some(coinbase) = overrides.coinbase {
            block.beneficiary = coinbase;
        }
        if let Some(random) = overrides.random {
            block.prevrandao = Some(random);
        }
        if let (Some(price), Some(blob)) =
            (overrides.blob_base_fee, &mut block.blob_excess_gas_and_price)
        {
            blob.blob_gasprice = price.saturating_to();
        }
        let cfg = &mut env.cfg_env;
        cfg.disable_eip3607 = true;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        cfg.disable_nonce_check = !self.validation;
        cfg.disable_base_fee = !self.validation;
        env
    }
}

/// The calls of a block, as transactions, with their answers.
#[derive(Default)]
struct Calls {
    transactions: Vec<TransactionSigned>,
    senders: Vec<Address>,
    answers: Vec<SimCallResult>,
}

/// Where the logs of a block stand; the block's hash is not known yet.
struct Places {
    number: u64,
    timestamp: u64,
    transaction: B256,
    /// Transactions so far.
    count: u64,
}

impl Places {
    fn new(header: &Header) -> Self {
        let (number, timestamp) = (header.number, header.timestamp);
        Self { number, timestamp, transaction: B256::ZERO, count: 0 }
    }

    fn next(&mut self, transaction: B256) {
        self.transaction = transaction;
        self.count += 1;
    }

    /// The logs of the transaction.
    fn logs(&self, logs: Vec<(u64, Log)>) -> Vec<RpcLog> {
        let place = |(index, inner)| RpcLog {
            inner,
            block_hash: None,
            block_number: Some(self.number),
            block_timestamp: Some(self.timestamp),
            transaction_hash: Some(self.transaction),
            transaction_index: self.count.checked_sub(1),
            log_index: Some(index),
            removed: false,
        };
        logs.into_iter().map(place).collect()
    }
}
