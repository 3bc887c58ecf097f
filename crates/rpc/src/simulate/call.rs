//! From a request to a transaction, and from what it did to an answer.

use super::{
    block::Session,
    error::{BASE_FEE_TOO_LOW, BLOCK_GAS_LIMIT, execution, refused},
};
use crate::{RpcError, calls::halted, error::RpcResult};
use alloy_consensus::Transaction as _;
use alloy_evm::FromRecoveredTx;
use alloy_primitives::{Address, TxKind};
use alloy_rpc_types_eth::{
    Log, TransactionRequest,
    simulate::{SimCallResult, SimulateError},
};
use peruri_evm::EvmEnv;
use peruri_primitives::{Header, TransactionSigned};
use revm::{
    context::TxEnv,
    context_interface::{
        Block,
        result::{ExecutionResult, ResultAndState},
    },
};

/// A call as a transaction that nobody signed.
pub(super) struct SimulatedCall {
    pub(super) tx: TransactionSigned,
    pub(super) from: Address,
    /// What the EVM runs.
    pub(super) env: TxEnv,
}

/// What the requests of a block are completed with.
pub(super) struct Defaults<'b> {
    pub(super) header: &'b Header,
    pub(super) env: &'b EvmEnv,
    pub(super) validation: bool,
    /// Gas that the rest of the simulation may use.
    pub(super) gas_left: u64,
}

impl Defaults<'_> {
    /// Fills in what a request leaves out, as execution-apis says, and makes a transaction of it whose
    /// signature is zero.
    pub(super) fn complete(
        &self,
        mut request: TransactionRequest,
        session: &mut Session<'_>,
    ) -> RpcResult<SimulatedCall> {
        self.check(&request)?;
        let from = request.from.unwrap_or_default();
        let account = session.account(from).map_err(execution)?;
        request.nonce.get_or_insert(account.map_or(0, |account| account.nonce));
        request.to.get_or_insert(TxKind::Create);
        request.chain_id = Some(self.env.cfg_env.chain_id);
        request.gas = Some(self.gas(request.gas, session.gas_available())?);
        self.complete_fees(&mut request);
        let tx = request
            .build_typed_simulate_transaction()
            .map_err(|error| RpcError::invalid(error.to_string()))?;
        let mut env = TxEnv::from_recovered_tx(&tx, from);
        self.relax(&mut env)?;
        Ok(SimulatedCall { tx, from, env })
    }

    fn check(&self, request: &TransactionRequest) -> RpcResult<()> {
        let chain_id = self.env.cfg_env.chain_id;
        if let Some(got) = request.chain_id.filter(|got| *got != chain_id) {
            return Err(RpcError::invalid(format!(
                "chainId does not match node's (have={got}, want={chain_id})"
            )));
        }
        request.input.unique_input().map_err(|error| RpcError::invalid(error.to_string()))?;
        let new = request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
        if request.gas_price.is_some() && new {
            return Err(RpcError::invalid(
                "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
            ));
        }
        Ok(())
    }

    fn gas(&self, wanted: Option<u64>, available: u64) -> RpcResult<u64> {
        let gas = wanted.unwrap_or(available);
        if gas > available {
            let text = format!("block gas limit reached: {gas} > {available}");
            return Err(refused(BLOCK_GAS_LIMIT, text));
        }
        Ok(gas.min(self.gas_left))
    }

    fn complete_fees(&self, request: &mut TransactionRequest) {
        if self.header.base_fee_per_gas.is_none() {
            request.gas_price.get_or_insert(0);
        }
        if request.gas_price.is_none() {
            request.max_fee_per_gas.get_or_insert(0);
            request.max_priority_fee_per_gas.get_or_insert(0);
        }
        if request.blob_versioned_hashes.is_some() {
            request.max_fee_per_blob_gas.get_or_insert(0);
        }
    }

    /// Without `validation` nonces are free, and who names no fees pays none.
    fn relax(&self, env: &mut TxEnv) -> RpcResult<()> {
        if self.validation {
            return Ok(());
        }
        // The EVM refuses the last one even where it does not look at nonces.
        if env.nonce == u64::MAX {
            env.nonce = 0;
        }
        if env.max_fee_per_blob_gas == 0 {
            env.max_fee_per_blob_gas = self.env.block_env.blob_gasprice().unwrap_or_default();
        }
        let base_fee = u128::from(self.env.block_env.basefee);
        let named = env.gas_price != 0 || env.gas_priority_fee.is_some_and(|tip| tip != 0);
        if named && env.gas_price < base_fee {
            return Err(refused(
                BASE_FEE_TOO_LOW,
                format!("max fee per gas less than block base fee: {} < {base_fee}", env.gas_price),
            ));
        }
        Ok(())
    }
}

/// The nonce after the last one is 0 where nonces are free.
pub(super) fn wrap_nonce(call: &SimulatedCall, done: &mut ResultAndState) {
    if call.tx.nonce() == u64::MAX
        && let Some(account) = done.state.get_mut(&call.from)
        && account.info.nonce == u64::MAX
    {
        account.info.nonce = 0;
    }
}

/// The answer to a call that made `logs`.
pub(super) fn answer(result: &ExecutionResult, logs: Vec<Log>) -> SimCallResult {
    let gas = result.gas();
    let mut answer = SimCallResult {
        gas_used: gas.tx_gas_used(),
        max_used_gas: Some(gas.total_gas_spent().max(gas.floor_gas())),
        status: result.is_success(),
        ..SimCallResult::default()
    };
    match result {
        ExecutionResult::Success { output, .. } => {
            answer.return_data = output.data().clone();
            answer.logs = logs;
        }
        ExecutionResult::Revert { output, .. } => {
            let error = RpcError::Reverted(output.clone());
            answer.error = Some(SimulateError {
                code: error.code(),
                message: error.to_string(),
                data: Some(output.clone()),
            });
        }
        ExecutionResult::Halt { reason, .. } => {
            answer.error = Some(SimulateError {
                code: SimulateError::VM_EXECUTION_ERROR_CODE,
                message: halted(reason).to_string(),
                data: None,
            });
        }
    }
    answer
}
