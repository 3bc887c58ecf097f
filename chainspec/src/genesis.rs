//! The top level of a genesis file: header fields and allocation.

use crate::{
    config::IGNORED,
    error::{ChainSpecError, Notice},
    json::{Node, Object, parse_address, parse_word},
};
use alloy_consensus::{Header, constants::EMPTY_WITHDRAWALS};
use alloy_eips::{eip1559::INITIAL_BASE_FEE, eip7685::EMPTY_REQUESTS_HASH};
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, B256};
use alloy_trie::root::state_root_ref_unhashed;
use std::collections::BTreeMap;

/// Top-level keys that other clients write and that do not enter the header of block 0.
const IGNORED_KEYS: [&str; 8] = [
    "number",
    "gasused",
    "stateroot",
    "comment",
    "hash",
    "parentbeaconblockroot",
    "withdrawalsroot",
    "requestshash",
];

/// Account keys that other clients write and that mean nothing for the state.
const IGNORED_ACCOUNT_KEYS: [&str; 5] =
    ["comment", "privatekey", "secretkey", "version", "address"];

/// Reads everything outside `config`, which is left to the caller.
pub(crate) fn parse_genesis(
    root: &mut Object<'_>,
    notices: &mut Vec<Notice>,
) -> Result<Genesis, ChainSpecError> {
    let genesis = Genesis {
        nonce: root.read("nonce", nonce)?.unwrap_or_default(),
        timestamp: root.read("timestamp", Node::u64)?.unwrap_or_default(),
        extra_data: root.read("extraData", Node::bytes)?.unwrap_or_default(),
        gas_limit: root.require("gasLimit")?.u64()?,
        difficulty: root.require("difficulty")?.number()?,
        mix_hash: root.read("mixHash", Node::b256)?.unwrap_or_default(),
        coinbase: root.read("coinbase", Node::address)?.unwrap_or_default(),
        parent_hash: root.read("parentHash", Node::b256)?,
        base_fee_per_gas: root.read("baseFeePerGas", Node::u64)?.map(u128::from),
        excess_blob_gas: root.read("excessBlobGas", Node::u64)?,
        blob_gas_used: root.read("blobGasUsed", Node::u64)?,
        alloc: root
            .read("alloc", |node| allocation(node, notices))?
            .ok_or_else(|| root.missing("alloc"))?,
        ..Default::default()
    };
    for (folded, key, _) in root.rest() {
        let known = IGNORED_KEYS.contains(&folded.as_str());
        notices.push(Notice::new(key.site(), if known { IGNORED } else { "unknown key, ignored" }));
    }
    Ok(genesis)
}

/// The nonce of block 0. Besu reads a text without `0x` as hexadecimal, geth as decimal.
fn nonce(node: &Node<'_>) -> Result<u64, ChainSpecError> {
    let nonce = node.u64()?;
    let prefixed = node.text().is_ok_and(|text| text.starts_with("0x") || text.starts_with("0X"));
    if nonce > 9 && !prefixed {
        return Err(node.invalid("a number in hexadecimal with 0x (clients differ without it)"));
    }
    Ok(nonce)
}

fn allocation(
    node: &Node<'_>,
    notices: &mut Vec<Notice>,
) -> Result<BTreeMap<Address, GenesisAccount>, ChainSpecError> {
    let mut alloc = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut ignored = BTreeMap::new();
    for (text, key, value) in node.object()?.rest() {
        let address = parse_address(&text).ok_or_else(|| ChainSpecError::Invalid {
            site: key.site(),
            expected: "an address of 20 bytes (40 hexadecimal digits) as key".into(),
            got: text.chars().take(80).collect(),
        })?;
        let site = key.clone();
        if let Some(first) = places.insert(address, key) {
            let first = first.position();
            return Err(ChainSpecError::DuplicateKey { site: site.site(), first });
        }
        alloc.insert(address, account(&value, &mut ignored)?);
    }
    // One line per ignored key, not one per account.
    for (key, (site, count)) in ignored {
        let known = IGNORED_ACCOUNT_KEYS.contains(&key.as_str());
        let what = if known { "of other clients" } else { "unknown" };
        notices.push(Notice::new(site, format!("key {what}, ignored in {count} account(s)")));
    }
    Ok(alloc)
}

type Ignored = BTreeMap<String, (crate::error::Site, u64)>;

fn account(node: &Node<'_>, ignored: &mut Ignored) -> Result<GenesisAccount, ChainSpecError> {
    let mut object = node.object()?;
    let account = GenesisAccount {
        nonce: object.read("nonce", Node::u64)?,
        balance: object.read("balance", Node::number)?.unwrap_or_default(),
        code: object.read("code", Node::bytes)?,
        storage: object.read("storage", storage)?,
        private_key: None,
    };
    for (folded, key, _) in object.rest() {
        let (_, count) = ignored.entry(folded).or_insert_with(|| (key.site(), 0));
        *count = count.saturating_add(1);
    }
    Ok(account)
}

fn storage(node: &Node<'_>) -> Result<BTreeMap<B256, B256>, ChainSpecError> {
    let mut slots = BTreeMap::new();
    let mut places = BTreeMap::new();
    for (text, key, value) in node.object()?.rest() {
        let slot = parse_word(&text).ok_or_else(|| ChainSpecError::Invalid {
            site: key.site(),
            expected: "a slot of at most 32 bytes in hexadecimal as key".into(),
            got: text.chars().take(80).collect(),
        })?;
        let site = key.clone();
        if let Some(first) = places.insert(slot, key) {
            let first = first.position();
            return Err(ChainSpecError::DuplicateKey { site: site.site(), first });
        }
        slots.insert(slot, value.word()?);
    }
    Ok(slots)
}

/// The header of block 0, with the state root of the allocation.
///
/// The base fee stands in it whenever London is active, even on a chain without base fee; the
/// fields of Shanghai, Cancun and Prague appear with their forks (EIP-4895, 4844, 4788, 7685).
pub(crate) fn genesis_header(genesis: &Genesis, forks: &crate::Forks) -> Header {
    let active = |fork| forks.is_active(fork, 0, genesis.timestamp);
    let cancun = active(EthereumHardfork::Cancun);
    let base_fee = genesis.base_fee_per_gas.and_then(|fee| u64::try_from(fee).ok());
    Header {
        parent_hash: genesis.parent_hash.unwrap_or_default(),
        beneficiary: genesis.coinbase,
        state_root: state_root_ref_unhashed(&genesis.alloc),
        difficulty: genesis.difficulty,
        gas_limit: genesis.gas_limit,
        timestamp: genesis.timestamp,
        extra_data: genesis.extra_data.clone(),
        mix_hash: genesis.mix_hash,
        nonce: genesis.nonce.into(),
        base_fee_per_gas: active(EthereumHardfork::London)
            .then(|| base_fee.unwrap_or(INITIAL_BASE_FEE)),
        withdrawals_root: active(EthereumHardfork::Shanghai).then_some(EMPTY_WITHDRAWALS),
        blob_gas_used: cancun.then(|| genesis.blob_gas_used.unwrap_or_default()),
        excess_blob_gas: cancun.then(|| genesis.excess_blob_gas.unwrap_or_default()),
        parent_beacon_block_root: cancun.then_some(B256::ZERO),
        requests_hash: active(EthereumHardfork::Prague).then_some(EMPTY_REQUESTS_HASH),
        ..Default::default()
    }
}
