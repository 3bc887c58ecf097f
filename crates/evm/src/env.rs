//! The environment of a block, and the header a next block begins with.

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, Header as EthHeader, proofs::calculate_withdrawals_root,
};
use alloy_eips::{eip4895::Withdrawals, eip7685::EMPTY_REQUESTS_HASH, eip7840::BlobParams};
use alloy_evm::EvmEnv;
use alloy_hardforks::{EthereumHardfork, EthereumHardforks};
use alloy_primitives::{Address, B64, B256, Bytes, U256};
use peruri_chainspec::ChainSpec;
use peruri_ibft2::MIX_HASH;
use peruri_primitives::{Header, SealedHeader};
use revm::{
    context::BlockEnv,
    context_interface::block::BlobExcessGasAndPrice,
    primitives::{eip3860::MAX_INITCODE_SIZE, hardfork::SpecId},
};

/// What a block's builder chooses. The rest of the header follows from parent, chain specification
/// and execution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NextBlockEnvAttributes {
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// The header's coinbase. On a chain with `miningbeneficiary` fees go to that address instead.
    pub coinbase: Address,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// The header's `extraData`.
    pub extra_data: Bytes,
    /// The header's `mixHash` on a chain without `config.ibft2` (EIP-4399). IBFT 2.0 has a constant.
    pub prev_randao: B256,
    /// Root of the parent beacon block (EIP-4788) on a chain without `config.ibft2`; else zero.
    pub parent_beacon_block_root: B256,
    /// Withdrawals (EIP-4895) on a chain without `config.ibft2`; else none.
    pub withdrawals: Withdrawals,
}

/// The environment in which the block of `header` runs.
pub(crate) fn for_header(chain_spec: &ChainSpec, header: &Header) -> EvmEnv {
    let blob_params = chain_spec.blob_params_at_timestamp(header.timestamp);
    let mut env = EvmEnv::for_eth_block(&header.0, chain_spec, chain_spec.chain_id(), blob_params);
    let spec = env.cfg_env.spec;
    if let Some(limit) = chain_spec.contract_size_limit() {
        env.cfg_env.limit_contract_code_size = Some(limit);
        // Besu's `contractSizeLimit` leaves the limit of init code (EIP-3860) where it is; revm
        // would double the code limit.
        env.cfg_env.limit_contract_initcode_size = Some(MAX_INITCODE_SIZE);
    }
    let block = &mut env.block_env;
    if spec.is_enabled_in(SpecId::MERGE) {
        // Asked of the rules and not of Paris' own condition: a chain that names Shanghai and no
        // merge runs Paris' rules from Shanghai on.
        block.prevrandao = Some(header.mix_hash);
        block.difficulty = U256::ZERO;
    }
    fill_blob_price(block, chain_spec, header, spec);
    if let Some(schedule) = chain_spec.ibft2()
        && let Some(beneficiary) = schedule.params(header.number, header.timestamp).beneficiary
    {
        block.beneficiary = beneficiary;
    }
    env
}

/// The EVM refuses to run Cancun's rules without a blob price, but BFT chains do not check that the
/// header has the field: an absent one counts as zero.
fn fill_blob_price(block: &mut BlockEnv, chain_spec: &ChainSpec, header: &Header, spec: SpecId) {
    if spec.is_enabled_in(SpecId::CANCUN) && block.blob_excess_gas_and_price.is_none() {
        let params = blob_params(chain_spec, header.timestamp);
        let excess_blob_gas = header.excess_blob_gas.unwrap_or_default();
        block.blob_excess_gas_and_price = Some(BlobExcessGasAndPrice {
            excess_blob_gas,
            blob_gasprice: params.calc_blob_fee(excess_blob_gas),
        });
    }
}

/// Begins the header of a block on top of `parent`.
pub(crate) fn next_header(
    chain_spec: &ChainSpec,
    parent: &SealedHeader,
    attributes: &NextBlockEnvAttributes,
) -> Header {
    let number = parent.number.saturating_add(1);
    let timestamp = attributes.timestamp;
    let bft = chain_spec.ibft2().is_some();
    let active = |fork: EthereumHardfork| {
        chain_spec.ethereum_fork_activation(fork).active_at_timestamp_or_number(timestamp, number)
    };
    let (shanghai, cancun) = (active(EthereumHardfork::Shanghai), active(EthereumHardfork::Cancun));
    let difficulty = if bft {
        U256::from(1)
    } else if shanghai || active(EthereumHardfork::Paris) {
        U256::ZERO
    } else {
        // Nobody mines here: this header only serves to look at what would be in a next block.
        parent.difficulty
    };
    let beacon_root = if bft { B256::ZERO } else { attributes.parent_beacon_block_root };
    let header = EthHeader {
        parent_hash: parent.hash(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: attributes.coinbase,
        difficulty,
        number,
        gas_limit: attributes.gas_limit,
        timestamp,
        extra_data: attributes.extra_data.clone(),
        mix_hash: if bft { MIX_HASH } else { attributes.prev_randao },
        nonce: B64::ZERO,
        base_fee_per_gas: chain_spec.next_base_fee(&parent.header().0, timestamp),
        withdrawals_root: shanghai.then(|| {
            if bft { EMPTY_ROOT_HASH } else { calculate_withdrawals_root(&attributes.withdrawals) }
        }),
        blob_gas_used: cancun.then_some(0),
        excess_blob_gas: cancun.then(|| next_excess_blob_gas(chain_spec, parent, timestamp)),
        parent_beacon_block_root: cancun.then_some(beacon_root),
        requests_hash: active(EthereumHardfork::Prague).then_some(EMPTY_REQUESTS_HASH),
        ..EthHeader::default()
    };
    Header::from(header)
}

/// Blob parameters at `timestamp`, from which Cancun is active.
fn blob_params(chain_spec: &ChainSpec, timestamp: u64) -> BlobParams {
    chain_spec.blob_params_at_timestamp(timestamp).unwrap_or_else(BlobParams::cancun)
}

/// Excess blob gas of a block on top of `parent` (EIP-4844, EIP-7918). A parent without blob fields
/// counts as one that used none.
fn next_excess_blob_gas(chain_spec: &ChainSpec, parent: &EthHeader, timestamp: u64) -> u64 {
    let params = blob_params(chain_spec, timestamp);
    // No rule of IBFT 2.0 bounds these fields: what cannot be right must not overflow the sums.
    let excess = parent.excess_blob_gas.unwrap_or_default().min(u64::MAX >> 1);
    let used = parent.blob_gas_used.unwrap_or_default().min(1 << 40);
    let base_fee = parent.base_fee_per_gas.unwrap_or_default();
    params.next_block_excess_blob_gas_osaka(excess, used, base_fee)
}
