//! `eth_createAccessList`.

use super::{
    CallInput,
    pool::Deadline,
    run::{Execution, halted},
};
use crate::{RpcError, context::Inner, error::RpcResult};
use alloy_eips::eip2930::{AccessList, AccessListResult};
use alloy_primitives::U256;
use revm::context_interface::result::ExecutionResult;
use revm_inspectors::access_list::AccessListInspector;

/// Rounds after which a list that keeps changing is given up. Code can depend on the gas it has
/// left, and so on the list itself.
const MAX_ROUNDS: usize = 16;

/// Runs the transaction with the list that it used the time before until the list does not change.
/// Addresses that are warm anyway (sender, callee, precompiles) are left out unless slots of theirs
/// are touched.
pub(crate) fn create_access_list(
    ctx: &Inner,
    input: CallInput,
    deadline: Deadline,
) -> RpcResult<AccessListResult> {
    let prepared = input.prepare(ctx, deadline)?;
    let mut tx = prepared.tx.clone();
    let given: AccessList = tx.access_list.clone();
    // A legacy request becomes the first type that can carry a list.
    tx.tx_type = tx.tx_type.max(1);
    let inspector = AccessListInspector::new(given);
    let mut execution = Execution::inspected(&ctx.handles.evm_config, prepared, inspector)?;
    for _ in 0..MAX_ROUNDS {
        let result = execution.run(tx.clone())?;
        let inspector = std::mem::take(execution.inspector_mut());
        let list = inspector.into_access_list();
        if list == tx.access_list {
            return Ok(answer(list, &result));
        }
        *execution.inspector_mut() = AccessListInspector::new(list.clone());
        tx.access_list = list;
    }
    Err(RpcError::Execution(format!("access list did not settle within {MAX_ROUNDS} runs")))
}

fn answer(access_list: AccessList, result: &ExecutionResult) -> AccessListResult {
    let error = match result {
        ExecutionResult::Success { .. } => None,
        ExecutionResult::Revert { output, .. } => {
            Some(RpcError::Reverted(output.clone()).to_string())
        }
        ExecutionResult::Halt { reason, .. } => Some(halted(reason).to_string()),
    };
    AccessListResult { access_list, gas_used: U256::from(result.gas().tx_gas_used()), error }
}
