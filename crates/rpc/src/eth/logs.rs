//! Log queries over the log index.

use crate::{
    RpcError,
    cache::CachedBlock,
    context::Inner,
    error::RpcResult,
    json::{LogContext, Writer, write_log},
};
use alloy_primitives::{Address, B256, Log as PrimitiveLog};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use peruri_rpc_api::Json;
use std::{ops::RangeInclusive, sync::Arc};

/// `eth_getLogs`.
pub(crate) fn logs(ctx: &Inner, filter: &Filter) -> RpcResult<Json<Vec<Log>>> {
    let mut answer = LogAnswer::new(ctx);
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let block = ctx
                .block_by_hash(hash)?
                .ok_or_else(|| RpcError::Execution("unknown block".to_owned()))?;
            answer.add_block(ctx, filter, &block)?;
        }
        FilterBlockOption::Range { from_block, to_block } => {
            let limit = ctx.limits.max_log_blocks;
            let what = "rpc.max-blocks-per-filter";
            let range = ctx.block_range(from_block, to_block, what, limit)?;
            answer.add_range(ctx, filter, range)?;
        }
    }
    answer.finish()
}

/// Calls `visit` with each matching log of a block, its place, and its index in the block.
fn for_each_match(
    ctx: &Inner,
    filter: &Filter,
    block: &CachedBlock,
    mut visit: impl FnMut(&PrimitiveLog, &LogContext, u64) -> RpcResult<()>,
) -> RpcResult<()> {
    ctx.with_receipts(block)?;
    for (index, receipt) in block.receipts().iter().enumerate() {
        if receipt.logs.is_empty() {
            continue;
        }
        let at = place(block, index);
        let first = block.first_log(index);
        for (offset, log) in receipt.logs.iter().enumerate() {
            if filter.matches(log) {
                visit(log, &at, first + offset as u64)?;
            }
        }
    }
    Ok(())
}

/// The matching logs of a block, each as text of its own that is written when it is asked for: a
/// subscriber may take long for a block of many.
pub(crate) fn log_texts<'a>(
    ctx: &Inner,
    filter: &'a Filter,
    block: Arc<CachedBlock>,
) -> RpcResult<impl Iterator<Item = RpcResult<Json<Log>>> + use<'a>> {
    ctx.with_receipts(&block)?;
    let (mut index, mut offset) = (0, 0);
    Ok(std::iter::from_fn(move || {
        loop {
            let receipt = block.receipts().get(index)?;
            let Some(log) = receipt.logs.get(offset) else {
                (index, offset) = (index + 1, 0);
                continue;
            };
            let in_block = block.first_log(index) + offset as u64;
            offset += 1;
            if filter.matches(log) {
                let mut out = Writer::with_capacity(512);
                write_log(&mut out, log, &place(&block, index), in_block);
                return Some(out.finish().map_err(RpcError::from));
            }
        }
    }))
}

/// Where the logs of transaction `index` stand.
fn place(block: &CachedBlock, index: usize) -> LogContext {
    let header = block.header();
    LogContext {
        block_hash: block.hash(),
        block_number: header.number,
        timestamp: header.timestamp,
        tx_hash: block.transactions().get(index).map(|tx| *tx.tx_hash()).unwrap_or_default(),
        tx_index: index as u64,
    }
}

/// Logs collected so far.
pub(crate) struct LogAnswer {
    out: Writer,
    count: usize,
    limit: usize,
    max_bytes: usize,
}

impl LogAnswer {
    pub(crate) fn new(ctx: &Inner) -> Self {
        let mut out = Writer::with_capacity(1024);
        out.begin_array();
        let max_bytes = ctx.max_response();
        Self { out, count: 0, limit: ctx.limits.max_log_entries, max_bytes }
    }

    /// Adds the matches of a range of blocks.
    pub(crate) fn add_range(
        &mut self,
        ctx: &Inner,
        filter: &Filter,
        range: RangeInclusive<u64>,
    ) -> RpcResult<()> {
        let addresses: Vec<Address> = filter.address.iter().copied().collect();
        let topics: Vec<Vec<B256>> =
            filter.topics.iter().map(|topic| topic.iter().copied().collect()).collect();
        for number in ctx.factory().blocks_matching(&addresses, &topics, range)?.iter() {
            if let Some(block) = ctx.cached_block(number.into()) {
                self.add_block(ctx, filter, &block)?;
                continue;
            }
            // Blocks without logs are told by their bloom, which is in the header: no body is read.
            let Some(header) = ctx.factory().sealed_header(number)? else { continue };
            if header.logs_bloom.is_zero() {
                continue;
            }
            if let Some(block) = ctx.block_by_number(number)? {
                self.add_block(ctx, filter, &block)?;
            }
        }
        Ok(())
    }

    /// Adds the matches of a block.
    pub(crate) fn add_block(
        &mut self,
        ctx: &Inner,
        filter: &Filter,
        block: &CachedBlock,
    ) -> RpcResult<()> {
        for_each_match(ctx, filter, block, |log, at, index| {
            self.count_one()?;
            write_log(&mut self.out, log, at, index);
            Ok(())
        })
    }

    fn count_one(&mut self) -> RpcResult<()> {
        self.count += 1;
        if self.count > self.limit {
            return Err(RpcError::Limit {
                what: "rpc.max-logs-per-response",
                got: self.count as u64,
                limit: self.limit as u64,
            });
        }
        if self.out.len() > self.max_bytes {
            return Err(RpcError::Limit {
                what: "rpc.max-response-size",
                got: self.out.len() as u64,
                limit: self.max_bytes as u64,
            });
        }
        Ok(())
    }

    /// The answer.
    pub(crate) fn finish<T>(mut self) -> RpcResult<Json<T>> {
        self.out.end_array();
        Ok(self.out.finish()?)
    }
}
