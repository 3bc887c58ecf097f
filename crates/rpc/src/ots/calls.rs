//! What happened inside a transaction.

use crate::{
    RpcError,
    calls::Deadline,
    context::Inner,
    error::RpcResult,
    trace::{Meter, ParityInspector, Replayed, replay, state_before},
};
use alloy_primitives::{B256, Bytes, map::HashSet};
use alloy_rpc_types_trace::{
    otterscan::{InternalOperation, TraceEntry},
    parity::{Action, CallType, CreationMethod, TraceOutput, TraceType, TransactionTrace},
};
use peruri_evm::{EthEvmContext, SessionDb};
use revm::{Inspector, context_interface::result::ExecutionResult, inspector::NoOpInspector};
use revm_inspectors::otterscan::InternalOperationsInspector;

/// Executes the transaction `hash` again and gives what `look` makes of it.
fn look_at<T, I>(
    ctx: &Inner,
    hash: B256,
    inspector: (I, Meter),
    deadline: Deadline,
    mut look: impl FnMut(&mut I, &ExecutionResult) -> RpcResult<T>,
) -> RpcResult<T>
where
    I: for<'a> Inspector<EthEvmContext<SessionDb<'a>>>,
{
    let (block, index) = ctx.locate(hash)?.ok_or(RpcError::TransactionNotFound)?;
    let state = state_before(ctx, &block)?;
    let mut found = None;
    replay(ctx, &block, &*state, index..index + 1, inspector, deadline, |replayed| {
        let Replayed { tracer, done, .. } = replayed;
        found = Some(look(tracer, &done.result)?);
        Ok(())
    })?;
    found.ok_or_else(|| RpcError::internal("a transaction is not where its index says"))
}

pub(super) fn internal_operations(
    ctx: &Inner,
    hash: B256,
    deadline: Deadline,
) -> RpcResult<Vec<InternalOperation>> {
    // How many there are is bounded by what gas can pay for.
    let inspector = (InternalOperationsInspector::default(), Meter::idle(ctx.max_response()));
    look_at(ctx, hash, inspector, deadline, |seen, _| Ok(std::mem::take(seen).into_operations()))
}

pub(super) fn transaction_error(ctx: &Inner, hash: B256, deadline: Deadline) -> RpcResult<Bytes> {
    let inspector = (NoOpInspector, Meter::idle(ctx.max_response()));
    look_at(ctx, hash, inspector, deadline, |_, result| match result {
        ExecutionResult::Revert { output, .. } => Ok(output.clone()),
        _ => Ok(Bytes::new()),
    })
}

pub(super) fn trace(ctx: &Inner, hash: B256, deadline: Deadline) -> RpcResult<Vec<TraceEntry>> {
    let types = HashSet::from_iter([TraceType::Trace]);
    let inspector = ParityInspector::new(&types, ctx.max_response());
    look_at(ctx, hash, inspector, deadline, |seen, _| {
        Ok(seen.take()?.into_transaction_traces_iter().filter_map(entry).collect())
    })
}

/// A frame as Erigon's tracer gives it to Otterscan.
fn entry(trace: TransactionTrace) -> Option<TraceEntry> {
    let output = trace.result.as_ref().map(|result| result.output().clone()).unwrap_or_default();
    let depth = u32::try_from(trace.trace_address.len()).unwrap_or(u32::MAX);
    let entry = |r#type: &str, from, to, value, input| TraceEntry {
        r#type: r#type.to_owned(),
        depth,
        from,
        to,
        value,
        input,
        output,
    };
    Some(match trace.action {
        Action::Call(call) => {
            let (name, moves_value) = match call.call_type {
                CallType::None | CallType::Call => ("CALL", true),
                CallType::CallCode => ("CALLCODE", true),
                CallType::DelegateCall => ("DELEGATECALL", false),
                CallType::StaticCall => ("STATICCALL", false),
                CallType::AuthCall => ("AUTHCALL", true),
            };
            let value = moves_value.then_some(call.value);
            entry(name, call.from, call.to, value, call.input)
        }
        Action::Create(create) => {
            let name = match create.creation_method {
                CreationMethod::Create2 => "CREATE2",
                _ => "CREATE",
            };
            let to = match &trace.result {
                Some(TraceOutput::Create(created)) => created.address,
                _ => Default::default(),
            };
            entry(name, create.from, to, Some(create.value), create.init)
        }
        Action::Selfdestruct(end) => {
            entry("SELFDESTRUCT", end.address, end.refund_address, Some(end.balance), Bytes::new())
        }
        Action::Reward(_) => return None,
    })
}
