//! `trace_filter`.

use super::{parity::for_each_of_block, text::List};
use crate::{calls::Deadline, context::Inner, error::RpcResult};
use alloy_rpc_types_trace::{filter::TraceFilter, parity::LocalizedTransactionTrace};
use peruri_rpc_api::Json;

/// The traces of a range of blocks that match, from the number `after` on, `count` at most.
pub(super) fn filter(
    ctx: &Inner,
    wanted: &TraceFilter,
    deadline: Deadline,
) -> RpcResult<Json<Vec<LocalizedTransactionTrace>>> {
    let (from, to) = (wanted.from_block.map(Into::into), wanted.to_block.map(Into::into));
    let what = "rpc.max-trace-filter-blocks";
    let range = ctx.block_range(from, to, what, ctx.limits.max_trace_blocks)?;
    let matcher = wanted.matcher();
    let mut skip = wanted.after.unwrap_or_default();
    let mut left = wanted.count.unwrap_or(u64::MAX);
    let mut list = List::new(ctx.max_response());
    for number in range {
        if left == 0 {
            break;
        }
        deadline.check()?;
        let Some(block) = ctx.block_by_number(number)? else { continue };
        for_each_of_block(ctx, &block, deadline, |trace| {
            if left == 0 || !matcher.matches(&trace.trace) {
                return Ok(());
            }
            if skip > 0 {
                skip -= 1;
                return Ok(());
            }
            left -= 1;
            list.push(&trace)
        })?;
    }
    list.finish()
}
