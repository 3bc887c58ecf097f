//! `debug_trace…`.

use super::{
    replay::{Replayed, replay, state_before},
    steps::as_geth,
    text::{List, json},
    tracer::tracer,
};
use crate::{
    RpcError,
    cache::CachedBlock,
    calls::{CallInput, Deadline, Execution},
    context::{Context, Inner},
    error::RpcResult as Answer,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use alloy_rpc_types_trace::geth::{
    GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace, TraceResult,
};
use jsonrpsee::core::{RpcResult, async_trait};
use peruri_rpc_api::{CallRequest, DebugTraceApiServer, Json};
use std::ops::Range;

/// Answers of [`DebugTraceApiServer`].
#[derive(Clone)]
pub(crate) struct DebugTrace {
    ctx: Context,
}

impl DebugTrace {
    pub(crate) const fn new(ctx: Context) -> Self {
        Self { ctx }
    }

    async fn block(
        &self,
        id: BlockId,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json<Vec<TraceResult>>> {
        let ctx = self.ctx.clone();
        let options = options.unwrap_or_default();
        let work = move |deadline| block(&ctx, id, options, deadline);
        Ok(self.ctx.traces.run(work).await?)
    }
}

#[async_trait]
impl DebugTraceApiServer for DebugTrace {
    async fn trace_transaction(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json<GethTrace>> {
        let ctx = self.ctx.clone();
        let options = options.unwrap_or_default();
        let work = move |deadline| transaction(&ctx, hash, options, deadline);
        Ok(self.ctx.traces.run(work).await?)
    }

    async fn trace_block_by_number(
        &self,
        number: BlockNumberOrTag,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json<Vec<TraceResult>>> {
        self.block(number.into(), options).await
    }

    async fn trace_block_by_hash(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json<Vec<TraceResult>>> {
        self.block(BlockId::hash(hash), options).await
    }

    async fn trace_call(
        &self,
        request: CallRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<Json<GethTrace>> {
        let options = options.unwrap_or_default();
        if options.tx_index.is_some() {
            return Err(RpcError::invalid("txIndex: calls are traced after a block only").into());
        }
        let input = CallInput {
            request,
            block,
            state_overrides: options.state_overrides,
            block_overrides: options.block_overrides.map(Box::new),
        };
        let ctx = self.ctx.clone();
        let work = move |deadline| call(&ctx, input, options.tracing_options, deadline);
        Ok(self.ctx.traces.run(work).await?)
    }
}

fn transaction(
    ctx: &Inner,
    hash: B256,
    options: GethDebugTracingOptions,
    deadline: Deadline,
) -> Answer<Json<GethTrace>> {
    let (block, index) = ctx.locate(hash)?.ok_or(RpcError::TransactionNotFound)?;
    let mut found = None;
    for_each(ctx, &block, index..index + 1, options, deadline, |_, trace| {
        found = Some(json(&trace, ctx.max_response())?);
        Ok(())
    })?;
    found.ok_or_else(|| RpcError::internal("a transaction is not where its index says"))
}

fn block(
    ctx: &Inner,
    id: BlockId,
    options: GethDebugTracingOptions,
    deadline: Deadline,
) -> Answer<Json<Vec<TraceResult>>> {
    let block = ctx.block(id)?.ok_or(RpcError::BlockNotFound(id))?;
    let mut list = List::new(ctx.max_response());
    for_each(ctx, &block, 0..block.transaction_count(), options, deadline, |hash, trace| {
        list.push(&TraceResult::new_success(trace, hash))
    })?;
    list.finish()
}

/// Traces some transactions of a block and hands each with its hash to `visit`.
fn for_each(
    ctx: &Inner,
    block: &CachedBlock,
    range: Range<usize>,
    options: GethDebugTracingOptions,
    deadline: Deadline,
    mut visit: impl FnMut(Option<B256>, GethTrace) -> Answer<()>,
) -> Answer<()> {
    let tracer = tracer(options, ctx.max_response())?;
    let state = state_before(ctx, block)?;
    replay(ctx, block, &*state, range, tracer, deadline, |replayed| {
        let Replayed { place, tx, block, tracer, done, db } = replayed;
        let trace = tracer
            .get_result(Some(place.into()), &tx, block, done, db)
            .map_err(RpcError::internal)?;
        tracer.fuse().map_err(RpcError::internal)?;
        visit(place.hash, as_geth(trace))
    })
}

fn call(
    ctx: &Inner,
    input: CallInput,
    options: GethDebugTracingOptions,
    deadline: Deadline,
) -> Answer<Json<GethTrace>> {
    let watch = tracer(options, ctx.max_response())?;
    let prepared = input.prepare(ctx, deadline)?;
    let (tx, block) = (prepared.tx.clone(), prepared.env.block_env.clone());
    let mut execution = Execution::inspected(&ctx.handles.evm_config, prepared, watch)?;
    let done = execution.transact(tx.clone())??;
    let (db, (tracer, meter)) = execution.parts_mut();
    meter.verdict()?;
    let trace = tracer.get_result(None, &tx, &block, &done, db).map_err(RpcError::internal)?;
    json(&as_geth(trace), ctx.max_response())
}
