//! Filters that are polled.

use super::logs::{self, LogAnswer};
use crate::{
    RpcError, RpcLimits,
    context::{Context, Inner},
    error::RpcResult as Result,
    json::{Writer, write_transaction},
};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::U128;
use alloy_rpc_types_eth::{
    Filter, FilterBlockOption, FilterChanges, FilterId, Log, PendingTransactionFilterKind,
};
use jsonrpsee::core::{RpcResult, async_trait};
use parking_lot::Mutex;
use peruri_rpc_api::{EthFilterApiServer, Json};
use peruri_txpool::PendingTransactionsReceiver;
use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::error::TryRecvError;

/// What a filter is for.
enum Kind {
    Logs(Box<Filter>),
    Blocks,
    Pending { receiver: PendingTransactionsReceiver, full: bool },
}

struct Active {
    kind: Kind,
    /// First block that was not told of yet.
    next: u64,
    polled: Instant,
}

/// All filters of a node: ids are random, so that clients cannot poll each other's.
pub(crate) struct FilterStore {
    filters: Mutex<HashMap<FilterId, Active>>,
    max: usize,
    expiry: Duration,
}

impl FilterStore {
    pub(crate) fn new(limits: &RpcLimits) -> Self {
        Self { filters: Mutex::default(), max: limits.max_filters, expiry: limits.filter_expiry }
    }

    fn install(&self, ctx: &Inner, kind: Kind) -> Result<FilterId> {
        let next = ctx.factory().best_block_number()?.saturating_add(1);
        let now = Instant::now();
        let mut filters = self.filters.lock();
        if filters.len() >= self.max {
            filters.retain(|_, filter| now.duration_since(filter.polled) < self.expiry);
        }
        if filters.len() >= self.max {
            return Err(RpcError::Busy { what: "rpc.max-filters", limit: self.max });
        }
        let id = FilterId::Str(format!("{:#x}", U128::from(rand::random::<u128>())));
        filters.insert(id.clone(), Active { kind, next, polled: now });
        Ok(id)
    }

    fn remove(&self, id: &FilterId) -> bool {
        self.filters.lock().remove(id).is_some()
    }

    /// Runs `work` on a live filter and marks it as polled.
    fn poll<T>(&self, id: &FilterId, work: impl FnOnce(&mut Active) -> Result<T>) -> Result<T> {
        let now = Instant::now();
        let mut filters = self.filters.lock();
        if filters.get(id).is_some_and(|filter| now.duration_since(filter.polled) >= self.expiry) {
            filters.remove(id);
        }
        let filter = filters.get_mut(id).ok_or(RpcError::FilterNotFound)?;
        filter.polled = now;
        work(filter)
    }
}

/// What a poll has to read after the lock is gone.
enum Poll {
    Logs { filter: Box<Filter>, range: RangeInclusive<u64> },
    Blocks { range: RangeInclusive<u64> },
    Text(Json<FilterChanges>),
}

/// Answers of [`EthFilterApiServer`].
#[derive(Clone)]
pub(crate) struct EthFilters {
    ctx: Context,
    store: Arc<FilterStore>,
}

impl EthFilters {
    pub(crate) const fn new(ctx: Context, store: Arc<FilterStore>) -> Self {
        Self { ctx, store }
    }

    fn changes(&self, id: &FilterId) -> Result<Json<FilterChanges>> {
        let ctx = &self.ctx;
        let head = ctx.factory().best_block_number()?;
        let poll = self.store.poll(id, |filter| {
            // Not more blocks at a time than a query may span; the rest comes with the next poll.
            let first = filter.next;
            let last = head.min(first.saturating_add(ctx.limits.max_log_blocks.saturating_sub(1)));
            Ok(match &mut filter.kind {
                Kind::Pending { receiver, full } => {
                    Poll::Text(drain(receiver, *full, ctx.limits.max_response_bytes)?)
                }
                Kind::Logs(logs) => {
                    filter.next = last.saturating_add(1).max(first);
                    Poll::Logs { filter: logs.clone(), range: first..=last }
                }
                Kind::Blocks => {
                    filter.next = last.saturating_add(1).max(first);
                    Poll::Blocks { range: first..=last }
                }
            })
        })?;
        match poll {
            Poll::Text(text) => Ok(text),
            Poll::Logs { filter, range } => new_logs(ctx, &filter, range),
            Poll::Blocks { range } => new_blocks(ctx, range),
        }
    }
}

