//! `trace_…`.

use super::{
    filter::filter,
    inspector::ParityInspector,
    replay::{Replayed, replay, state_before},
    reward::rewards,
    text::{List, json},
};
use crate::{
    RpcError,
    cache::CachedBlock,
    calls::{CallInput, Deadline, Execution},
    context::{Context, Inner},
    error::RpcResult as Answer,
};
use alloy_eips::BlockId;
use alloy_primitives::{B256, map::HashSet};
use alloy_rpc_types_eth::{BlockOverrides, state::StateOverride};
use alloy_rpc_types_trace::{
    filter::TraceFilter,
    parity::{LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType},
};
use jsonrpsee::core::{RpcResult, async_trait};
use peruri_rpc_api::{CallRequest, Json, TraceApiServer};
use std::ops::Range;

/// Answers of [`TraceApiServer`].
#[derive(Clone)]
pub(crate) struct Trace {
    ctx: Context,
}

impl Trace {
    pub(crate) const fn new(ctx: Context) -> Self {
        Self { ctx }
    }
}

#[async_trait]
impl TraceApiServer for Trace {
    async fn block_traces(
        &self,
        block: BlockId,
    ) -> RpcResult<Option<Json<Vec<LocalizedTransactionTrace>>>> {
        self.ctx
            .trace(move |ctx, deadline| {
                let Some(block) = ctx.block(block)? else { return Ok(None) };
                let mut list = List::new(ctx.max_response());
                for_each_of_block(ctx, &block, deadline, |trace| list.push(&trace))?;
                list.finish().map(Some)
            })
            .await
    }

    async fn transaction_traces(
        &self,
        hash: B256,
    ) -> RpcResult<Option<Json<Vec<LocalizedTransactionTrace>>>> {
        self.ctx
            .trace(move |ctx, deadline| {
                let Some((block, index)) = ctx.locate(hash)? else { return Ok(None) };
                let mut list = List::new(ctx.max_response());
                for_each(ctx, &block, index..index + 1, deadline, |trace| list.push(&trace))?;
                list.finish().map(Some)
            })
            .await
    }

    async fn filter_traces(
        &self,
        wanted: TraceFilter,
    ) -> RpcResult<Json<Vec<LocalizedTransactionTrace>>> {
        self.ctx.trace(move |ctx, deadline| filter(ctx, &wanted, deadline)).await
    }

    async fn trace_call(
        &self,
        request: CallRequest,
        types: HashSet<TraceType>,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Json<TraceResults>> {
        let input = CallInput { request, block, state_overrides, block_overrides };
        self.ctx.trace(move |ctx, deadline| call(ctx, input, &types, deadline)).await
    }

    async fn replay_transaction(
        &self,
        hash: B256,
        types: HashSet<TraceType>,
    ) -> RpcResult<Json<TraceResults>> {
        self.ctx
            .trace(move |ctx, deadline| {
                let (block, index) = ctx.locate(hash)?.ok_or(RpcError::TransactionNotFound)?;
                let mut found = None;
                for_each_result(ctx, &block, index..index + 1, &types, deadline, |result| {
                    found = Some(json(&result.full_trace, ctx.max_response())?);
                    Ok(())
                })?;
                found.ok_or_else(|| RpcError::internal("a transaction is not where its index says"))
            })
            .await
    }

    async fn replay_block(
        &self,
        block: BlockId,
        types: HashSet<TraceType>,
    ) -> RpcResult<Option<Json<Vec<TraceResultsWithTransactionHash>>>> {
        self.ctx
            .trace(move |ctx, deadline| {
                let Some(block) = ctx.block(block)? else { return Ok(None) };
                let mut list = List::new(ctx.max_response());
                let all = 0..block.transaction_count();
                for_each_result(ctx, &block, all, &types, deadline, |result| list.push(&result))?;
                list.finish().map(Some)
            })
            .await
    }
}

/// Visits the traces of a block: of its transactions, then its rewards.
pub(super) fn for_each_of_block(
    ctx: &Inner,
    block: &CachedBlock,
    deadline: Deadline,
    mut visit: impl FnMut(LocalizedTransactionTrace) -> Answer<()>,
) -> Answer<()> {
    for_each(ctx, block, 0..block.transaction_count(), deadline, &mut visit)?;
    rewards(ctx, block).into_iter().try_for_each(visit)
}

/// Visits the traces of some transactions of a block.
fn for_each(
    ctx: &Inner,
    block: &CachedBlock,
    range: Range<usize>,
    deadline: Deadline,
    mut visit: impl FnMut(LocalizedTransactionTrace) -> Answer<()>,
) -> Answer<()> {
    if range.is_empty() {
        return Ok(());
    }
    let tracer = ParityInspector::new(&HashSet::from_iter([TraceType::Trace]), ctx.max_response());
    let state = state_before(ctx, block)?;
    replay(ctx, block, &*state, range, tracer, deadline, |replayed| {
        let Replayed { place, tracer, .. } = replayed;
        tracer.take()?.into_localized_transaction_traces_iter(place).try_for_each(&mut visit)
    })
}

/// Visits some transactions of a block with what `types` ask for.
fn for_each_result(
    ctx: &Inner,
    block: &CachedBlock,
    range: Range<usize>,
    types: &HashSet<TraceType>,
    deadline: Deadline,
    mut visit: impl FnMut(TraceResultsWithTransactionHash) -> Answer<()>,
) -> Answer<()> {
    if range.is_empty() {
        return Ok(());
    }
    let tracer = ParityInspector::new(types, ctx.max_response());
    let state = state_before(ctx, block)?;
    replay(ctx, block, &*state, range, tracer, deadline, |replayed| {
        let Replayed { place, tracer, done, db, .. } = replayed;
        let full_trace = tracer
            .take()?
            .into_trace_results_with_state(done, types, &*db)
            .map_err(RpcError::internal)?;
        let transaction_hash = place.hash.unwrap_or_default();
        visit(TraceResultsWithTransactionHash { full_trace, transaction_hash })
    })
}

fn call(
    ctx: &Inner,
    input: CallInput,
    types: &HashSet<TraceType>,
    deadline: Deadline,
) -> Answer<Json<TraceResults>> {
    let watch = ParityInspector::new(types, ctx.max_response());
    let prepared = input.prepare(ctx, deadline)?;
    let tx = prepared.tx.clone();
    let mut execution = Execution::inspected(&ctx.handles.evm_config, prepared, watch)?;
    let done = execution.transact(tx)??;
    let (db, (tracer, meter)) = execution.parts_mut();
    meter.verdict()?;
    let results = tracer.take()?.into_trace_results_with_state(&done, types, &*db)?;
    json(&results, ctx.max_response())
}
