//! Running, and what its outcome means.

use super::{CallInput, deadline::DeadlineInspector, env::Prepared, pool::Deadline};
use crate::{RpcError, context::Inner, error::RpcResult};
use alloy_evm::Evm;
use alloy_primitives::Bytes;
use peruri_evm::{EthEvmContext, PeruriEvm, PeruriEvmConfig};
use peruri_storage::ProviderError;
use revm::{
    Inspector,
    context::TxEnv,
    context_interface::result::{
        EVMError, ExecutionResult, HaltReason, InvalidTransaction, OutOfGasError, Output,
        ResultAndState,
    },
    inspector::NoOpInspector,
};

use super::env::CallDb;

/// `eth_call`.
pub(crate) fn call(ctx: &Inner, input: CallInput, deadline: Deadline) -> RpcResult<Bytes> {
    let prepared = input.prepare(ctx, deadline)?;
    let tx = prepared.tx.clone();
    let mut execution = Execution::new(&ctx.handles.evm_config, prepared)?;
    output(execution.run(tx)?)
}

/// An EVM over one state, ready for one or several runs that do not see each other.
pub(crate) struct Execution<I = NoOpInspector>
where
    I: Inspector<EthEvmContext<CallDb>>,
{
    evm: PeruriEvm<CallDb, (I, DeadlineInspector)>,
}

impl Execution {
    pub(crate) fn new(config: &PeruriEvmConfig, prepared: Prepared) -> RpcResult<Self> {
        Self::inspected(config, prepared, NoOpInspector)
    }
}

impl<I: Inspector<EthEvmContext<CallDb>>> Execution<I> {
    /// An EVM whose runs `inspector` watches.
    pub(crate) fn inspected(
        config: &PeruriEvmConfig,
        prepared: Prepared,
        inspector: I,
    ) -> RpcResult<Self> {
        let Prepared { env, db, precompiles, deadline, .. } = prepared;
        let inspector = (inspector, DeadlineInspector::new(deadline));
        let mut evm = config.evm_with_env_and_inspector(db, env, inspector);
        precompiles.apply(evm.precompiles_mut())?;
        Ok(Self { evm })
    }

    /// Runs a transaction and drops its changes.
    pub(crate) fn run(&mut self, tx: TxEnv) -> RpcResult<ExecutionResult> {
        Ok(self.transact(tx)??.result)
    }

    /// Runs a transaction; its changes are in the answer only. The outer error is the deadline's.
    pub(crate) fn transact(
        &mut self,
        tx: TxEnv,
    ) -> RpcResult<Result<ResultAndState, EVMError<ProviderError>>> {
        let result = self.evm.transact_raw(tx);
        self.evm.inspector().1.verdict()?;
        Ok(result)
    }

    pub(crate) fn inspector_mut(&mut self) -> &mut I {
        &mut self.evm.inspector_mut().0
    }

    pub(crate) fn db_mut(&mut self) -> &mut CallDb {
        self.evm.db_mut()
    }

    /// State and inspector.
    pub(crate) fn parts_mut(&mut self) -> (&mut CallDb, &mut I) {
        let (db, (inspector, _), _) = self.evm.components_mut();
        (db, inspector)
    }
}

/// The output of a run, or the error of one that failed.
pub(crate) fn output(result: ExecutionResult) -> RpcResult<Bytes> {
    match result {
        ExecutionResult::Success { output: Output::Call(data), .. }
        | ExecutionResult::Success { output: Output::Create(data, _), .. } => Ok(data),
        ExecutionResult::Revert { output, .. } => Err(RpcError::Reverted(output)),
        ExecutionResult::Halt { reason, .. } => Err(halted(&reason)),
    }
}

/// geth's words for an exceptional halt.
pub(crate) fn halted(reason: &HaltReason) -> RpcError {
    let text = match reason {
        HaltReason::OutOfGas(
            OutOfGasError::Basic | OutOfGasError::Memory | OutOfGasError::Precompile,
        ) => "out of gas".to_owned(),
        HaltReason::OutOfGas(OutOfGasError::MemoryLimit) => "out of memory".to_owned(),
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::InvalidJump => "invalid jump destination".to_owned(),
        HaltReason::OpcodeNotFound | HaltReason::InvalidFEOpcode => "invalid opcode".to_owned(),
        HaltReason::StackUnderflow => "stack underflow".to_owned(),
        HaltReason::StackOverflow => "stack limit reached 1024".to_owned(),
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".to_owned(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".to_owned(),
        HaltReason::StateChangeDuringStaticCall => "write protection".to_owned(),
        HaltReason::OutOfFunds => "insufficient balance for transfer".to_owned(),
        HaltReason::CallTooDeep => "max call depth exceeded".to_owned(),
        other => format!("EVM halted: {other:?}"),
    };
    RpcError::Execution(text)
}

/// geth's words for a transaction that cannot run.
pub(crate) fn invalid_text(error: &InvalidTransaction) -> String {
    match error {
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            format!("intrinsic gas too low: have {gas_limit}, want {initial_gas}")
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            format!("insufficient gas for floor data gas cost: have {gas_limit}, want {gas_floor}")
        }
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            format!("insufficient funds for gas * price + value: have {balance} want {fee}")
        }
        InvalidTransaction::PriorityFeeGreaterThanMaxFee => {
            "max priority fee per gas higher than max fee per gas".to_owned()
        }
        InvalidTransaction::GasPriceLessThanBasefee => {
            "max fee per gas less than block base fee".to_owned()
        }
        InvalidTransaction::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        InvalidTransaction::EmptyAuthorizationList => {
            "EIP-7702 transaction with empty auth list".to_owned()
        }
        other => other.to_string(),
    }
}