/// Hashes or whole transactions that became pending since the last poll.
fn drain(
    receiver: &mut PendingTransactionsReceiver,
    full: bool,
    max_bytes: u32,
) -> Result<Json<FilterChanges>> {
    let mut out = Writer::with_capacity(1024);
    out.begin_array();
    let max_bytes = max_bytes as usize;
    loop {
        let batch = match receiver.try_recv() {
            Ok(batch) => batch,
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            Err(TryRecvError::Lagged(batches)) => {
                return Err(RpcError::Execution(format!(
                    "filter was polled too rarely: {batches} batches of transactions lost"
                )));
            }
        };
        for pooled in batch.iter() {
            if full {
                let tx = pooled.transaction();
                write_transaction(&mut out, tx.inner(), tx.signer(), None);
            } else {
                out.data(pooled.hash().as_slice());
            }
        }
        // The rest comes with the next poll.
        if out.len() > max_bytes / 2 {
            break;
        }
    }
    out.end_array();
    Ok(out.finish()?)
}

fn new_logs(
    ctx: &Inner,
    filter: &Filter,
    range: RangeInclusive<u64>,
) -> Result<Json<FilterChanges>> {
    let mut answer = LogAnswer::new(ctx);
    if let Some(range) = intersect(ctx, filter, range)? {
        answer.add_range(ctx, filter, range)?;
    }
    answer.finish()
}

/// The part of `range` that the filter's own range covers.
fn intersect(
    ctx: &Inner,
    filter: &Filter,
    range: RangeInclusive<u64>,
) -> Result<Option<RangeInclusive<u64>>> {
    let FilterBlockOption::Range { from_block, to_block } = filter.block_option else {
        return Ok(None);
    };
    // Tags mean "whatever comes": only numbers bound the range.
    let number = |tag: Option<BlockNumberOrTag>| match tag {
        Some(BlockNumberOrTag::Number(number)) => Some(number),
        _ => None,
    };
    let first = number(from_block).map_or(*range.start(), |from| from.max(*range.start()));
    let last = number(to_block).map_or(*range.end(), |to| to.min(*range.end()));
    let last = last.min(ctx.factory().best_block_number()?);
    Ok((first <= last).then_some(first..=last))
}

fn new_blocks(ctx: &Inner, range: RangeInclusive<u64>) -> Result<Json<FilterChanges>> {
    let mut out = Writer::with_capacity(1024);
    out.begin_array();
    for number in range {
        if let Some(hash) = ctx.block_hash(number)? {
            out.data(hash.as_slice());
        }
    }
    out.end_array();
    Ok(out.finish()?)
}

#[async_trait]
impl EthFilterApiServer for EthFilters {
    async fn logs(&self, filter: Filter) -> RpcResult<Json<Vec<Log>>> {
        let ctx = self.ctx.clone();
        Ok(self.ctx.blocking(move || logs::logs(&ctx, &filter)).await?)
    }

    fn new_filter(&self, filter: Filter) -> RpcResult<FilterId> {
        Ok(self.store.install(&self.ctx, Kind::Logs(Box::new(filter)))?)
    }

    fn new_block_filter(&self) -> RpcResult<FilterId> {
        Ok(self.store.install(&self.ctx, Kind::Blocks)?)
    }

    fn new_pending_transaction_filter(
        &self,
        kind: Option<PendingTransactionFilterKind>,
    ) -> RpcResult<FilterId> {
        let receiver = self.ctx.pool().pending_transactions_listener();
        let full = matches!(kind, Some(PendingTransactionFilterKind::Full));
        Ok(self.store.install(&self.ctx, Kind::Pending { receiver, full })?)
    }

    async fn filter_changes(&self, id: FilterId) -> RpcResult<Json<FilterChanges>> {
        let this = self.clone();
        Ok(self.ctx.blocking(move || this.changes(&id)).await?)
    }

    async fn filter_logs(&self, id: FilterId) -> RpcResult<Json<Vec<Log>>> {
        let filter = self.store.poll(&id, |filter| match &filter.kind {
            Kind::Logs(logs) => Ok((**logs).clone()),
            _ => Err(RpcError::FilterNotFound),
        })?;
        let ctx = self.ctx.clone();
        Ok(self.ctx.blocking(move || logs::logs(&ctx, &filter)).await?)
    }

    fn uninstall_filter(&self, id: FilterId) -> RpcResult<bool> {
        Ok(self.store.remove(&id))
    }
}
