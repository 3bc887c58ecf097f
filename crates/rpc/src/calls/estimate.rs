//! `eth_estimateGas`: the least gas limit with which a transaction succeeds.

use super::{
    CallInput,
    env::Prepared,
    pool::Deadline,
    run::{Execution, halted, output},
};
use crate::{RpcError, context::Inner, error::RpcResult};
use alloy_primitives::TxKind;
use revm::{
    Database,
    context::TxEnv,
    context_interface::{
        result::{EVMError, ExecutionResult, HaltReason},
        transaction::Transaction as _,
    },
    primitives::eip7825,
    primitives::hardfork::SpecId,
};

/// Gas of a plain transfer (Yellow Paper, appendix G).
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a call with value hands to the callee on top (Yellow Paper, appendix G).
const CALL_STIPEND: u64 = 2_300;

/// Finds the least gas limit by bisection; the answer is exact where success does not depend on gas
/// in another way than by being enough.
pub(crate) fn estimate_gas(ctx: &Inner, input: CallInput, deadline: Deadline) -> RpcResult<u64> {
    let prepared = input.prepare(ctx, deadline)?;
    let highest = highest(&prepared);
    let tx = prepared.tx.clone();
    let mut execution = Execution::new(&ctx.handles.evm_config, prepared)?;
    if is_plain_transfer(&mut execution, &tx)?
        && highest >= TRANSFER_GAS
        && attempt(&mut execution, &tx, TRANSFER_GAS)?.is_some_and(|run| run.is_success())
    {
        return Ok(TRANSFER_GAS);
    }
    search(&mut execution, &tx, highest)
}

/// The gas limit to begin with: the request's, or the block's where it names none; from Osaka on a
/// transaction cannot have more than 2^24 (EIP-7825).
fn highest(prepared: &Prepared) -> u64 {
    let mut highest = prepared.tx.gas_limit;
    if !prepared.has_gas {
        highest = highest.min(prepared.env.block_env.gas_limit.max(TRANSFER_GAS));
    }
    if prepared.env.cfg_env.spec >= SpecId::OSAKA {
        highest = highest.min(eip7825::TX_GAS_LIMIT_CAP);
    }
    highest
}

fn is_plain_transfer(execution: &mut Execution, tx: &TxEnv) -> RpcResult<bool> {
    let TxKind::Call(to) = tx.kind() else { return Ok(false) };
    if !tx.data.is_empty() || !tx.access_list.0.is_empty() || !tx.authorization_list.is_empty() {
        return Ok(false);
    }
    let account = execution.db_mut().basic(to)?;
    Ok(account.is_none_or(|account| account.is_empty_code_hash()))
}

/// Runs with a gas limit; `None` if that limit does not even start it.
fn attempt(
    execution: &mut Execution,
    tx: &TxEnv,
    gas_limit: u64,
) -> RpcResult<Option<ExecutionResult>> {
    execution.try_run(TxEnv { gas_limit, ..tx.clone() })
}

fn search(execution: &mut Execution, tx: &TxEnv, highest: u64) -> RpcResult<u64> {
    let first = execution.run(TxEnv { gas_limit: highest, ..tx.clone() })?;
    let gas = match &first {
        ExecutionResult::Success { gas, .. } => *gas,
        ExecutionResult::Halt { reason: HaltReason::OutOfGas(_), .. } => {
            return Err(RpcError::Execution(format!("gas required exceeds allowance ({highest})")));
        }
        ExecutionResult::Halt { reason, .. } => return Err(halted(reason)),
        ExecutionResult::Revert { .. } => return output(first).map(|_| highest),
    };
    // Never less than what was paid; all that was spent before refunds is enough unless a call
    // needed more than it spent (the 63/64 rule, the stipend).
    let mut low = gas.tx_gas_used().saturating_sub(1);
    let mut high = highest;
    let spent = gas.total_gas_spent().max(gas.floor_gas());
    let optimistic = (gas.total_gas_spent().saturating_add(CALL_STIPEND)).saturating_mul(64) / 63;
    for guess in [spent, spent.saturating_sub(1), optimistic] {
        if guess > low && guess < high {
            narrow(execution, tx, guess, &mut low, &mut high)?;
        }
    }
    while low + 1 < high {
        // Most transactions need little more than the lower bound.
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2).max(low + 1));
        narrow(execution, tx, middle, &mut low, &mut high)?;
    }
    Ok(high)
}

fn narrow(
    execution: &mut Execution,
    tx: &TxEnv,
    guess: u64,
    low: &mut u64,
    high: &mut u64,
) -> RpcResult<()> {
    if attempt(execution, tx, guess)?.is_some_and(|run| run.is_success()) {
        *high = guess;
    } else {
        *low = guess;
    }
    Ok(())
}

impl Execution {
    /// Runs; `None` if the gas limit is below what the transaction costs before execution.
    fn try_run(&mut self, tx: TxEnv) -> RpcResult<Option<ExecutionResult>> {
        match self.transact(tx)? {
            Ok(done) => Ok(Some(done.result)),
            Err(EVMError::Transaction(error)) if is_gas_too_low(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

const fn is_gas_too_low(error: &revm::context_interface::result::InvalidTransaction) -> bool {
    use revm::context_interface::result::InvalidTransaction as Invalid;
    matches!(
        error,
        Invalid::CallGasCostMoreThanGasLimit { .. } | Invalid::GasFloorMoreThanGasLimit { .. }
    )
}
