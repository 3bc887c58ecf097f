//! The validators change and change back; receipts lead from those that an auditor trusts to those that
//! seal now.

use crate::{
    LIMIT,
    log::{self, ShownLog},
    network::{Pilot, VALIDATORS},
    steps::Steps,
};
use eyre::{Result, ensure};
use serde_json::{Value, json};
use std::{fs, time::Instant};

/// Blocks after a change in which a header with the seals of all before it must have come.
const BLOCKS: u64 = 4;

/// Votes the transaction node in and out again.
pub(crate) async fn show(pilot: &Pilot, log: &ShownLog, steps: &mut Steps) -> Result<()> {
    let joined = vote(pilot, true).await?;
    let receipt = take(pilot, log, "joined", json!({ "seals": VALIDATORS })).await?;
    log.verifier().both_policies(&log.named("joined"))?;
    let changes = receipt["validatorChanges"].as_array().map_or(0, Vec::len);
    ensure!(changes == 1, "one change of validators lies between: {changes}");
    let receipt = take(pilot, log, "joined-new", json!({ "validators": joined })).await?;
    ensure!(receipt["validatorChanges"] == json!([]), "the new validators are trusted already");
    log.verifier().new_validators(&log.named("joined-new"), &joined)?;
    steps.done(
        "the transaction node is voted in: a receipt of entry 0 leads from the three validators to the \
         four; one for those who trust the four needs no change",
    );
    vote(pilot, false).await?;
    let receipt = take(pilot, log, "left", json!({ "seals": VALIDATORS })).await?;
    ensure!(receipt["validatorChanges"] == json!([]), "the validators are the first ones again");
    log.verifier().both_policies(&log.named("left"))?;
    steps.done("it is voted out: receipts are those of the three again");
    Ok(())
}

async fn take(pilot: &Pilot, log: &ShownLog, name: &str, options: Value) -> Result<Value> {
    let client = pilot.gateway();
    let head = client.block_number().await?;
    client.wait_block(head + BLOCKS, LIMIT).await?;
    let receipt = log::receipt(&client, 0, options).await?;
    fs::write(log.named(name), format!("{receipt}\n"))?;
    Ok(receipt)
}

/// All validators of the genesis block vote about the transaction node; returns the validators when it is
/// one, or is none any more.
async fn vote(pilot: &Pilot, add: bool) -> Result<Value> {
    let (client, subject) = (pilot.gateway(), pilot.gateway_address());
    let voters = if add { VALIDATORS } else { VALIDATORS + 1 };
    for voter in 0..voters {
        let vote = json!([subject, add]);
        pilot.client(voter).call("ibft_proposeValidatorVote", vote).await?;
    }
    let since = Instant::now();
    let mut head = client.block_number().await?;
    loop {
        let now = client.call("ibft_getValidatorsByBlockNumber", json!(["latest"])).await?;
        let is_in = now.as_array().is_some_and(|all| all.contains(&json!(subject)));
        if is_in == add {
            return Ok(now);
        }
        ensure!(since.elapsed() < LIMIT, "the vote has no effect: {now}");
        head = client.wait_block(head + 1, LIMIT).await?;
    }
}
