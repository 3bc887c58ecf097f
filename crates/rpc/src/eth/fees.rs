//! Fees: what a transaction should offer, and what blocks took.

use crate::{RpcError, cache::CachedBlock, context::Inner, error::RpcResult};
use alloy_consensus::Transaction as _;
use alloy_eips::{BlockNumberOrTag, eip7840::BlobParams};
use alloy_rpc_types_eth::FeeHistory;
use peruri_primitives::Header;

/// Blocks behind the head that the suggested tip looks at.
const TIP_BLOCKS: u64 = 20;
/// Cheapest transactions of a block that count, as in geth's oracle.
const TIP_SAMPLES: usize = 3;
/// Percentile of the samples that is suggested, as in geth's oracle.
const TIP_PERCENTILE: usize = 60;
/// Reward percentiles in one fee history, as in geth.
const MAX_PERCENTILES: usize = 100;

/// Base fee of the block after the head, in wei.
pub(crate) fn next_base_fee(ctx: &Inner) -> RpcResult<u64> {
    let head = ctx.factory().last_header()?;
    Ok(base_fee_after(ctx, head.header()))
}

fn base_fee_after(ctx: &Inner, header: &Header) -> u64 {
    let timestamp = header.timestamp.saturating_add(1);
    ctx.chain_spec().next_base_fee(header, timestamp).unwrap_or_default()
}

/// A tip that recent blocks included, in wei per gas. Zero on a chain without fees.
pub(crate) fn suggested_tip(ctx: &Inner) -> RpcResult<u128> {
    if ctx.chain_spec().zero_base_fee() {
        return Ok(0);
    }
    let head = ctx.factory().best_block_number()?;
    let mut samples = Vec::new();
    for number in (head.saturating_sub(TIP_BLOCKS - 1)..=head).rev() {
        let Some(block) = ctx.block_by_number(number)? else { continue };
        let base_fee = block.header().base_fee_per_gas.unwrap_or_default();
        let mut tips: Vec<u128> = block
            .transactions()
            .iter()
            .filter_map(|tx| tx.effective_tip_per_gas(base_fee))
            .collect();
        tips.sort_unstable();
        samples.extend(tips.into_iter().take(TIP_SAMPLES));
    }
    samples.sort_unstable();
    let index = samples.len().saturating_sub(1) * TIP_PERCENTILE / 100;
    Ok(samples.get(index).copied().unwrap_or_default())
}

/// Price of blob gas in the block after the head, in wei.
pub(crate) fn blob_base_fee(ctx: &Inner) -> RpcResult<u128> {
    let head = ctx.factory().last_header()?;
    Ok(blob_fee_after(ctx, head.header()))
}

fn blob_params(ctx: &Inner, timestamp: u64) -> Option<BlobParams> {
    ctx.chain_spec().blob_params_at_timestamp(timestamp)
}

fn blob_fee_after(ctx: &Inner, header: &Header) -> u128 {
    let timestamp = header.timestamp.saturating_add(1);
    let Some(params) = blob_params(ctx, timestamp) else { return 0 };
    let excess = params.next_block_excess_blob_gas_osaka(
        header.excess_blob_gas.unwrap_or_default(),
        header.blob_gas_used.unwrap_or_default(),
        header.base_fee_per_gas.unwrap_or_default(),
    );
    params.calc_blob_fee(excess)
}

/// `eth_feeHistory`.
pub(crate) fn fee_history(
    ctx: &Inner,
    count: u64,
    newest: BlockNumberOrTag,
    percentiles: Option<&[f64]>,
) -> RpcResult<FeeHistory> {
    let limit = ctx.limits.max_fee_history;
    if count > limit {
        return Err(RpcError::Limit { what: "rpc.max-fee-history", got: count, limit });
    }
    if let Some(percentiles) = percentiles {
        check_percentiles(percentiles)?;
    }
    let head = ctx.factory().best_block_number()?;
    let newest = ctx.number_of(newest)?.unwrap_or(head);
    if newest > head {
        return Err(RpcError::invalid(format!(
            "request beyond head block: requested {newest}, head {head}"
        )));
    }
    let mut history = FeeHistory::default();
    let count = count.min(newest + 1);
    if count == 0 {
        return Ok(history);
    }
    history.oldest_block = newest + 1 - count;
    let mut rewards = Vec::new();
    for number in history.oldest_block..=newest {
        let block = ctx.block_by_number(number)?.ok_or(RpcError::HeaderNotFound)?;
        push_block(ctx, &mut history, block.header());
        if let Some(percentiles) = percentiles {
            ctx.with_receipts(&block)?;
            rewards.push(block_rewards(&block, percentiles));
        }
        if number == newest {
            history.base_fee_per_gas.push(base_fee_after(ctx, block.header()).into());
            history.base_fee_per_blob_gas.push(blob_fee_after(ctx, block.header()));
        }
    }
    history.reward = percentiles.map(|_| rewards);
    Ok(history)
}

