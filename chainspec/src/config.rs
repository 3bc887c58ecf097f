//! The `config` section: chain id, switches, and what to do with the keys of other clients.

use crate::{
    blobs::parse_blob_schedule,
    error::{ChainSpecError, Notice, Site},
    forks::{ForkContext, Forks, parse_forks},
    ibft2::parse_ibft2,
    json::{Node, Object},
    plog::{PlogConfig, parse_plog},
};
use alloy_eips::{
    BlobScheduleBlobParams, eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
};
use alloy_genesis::Genesis;
use alloy_primitives::{Address, address};
use peruri_ibft2::Ibft2Schedule;

/// What a notice says of a known key without meaning here.
pub(crate) const IGNORED: &str = "known from other clients, has no effect here";

/// The mainnet deposit contract (EIP-6110), the default everywhere.
pub(crate) const MAINNET_DEPOSIT_CONTRACT: Address =
    address!("0x00000000219ab540356cbb839cbe05303d7705fa");

/// Keys of `config` that other clients define and that have no effect here, lower case.
///
/// A key that is neither in this list nor read is an error: a misspelt switch must not be ignored.
const IGNORED_KEYS: [&str; 10] = [
    "checkpoint",
    "comment",
    "discovery",
    "eip150hash",
    "eip155hash",
    "eip158hash",
    "enableverkleatgenesis",
    "ethash",
    "isdev",
    "txnsizelimit",
];

/// Settings of other clients that change the rules and are not implemented, with the reason.
const REFUSED_KEYS: [(&str, &str); 8] = [
    ("qbft", "QBFT; this node runs IBFT 2.0 (config.ibft2)"),
    ("ibft", "IBFT 1.0; this node runs IBFT 2.0 (config.ibft2)"),
    ("istanbul", "Istanbul BFT of GoQuorum; this node runs IBFT 2.0 (config.ibft2)"),
    ("clique", "Clique; this node runs IBFT 2.0 (config.ibft2)"),
    ("evmStackSize", "an EVM stack of another size than 1024"),
    (
        "fixedBaseFee",
        "Besu takes the base fee from a flag of each node (--min-gas-price), so that nodes with \
         different flags disagree about valid blocks; use zeroBaseFee or the ordinary base fee",
    ),
    ("isQuorum", "GoQuorum's private transactions and gas rules"),
    ("classicForkBlock", "Ethereum Classic"),
];

/// The parsed `config` section.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) chain_id: u64,
    pub(crate) forks: Forks,
    pub(crate) blob_schedule: BlobScheduleBlobParams,
    pub(crate) ibft2: Option<Ibft2Schedule>,
    pub(crate) plog: Option<PlogConfig>,
    pub(crate) zero_base_fee: bool,
    pub(crate) contract_size_limit: Option<usize>,
    pub(crate) deposit_contract: Option<Address>,
}

/// Reads `config`; `genesis` gives timestamp and difficulty of block 0.
pub(crate) fn parse_config(
    node: &Node<'_>,
    genesis: &Genesis,
    notices: &mut Vec<Notice>,
) -> Result<Config, ChainSpecError> {
    let mut config = node.object()?;
    refuse(&mut config)?;
    let chain_id = chain_id(&mut config, notices)?;
    curve(&mut config)?;
    let ibft2 = config.take("ibft2");
    let context = ForkContext {
        ibft2: ibft2.is_some(),
        genesis_time: genesis.timestamp,
        genesis_difficulty: genesis.difficulty,
    };
    let forks = parse_forks(&mut config, context, notices)?;
    let blob_schedule = parse_blob_schedule(&mut config, &forks, notices)?;
    let transitions = config.take("transitions");
    let ibft2 = parse_ibft2(ibft2.as_ref(), transitions.as_ref(), &forks, notices)?;
    let parsed = Config {
        chain_id,
        blob_schedule,
        plog: config.read("plog", parse_plog)?,
        zero_base_fee: config.read("zeroBaseFee", Node::boolean)?.unwrap_or(false),
        contract_size_limit: config.read("contractSizeLimit", contract_size_limit)?,
        deposit_contract: config.read("depositContractAddress", Node::address)?,
        ibft2,
        forks,
    };
    system_contracts(&mut config, context.ibft2, notices)?;
    ignore(config, notices)?;
    Ok(parsed)
}

fn refuse(config: &mut Object<'_>) -> Result<(), ChainSpecError> {
    for (key, reason) in REFUSED_KEYS {
        match config.take_hidden(key) {
            // `"fixedBaseFee": false` and its like say what is so anyway.
            Some(node) if node.boolean() != Ok(false) => return Err(node.unsupported(reason)),
            _ => {}
        }
    }
    Ok(())
}

fn chain_id(config: &mut Object<'_>, notices: &mut Vec<Notice>) -> Result<u64, ChainSpecError> {
    match config.take("chainId") {
        Some(node) => node.u64(),
        None => {
            notices.push(Notice::new(
                Site::new("config.chainId"),
                "absent: taken as 1, as Besu does; give a chain id of its own to every chain",
            ));
            Ok(1)
        }
    }
}

fn curve(config: &mut Object<'_>) -> Result<(), ChainSpecError> {
    match config.take("ecCurve") {
        Some(node) if !node.text()?.eq_ignore_ascii_case("secp256k1") => {
            Err(node.unsupported("signatures on another curve than secp256k1"))
        }
        _ => Ok(()),
    }
}

/// Besu takes a limit of 32 bits; 0 would forbid every contract.
fn contract_size_limit(node: &Node<'_>) -> Result<usize, ChainSpecError> {
    let limit = node.positive()?;
    u32::try_from(limit)
        .ok()
        .filter(|limit| *limit <= 0x7fff_ffff)
        .and_then(|limit| usize::try_from(limit).ok())
        .ok_or_else(|| node.invalid("at most 2147483647 bytes"))
}

/// Besu lets a file move the request contracts of Prague; here they stand where the EIPs put them.
fn system_contracts(
    config: &mut Object<'_>,
    ibft2: bool,
    notices: &mut Vec<Notice>,
) -> Result<(), ChainSpecError> {
    for (key, standard) in [
        ("withdrawalRequestContractAddress", WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS),
        ("consolidationRequestContractAddress", CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS),
    ] {
        let Some(node) = config.take(key) else { continue };
        if node.address()? == standard {
            continue;
        }
        if !ibft2 {
            return Err(node.unsupported(format!("another address than {standard}")));
        }
        notices.push(Notice::new(node.site(), "ignored: a BFT chain makes no system calls"));
    }
    Ok(())
}

fn ignore(mut config: Object<'_>, notices: &mut Vec<Notice>) -> Result<(), ChainSpecError> {
    for (folded, key, _) in config.rest() {
        if !IGNORED_KEYS.contains(&folded.as_str()) {
            return Err(config.unknown(key.site()));
        }
        notices.push(Notice::new(key.site(), IGNORED));
    }
    Ok(())
}
