//! `debug_trace…`.

use super::{
    replay::{Replayed, replay, state_before},
    steps::as_geth,
    text::{List, json},
    tracer::tracer,
    whole::{LastBlock, Question, Traces},
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
use std::{ops::Range, sync::Arc, time::Instant};

/// Answers of [`DebugTraceApiServer`].
#[derive(Clone)]
pub(crate) struct DebugTrace {
    ctx: Context,
    last: Arc<LastBlock>,
}

impl DebugTrace {
    pub(crate) fn new(ctx: Context) -> Self {
        Self { ctx, last: Arc::default() }
    }

    async fn block(
        &self,
        id: BlockId,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json<Vec<TraceResult>>> {
        let options = options.unwrap_or_default();
        self.ctx.trace(move |ctx, deadline| block(ctx, id, options, deadline)).await
    }
}

#[async_trait]
impl DebugTraceApiServer for DebugTrace {
    async fn trace_transaction(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json<GethTrace>> {
        let (block, index) = self.ctx.locate(hash)?.ok_or(RpcError::TransactionNotFound)?;
        let question = Question { block: block.hash(), options: options.unwrap_or_default() };
        if let Some(kept) = self.last.get(&question, index) {
            return Ok(kept);
        }
        let last = self.last.clone();
        let work =
            move |ctx: &Inner, deadline| transaction(ctx, &last, &block, index, question, deadline);
        self.ctx.trace(work).await
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
        let options = options.tracing_options;
        self.ctx.trace(move |ctx, deadline| call(ctx, input, options, deadline)).await
    }
}

fn transaction(
    ctx: &Inner,
    last: &LastBlock,
    block: &CachedBlock,
    index: usize,
    question: Question,
    deadline: Deadline,
) -> Answer<Json<GethTrace>> {
    if last.ask(&question)
        && let Some(traces) = whole_block(ctx, block, &question, deadline)?
    {
        last.keep(&question, traces);
    }
    // It may also have been traced while this was waiting.
    if let Some(kept) = last.get(&question, index) {
        return Ok(kept);
    }
    let mut found = None;
    for_each(ctx, block, index..index + 1, question.options, deadline, |_, trace| {
        found = Some(json(&trace, ctx.max_response())?);
        Ok(())
    })?;
    found.ok_or_else(|| RpcError::internal("a transaction is not where its index says"))
}

/// Traces of all transactions of a block; `None` if they are too long, or take more than half of the
/// time that there is for one.
fn whole_block(
    ctx: &Inner,
    block: &CachedBlock,
    question: &Question,
    deadline: Deadline,
) -> Answer<Option<Traces>> {
    let now = Instant::now();
    let half = deadline.at.saturating_duration_since(now) / 2;
    let early = Deadline { at: now + half, ..deadline };
    let (all, options) = (0..block.transaction_count(), question.options.clone());
    let mut traces = Traces::default();
    let outcome = for_each(ctx, block, all, options, early, |_, trace| {
        traces.push(json(&trace, ctx.max_response())?)
    });
    match outcome {
        Ok(()) => Ok(Some(traces)),
        Err(RpcError::Limit { .. } | RpcError::Timeout { .. }) => Ok(None),
        Err(error) => Err(error),
    }
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
