//! `eth_config` (EIP-7910): which rules hold, and from when others will.

use crate::{RpcError, context::Inner, error::RpcResult};
use alloy_eips::{
    eip2124::ForkHash,
    eip7910::{EthConfig, EthForkConfig, SystemContract},
};
use alloy_evm::{eth::spec::EthExecutorSpec, precompiles::Precompile};
use alloy_hardforks::{EthereumHardforks, ForkCondition};
use alloy_primitives::Address;
use peruri_chainspec::ChainSpec;
use std::collections::{BTreeMap, BTreeSet};

/// The configuration at the head, of the next fork by time, and of the last one.
pub(crate) fn config(ctx: &Inner) -> RpcResult<EthConfig> {
    let head = ctx.factory().last_header()?;
    let spec = ctx.chain_spec();
    let times = fork_times(spec);
    let current = times.range(..=head.timestamp).next_back().copied().unwrap_or_default();
    let next = times.range(head.timestamp.saturating_add(1)..).next();
    let last = next.and(times.last());
    let at = |number: u64, time: u64| fork_config(spec, number, time);
    Ok(EthConfig {
        current: EthForkConfig { activation_time: current, ..at(head.number, head.timestamp)? },
        next: next.map(|time| at(head.number + 1, *time)).transpose()?,
        last: last.map(|time| at(head.number + 1, *time)).transpose()?,
    })
}

/// Times after genesis at which forks begin.
fn fork_times(spec: &ChainSpec) -> BTreeSet<u64> {
    let genesis = spec.genesis_header().timestamp;
    let times = spec.forks().iter().filter_map(|(_, condition)| condition.as_timestamp());
    times.filter(|time| *time > genesis).collect()
}

/// The configuration of a block with this number and time.
fn fork_config(spec: &ChainSpec, number: u64, time: u64) -> RpcResult<EthForkConfig> {
    let blob_schedule = spec.blob_params_at_timestamp(time).ok_or_else(|| {
        RpcError::Unavailable("EIP-7910 describes chains from Cancun on".to_owned())
    })?;
    Ok(EthForkConfig {
        activation_time: time,
        blob_schedule,
        chain_id: spec.chain_id(),
        fork_id: fork_hash(spec, number, time).0.into(),
        precompiles: precompiles(spec, number, time),
        system_contracts: system_contracts(spec, time),
    })
}

/// The checksum of genesis and of the forks so far (EIP-2124, EIP-6122).
fn fork_hash(spec: &ChainSpec, number: u64, time: u64) -> ForkHash {
    let blocks: BTreeSet<u64> = spec
        .forks()
        .iter()
        .filter_map(|(_, condition)| match condition {
            ForkCondition::Block(block) => Some(block),
            _ => None,
        })
        .filter(|block| (1..=number).contains(block))
        .collect();
    let times = fork_times(spec);
    let mut hash = ForkHash::from(spec.genesis_hash());
    blocks.into_iter().chain(times.range(..=time).copied()).for_each(|fork| hash += fork);
    hash
}

fn precompiles(spec: &ChainSpec, number: u64, time: u64) -> BTreeMap<String, Address> {
    let plog = spec.plog().is_some_and(|plog| plog.is_active(number, time));
    let map = peruri_evm::precompiles(spec.spec_id(number, time), plog);
    let named = map.addresses().filter_map(|address| {
        map.get(address).map(|contract| (contract.precompile_id().name().to_owned(), *address))
    });
    named.collect()
}

/// The contracts that blocks call; none on a chain with `config.ibft2`.
fn system_contracts(spec: &ChainSpec, time: u64) -> BTreeMap<SystemContract, Address> {
    let mut contracts = BTreeMap::new();
    if spec.ibft2().is_some() {
        return contracts;
    }
    if spec.is_cancun_active_at_timestamp(time) {
        contracts.extend(SystemContract::cancun());
    }
    if spec.is_prague_active_at_timestamp(time) {
        contracts.extend(SystemContract::prague(spec.deposit_contract_address()));
    }
    contracts
}
