//! Which blocks are simulated: numbers and times filled in, gaps filled with empty blocks.

use super::error::{BLOCK_NUMBER, CLIENT_LIMIT, TIMESTAMP, refused};
use crate::{RpcError, error::RpcResult};
use alloy_rpc_types_eth::{
    BlockOverrides, TransactionRequest,
    simulate::{MAX_SIMULATE_BLOCKS, SimBlock},
    state::StateOverride,
};
use peruri_primitives::Header;

/// Seconds between two blocks that do not name their times.
const BLOCK_TIME: u64 = 12;

/// A block to simulate. Each is the child of the one before.
#[derive(Debug, Default)]
pub(super) struct PlannedBlock {
    pub(super) timestamp: u64,
    pub(super) overrides: BlockOverrides,
    pub(super) state: StateOverride,
    pub(super) calls: Vec<TransactionRequest>,
}

/// The blocks of a request on top of `base`.
pub(super) fn plan(base: &Header, blocks: Vec<SimBlock>) -> RpcResult<Vec<PlannedBlock>> {
    if blocks.is_empty() {
        return Err(RpcError::invalid("empty input"));
    }
    let last_allowed = base.number.saturating_add(MAX_SIMULATE_BLOCKS);
    let (mut number, mut timestamp) = (base.number, base.timestamp);
    let mut planned = Vec::with_capacity(blocks.len());
    for block in blocks {
        let overrides = block.block_overrides.unwrap_or_default();
        let wanted: u64 = match overrides.number {
            Some(wanted) => wanted.saturating_to(),
            None => number.saturating_add(1),
        };
        if wanted <= number {
            let text = format!("block numbers must be in order: {wanted} <= {number}");
            return Err(refused(BLOCK_NUMBER, text));
        }
        if wanted > last_allowed {
            let text = format!("too many blocks: at most {MAX_SIMULATE_BLOCKS}");
            return Err(refused(CLIENT_LIMIT, text));
        }
        for _ in number + 1..wanted {
            timestamp = timestamp.saturating_add(BLOCK_TIME);
            planned.push(PlannedBlock { timestamp, ..PlannedBlock::default() });
        }
        let time = overrides.time.unwrap_or_else(|| timestamp.saturating_add(BLOCK_TIME));
        if time <= timestamp {
            let text = format!("block timestamps must be in order: {time} <= {timestamp}");
            return Err(refused(TIMESTAMP, text));
        }
        (number, timestamp) = (wanted, time);
        let state = block.state_overrides.unwrap_or_default();
        planned.push(PlannedBlock { timestamp, overrides, state, calls: block.calls });
    }
    Ok(planned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;

    fn block(number: Option<u64>, time: Option<u64>) -> SimBlock {
        let number = number.map(U256::from);
        let overrides = BlockOverrides { number, time, ..BlockOverrides::default() };
        SimBlock::default().with_block_overrides(overrides)
    }

    fn times(blocks: Vec<SimBlock>) -> Result<Vec<u64>, i32> {
        let base: Header =
            alloy_consensus::Header { number: 10, timestamp: 100, ..Default::default() }.into();
        let plan = plan(&base, blocks).map_err(|error| error.code())?;
        Ok(plan.iter().map(|block| block.timestamp).collect())
    }

    #[test]
    fn gaps_are_filled() {
        assert_eq!(times(vec![block(None, None)]), Ok(vec![112]));
        let blocks = vec![block(Some(13), None), block(None, Some(1_000)), block(None, None)];
        assert_eq!(times(blocks), Ok(vec![112, 124, 136, 1_000, 1_012]));
    }

    #[test]
    fn order_and_number_are_bounded() {
        for (blocks, code) in [
            (vec![], -32602),
            (vec![block(Some(10), None)], -38020),
            (vec![block(Some(12), None), block(Some(12), None)], -38020),
            (vec![block(None, Some(100))], -38021),
            // The blocks of the gap take time.
            (vec![block(Some(12), Some(112))], -38021),
            (vec![block(Some(267), None)], -38026),
            (vec![block(None, None); 257], -38026),
        ] {
            assert_eq!(times(blocks), Err(code));
        }
        assert_eq!(times(vec![block(Some(266), None)]).map(|times| times.len()), Ok(256));
    }
}
