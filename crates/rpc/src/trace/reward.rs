//! What a block paid, as traces.

use crate::{cache::CachedBlock, context::Inner};
use alloy_eips::BlockNumHash;
use alloy_evm::block::calc::{base_block_reward, block_reward, ommer_reward};
use alloy_primitives::{Address, U256};
use alloy_rpc_types_trace::parity::{LocalizedTransactionTrace, RewardAction, RewardType};
use peruri_evm::ExecutorSpec;

/// The rewards of a block: those of its own chain's configuration, or Ethereum's before the merge.
pub(crate) fn rewards(ctx: &Inner, block: &CachedBlock) -> Vec<LocalizedTransactionTrace> {
    let header = block.header();
    if header.number == 0 {
        return Vec::new();
    }
    let at = BlockNumHash::new(header.number, block.hash());
    let trace = |author: Address, reward_type: RewardType, value: U256| {
        RewardAction { author, reward_type, value }.into_localized_trace(at)
    };
    let config = &ctx.handles.evm_config;
    if let Some(reward) = config.block_reward(header) {
        let paid = trace(reward.beneficiary, RewardType::Block, reward.amount);
        return if reward.amount.is_zero() { Vec::new() } else { vec![paid] };
    }
    let rules = ExecutorSpec::new(config.chain_spec().clone());
    let Some(base) = base_block_reward(rules, header.number) else { return Vec::new() };
    let own = U256::from(block_reward(base, block.ommers().len()));
    let ommers = block.ommers().iter().map(|ommer| {
        let value = U256::from(ommer_reward(base, header.number, ommer.number));
        trace(ommer.beneficiary, RewardType::Uncle, value)
    });
    std::iter::once(trace(header.beneficiary, RewardType::Block, own)).chain(ommers).collect()
}
