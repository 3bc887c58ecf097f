//! Whose blocks these are: who proposed, who sealed.

use crate::{LIMIT, network::Pilot, steps::Steps};
use alloy_primitives::Address;
use eyre::{Result, ensure, eyre};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Blocks that are looked at in vain at most; three suffice when no turn is missed.
const PATIENCE: u64 = 12;

/// A block with those who made it.
pub(crate) struct MadeBlock {
    pub(crate) number: u64,
    pub(crate) proposer: Address,
    pub(crate) sealers: BTreeSet<Address>,
}

impl MadeBlock {
    /// Waits for the block after `number`, as seals that come late are added until then, and looks.
    pub(crate) async fn after_next(pilot: &Pilot, number: u64) -> Result<Self> {
        let client = pilot.gateway();
        client.wait_block(number + 1, LIMIT).await?;
        let tag = format!("{number:#x}");
        let block = client.block(tag.clone()).await?.ok_or_else(|| eyre!("no block {number}"))?;
        let certificate = client.call("ibft_getCommitCertificate", json!([tag])).await?;
        let seals = certificate["seals"].as_array().map(Vec::as_slice).unwrap_or_default();
        let sealers =
            seals.iter().map(|seal| address(&seal["address"])).collect::<Result<BTreeSet<_>>>()?;
        let quorum = certificate["quorum"].as_str().unwrap_or_default();
        let quorum = usize::from_str_radix(quorum.trim_start_matches("0x"), 16)?;
        ensure!(sealers.len() >= quorum, "block {number}: {} of {quorum} seals", sealers.len());
        Ok(Self { number, proposer: address(&block["miner"])?, sealers })
    }

    /// One line about it.
    pub(crate) fn line(&self, pilot: &Pilot) -> Result<String> {
        let sealers = self.sealers.iter().map(|it| pilot.name(*it)).collect::<Result<Vec<_>>>()?;
        let proposer = pilot.name(self.proposer)?;
        Ok(format!(
            "block {}: proposed by {proposer}, sealed by {}",
            self.number,
            sealers.join(", ")
        ))
    }
}

fn address(value: &Value) -> Result<Address> {
    Ok(value.as_str().ok_or_else(|| eyre!("no address: {value}"))?.parse()?)
}

/// Shows blocks until each validator has proposed one and sealed one.
pub(crate) async fn in_turn(pilot: &Pilot, steps: &mut Steps) -> Result<()> {
    let all: BTreeSet<Address> = pilot.validators().into_values().collect();
    let (mut proposers, mut sealers, mut lines) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let mut number = pilot.gateway().block_number().await?;
    while proposers != all || sealers != all {
        ensure!(lines.len() < PATIENCE as usize, "not all validators in turn: {lines:?}");
        let block = MadeBlock::after_next(pilot, number).await?;
        lines.push(block.line(pilot)?);
        proposers.insert(block.proposer);
        sealers.extend(block.sealers);
        number += 1;
    }
    steps.done("all three validators propose in turn and seal:");
    lines.iter().for_each(|line| steps.detail(line));
    Ok(())
}