fn check_percentiles(percentiles: &[f64]) -> RpcResult<()> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(RpcError::invalid(format!(
            "over the query limit {MAX_PERCENTILES}: {} reward percentiles",
            percentiles.len()
        )));
    }
    let in_range = percentiles.iter().all(|percentile| (0.0..=100.0).contains(percentile));
    let ascending = percentiles.is_sorted_by(|lower, higher| lower < higher);
    if in_range && ascending {
        Ok(())
    } else {
        Err(RpcError::invalid("invalid reward percentile: 0 to 100, in ascending order"))
    }
}

fn push_block(ctx: &Inner, history: &mut FeeHistory, header: &Header) {
    let ratio = |used: u64, limit: u64| if limit == 0 { 0.0 } else { used as f64 / limit as f64 };
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    history.base_fee_per_gas.push(base_fee.into());
    history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
    let params = blob_params(ctx, header.timestamp);
    let blob_fee =
        params.zip(header.excess_blob_gas).map(|(params, gas)| params.calc_blob_fee(gas));
    history.base_fee_per_blob_gas.push(blob_fee.unwrap_or_default());
    let blob_limit = params.map_or(0, |params| params.max_blob_gas_per_block());
    let blob_used = header.blob_gas_used.unwrap_or_default();
    history.blob_gas_used_ratio.push(ratio(blob_used, blob_limit));
}

/// Tips at the percentiles of the block's gas, cheapest first.
fn block_rewards(block: &CachedBlock, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header().base_fee_per_gas.unwrap_or_default();
    let mut before = 0;
    let mut items: Vec<(u128, u64)> = block
        .transactions()
        .iter()
        .zip(block.receipts())
        .map(|(tx, receipt)| {
            let gas = receipt.cumulative_gas_used.saturating_sub(before);
            before = receipt.cumulative_gas_used;
            (tx.effective_tip_per_gas(base_fee).unwrap_or_default(), gas)
        })
        .collect();
    items.sort_unstable_by_key(|(tip, _)| *tip);
    rewards_at(&items, block.header().gas_used, percentiles)
}

fn rewards_at(items: &[(u128, u64)], gas_used: u64, percentiles: &[f64]) -> Vec<u128> {
    let mut rest = items.iter();
    let Some(mut current) = rest.next() else { return vec![0; percentiles.len()] };
    let mut sum = current.1;
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = (gas_used as f64 * percentile / 100.0) as u64;
            while sum < threshold
                && let Some(next) = rest.next()
            {
                current = next;
                sum += next.1;
            }
            current.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_follow_gas() {
        let items = [(1, 10), (5, 80), (9, 10)];
        assert_eq!(
            rewards_at(&items, 100, &[0.0, 10.0, 11.0, 90.0, 91.0, 100.0]),
            [1, 1, 5, 5, 9, 9]
        );
        assert_eq!(rewards_at(&[], 0, &[50.0]), [0]);
    }

    #[test]
    fn percentiles_are_checked() {
        assert!(check_percentiles(&[]).is_ok());
        assert!(check_percentiles(&[0.0, 50.0, 100.0]).is_ok());
        for bad in [&[-1.0][..], &[101.0], &[50.0, 50.0], &[60.0, 50.0], &[f64::NAN]] {
            assert!(check_percentiles(bad).is_err(), "{bad:?}");
        }
        let many: Vec<f64> = (0..101).map(|n| f64::from(n) / 2.0).collect();
        assert!(check_percentiles(&many).is_err());
    }
}
