//! `config.blobSchedule`: how many blobs a block may carry (EIP-7840, EIP-7892).

use crate::{
    config::IGNORED,
    error::{ChainSpecError, Notice},
    forks::{BLOB_FORKS, Forks},
    json::{Node, Object},
};
use alloy_eips::{BlobScheduleBlobParams, eip7840::BlobParams};
use alloy_hardforks::EthereumHardfork;
use std::collections::BTreeMap;

/// Most blobs a schedule may name; beyond it the fee arithmetic of 64 bits would overflow.
const MOST_BLOBS: u64 = 1 << 16;

/// Entry names of the schedule, lower case, in fork order.
const ENTRIES: [&str; 8] = ["cancun", "prague", "osaka", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5"];

/// Takes `blobSchedule` out of `config`. An absent entry has mainnet's values, except that Osaka
/// repeats the entry of Prague; `bpo3` and later have none and must be given when scheduled.
pub(crate) fn parse_blob_schedule(
    config: &mut Object<'_>,
    forks: &Forks,
    notices: &mut Vec<Notice>,
) -> Result<BlobScheduleBlobParams, ChainSpecError> {
    let node = config.take("blobSchedule");
    let entries = match &node {
        Some(node) => entries(node, notices)?,
        None => BTreeMap::new(),
    };
    schedule(&entries, forks).map_err(|name| match &node {
        Some(node) => node.conflict(format!("an entry {name} is needed: its fork is scheduled")),
        None => config.missing(&format!("blobSchedule.{name}")),
    })
}

/// The schedule of `forks` from the given entries (name in lower case).
pub(crate) fn schedule(
    entries: &BTreeMap<&'static str, BlobParams>,
    forks: &Forks,
) -> Result<BlobScheduleBlobParams, &'static str> {
    let cancun = entries.get("cancun").copied().unwrap_or_else(BlobParams::cancun);
    let prague = entries.get("prague").copied().unwrap_or_else(BlobParams::prague);
    let osaka = since_osaka(entries.get("osaka").copied().unwrap_or(prague));
    let mut scheduled = Vec::new();
    for (fork, name) in BLOB_FORKS.into_iter().zip(ENTRIES.into_iter().skip(3)) {
        let Some(time) = forks.get(fork).as_timestamp() else { continue };
        let default = match fork {
            EthereumHardfork::Bpo1 => Some(BlobParams::bpo1()),
            EthereumHardfork::Bpo2 => Some(BlobParams::bpo2()),
            _ => None,
        };
        let params = entries.get(name).copied().map(since_osaka).or(default).ok_or(name)?;
        scheduled.push((time, params));
    }
    Ok(BlobScheduleBlobParams { cancun, prague, osaka, scheduled })
}

/// Osaka's extra rules: six blobs per transaction (EIP-7594), reserve price (EIP-7918).
const fn since_osaka(counts: BlobParams) -> BlobParams {
    BlobParams {
        target_blob_count: counts.target_blob_count,
        max_blob_count: counts.max_blob_count,
        update_fraction: counts.update_fraction,
        ..BlobParams::osaka()
    }
}

fn entries(
    node: &Node<'_>,
    notices: &mut Vec<Notice>,
) -> Result<BTreeMap<&'static str, BlobParams>, ChainSpecError> {
    let mut object = node.object()?;
    let mut entries = BTreeMap::new();
    for name in ENTRIES {
        if let Some(params) = object.read(name, params)? {
            entries.insert(name, params);
        }
    }
    if let Some(later) = object.take("amsterdam") {
        notices.push(Notice::new(later.site(), IGNORED));
    }
    object.finish()?;
    Ok(entries)
}

fn params(node: &Node<'_>) -> Result<BlobParams, ChainSpecError> {
    let mut object = node.object()?;
    let max = object.require("max")?;
    let target = object.require("target")?;
    let fraction = object.require("baseFeeUpdateFraction")?;
    object.finish()?;
    let (max_blob_count, target_blob_count) = (max.u64()?, target.u64()?);
    if max_blob_count > MOST_BLOBS {
        return Err(max.invalid(format!("at most {MOST_BLOBS}")));
    }
    if target_blob_count > max_blob_count {
        return Err(target.invalid(format!("at most max ({max_blob_count})")));
    }
    Ok(BlobParams {
        target_blob_count,
        max_blob_count,
        update_fraction: u128::from(fraction.positive()?),
        max_blobs_per_tx: max_blob_count,
        ..BlobParams::cancun()
    })
}
