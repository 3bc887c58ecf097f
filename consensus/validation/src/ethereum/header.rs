//! Ethereum's header rules, Frontier to Osaka.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header as EthHeader};
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks, ForkCondition};
use alloy_primitives::{B256, U256};
use peruri_chainspec::ChainSpec;
use peruri_primitives::SealedHeader;

use super::difficulty;
use crate::ConsensusError;

/// Most bytes of `extraData`.
const MAX_EXTRA_DATA: u64 = 32;

/// Smallest gas limit.
const MIN_GAS_LIMIT: u64 = 5000;

/// Largest gas limit (EIP-1985).
const MAX_GAS_LIMIT: u64 = i64::MAX as u64;

/// A gas limit differs from its parent's by less than the parent's divided by this.
const GAS_LIMIT_DIVISOR: u64 = 1024;

/// What blocks at the DAO fork and the nine after it carry as `extraData` (EIP-779).
const DAO_EXTRA_DATA: &[u8] = b"dao-hard-fork";

/// Checks a header alone.
pub(super) fn validate(spec: &ChainSpec, header: &EthHeader) -> Result<(), ConsensusError> {
    range("gasUsed", header.gas_used, 0, header.gas_limit)?;
    range("gasLimit", header.gas_limit, MIN_GAS_LIMIT, MAX_GAS_LIMIT)?;
    let extra_data = u64::try_from(header.extra_data.len()).unwrap_or(u64::MAX);
    range("extraData length", extra_data, 0, MAX_EXTRA_DATA)?;
    validate_dao(spec, header)?;
    validate_presence(spec, header)?;
    if is_merged(spec, header) {
        equal("difficulty", U256::ZERO, header.difficulty)?;
        equal("nonce", U256::ZERO, U256::from(u64::from(header.nonce)))?;
        hash("sha3Uncles", EMPTY_OMMER_ROOT_HASH, header.ommers_hash)?;
    }
    match header.blob_gas_used {
        Some(used) if !used.is_multiple_of(DATA_GAS_PER_BLOB) => {
            Err(ConsensusError::BlobGasNotMultiple(used))
        }
        _ => Ok(()),
    }
}

/// Checks a header against its parent.
pub(super) fn validate_against_parent(
    spec: &ChainSpec,
    header: &EthHeader,
    parent: &SealedHeader,
) -> Result<(), ConsensusError> {
    if header.parent_hash != parent.hash() {
        return Err(ConsensusError::UnknownParent(header.parent_hash));
    }
    let number = parent.number.saturating_add(1);
    equal("number", U256::from(number), U256::from(header.number))?;
    range("timestamp", header.timestamp, parent.timestamp.saturating_add(1), u64::MAX)?;
    validate_gas_limit(spec, header, parent)?;
    if let Some(got) = header.base_fee_per_gas {
        let expected = spec.next_base_fee(parent.header(), header.timestamp).unwrap_or_default();
        equal("baseFeePerGas", U256::from(expected), U256::from(got))?;
    }
    if let Some(got) = header.excess_blob_gas
        && let Some(params) = spec.blob_params_at_timestamp(header.timestamp)
    {
        let expected = params.next_block_excess_blob_gas_osaka(
            parent.excess_blob_gas.unwrap_or_default(),
            parent.blob_gas_used.unwrap_or_default(),
            parent.base_fee_per_gas.unwrap_or_default(),
        );
        equal("excessBlobGas", U256::from(expected), U256::from(got))?;
    }
    if !is_merged(spec, header) {
        let expected = difficulty(spec, header.timestamp, parent);
        equal("difficulty", expected, header.difficulty)?;
    }
    Ok(())
}

/// Whether proof of stake's rules (EIP-3675) hold for this block.
pub(super) fn is_merged(spec: &ChainSpec, header: &EthHeader) -> bool {
    active(spec, header, EthereumHardfork::Paris)
}

fn active(spec: &ChainSpec, header: &EthHeader, fork: EthereumHardfork) -> bool {
    spec.ethereum_fork_activation(fork)
        .active_at_timestamp_or_number(header.timestamp, header.number)
}

/// Fields that exist from a fork on, and not before.
fn validate_presence(spec: &ChainSpec, header: &EthHeader) -> Result<(), ConsensusError> {
    use EthereumHardfork::{Amsterdam, Cancun, London, Prague, Shanghai};
    let fields = [
        ("baseFeePerGas", header.base_fee_per_gas.is_some(), London),
        ("withdrawalsRoot", header.withdrawals_root.is_some(), Shanghai),
        ("blobGasUsed", header.blob_gas_used.is_some(), Cancun),
        ("excessBlobGas", header.excess_blob_gas.is_some(), Cancun),
        ("parentBeaconBlockRoot", header.parent_beacon_block_root.is_some(), Cancun),
        ("requestsHash", header.requests_hash.is_some(), Prague),
        ("blockAccessListHash", header.block_access_list_hash.is_some(), Amsterdam),
        ("slotNumber", header.slot_number.is_some(), Amsterdam),
    ];
    fields.into_iter().try_for_each(|(field, present, fork)| {
        let expected = active(spec, header, fork);
        if present == expected {
            Ok(())
        } else {
            Err(ConsensusError::FieldPresence { field, expected })
        }
    })
}

/// The parent's gas limit counts twice for the first block with a base fee (EIP-1559).
fn validate_gas_limit(
    spec: &ChainSpec,
    header: &EthHeader,
    parent: &EthHeader,
) -> Result<(), ConsensusError> {
    let transition = header.base_fee_per_gas.is_some() && parent.base_fee_per_gas.is_none();
    let elasticity =
        if transition && active(spec, header, EthereumHardfork::London) { 2 } else { 1 };
    let base = parent.gas_limit.saturating_mul(elasticity);
    let delta = (base / GAS_LIMIT_DIVISOR).saturating_sub(1);
    let (min, max) = (base.saturating_sub(delta), base.saturating_add(delta));
    range("gasLimit", header.gas_limit, min, max)
}

fn validate_dao(spec: &ChainSpec, header: &EthHeader) -> Result<(), ConsensusError> {
    let ForkCondition::Block(fork) = spec.ethereum_fork_activation(EthereumHardfork::Dao) else {
        return Ok(());
    };
    let marked = fork..fork.saturating_add(10);
    if header.number > 0 && marked.contains(&header.number) && *header.extra_data != *DAO_EXTRA_DATA
    {
        return Err(ConsensusError::DaoExtraData);
    }
    Ok(())
}

fn range(field: &'static str, got: u64, min: u64, max: u64) -> Result<(), ConsensusError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(ConsensusError::FieldRange { field, min, max, got })
    }
}

fn equal(field: &'static str, expected: U256, got: U256) -> Result<(), ConsensusError> {
    if expected == got { Ok(()) } else { Err(ConsensusError::FieldValue { field, expected, got }) }
}

fn hash(field: &'static str, expected: B256, got: B256) -> Result<(), ConsensusError> {
    if expected == got { Ok(()) } else { Err(ConsensusError::FieldHash { field, expected, got }) }
}
