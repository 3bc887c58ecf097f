//! One validator crashes and returns.

use crate::{
    blocks::MadeBlock,
    log::{self, ShownLog},
    network::{NOTA, Pilot},
    steps::Steps,
    transactions,
};
use eyre::{Result, ensure};
use std::time::Instant;

/// Blocks that must follow without the crashed validator: one of them would have been its turn.
const BLOCKS: u64 = 3;
/// Blocks that are looked at for the returned validator's seal and proposal.
const PATIENCE: u64 = 12;

/// Kills NOTA, shows that blocks and transactions go on, brings it back.
pub(crate) async fn show(pilot: &mut Pilot, log: &mut ShownLog, steps: &mut Steps) -> Result<()> {
    pilot.kill(NOTA).await?;
    let killed = pilot.gateway().block_number().await?;
    steps.done(&format!("kill -9 NOTA at block {killed}"));
    go_on(pilot, killed, steps).await?;
    log::while_down(log, pilot, steps).await?;
    let returned = Instant::now();
    pilot.restart(NOTA).await?;
    let head = pilot.caught_up(NOTA).await?;
    let seconds = returned.elapsed().as_secs_f64();
    steps.done(&format!("NOTA is back and has block {head} after {seconds:.1} s"));
    take_part(pilot, head, steps).await?;
    log::after_return(log, pilot, steps).await?;
    tolerance(steps);
    Ok(())
}

/// Blocks of the two others, and a transaction in one of them.
async fn go_on(pilot: &Pilot, killed: u64, steps: &mut Steps) -> Result<()> {
    let included = transactions::transfer(pilot).await?;
    let mut lines = Vec::new();
    // The first one may have been under way.
    for number in killed + 2..killed + 2 + BLOCKS {
        let block = MadeBlock::after_next(pilot, number).await?;
        ensure!(!block.sealers.contains(&pilot.address(NOTA)), "a dead validator sealed {number}");
        lines.push(block.line(pilot)?);
    }
    steps.done(&format!("blocks go on without it, a transfer is in block {included}:"));
    lines.iter().for_each(|line| steps.detail(line));
    Ok(())
}

/// The returned validator seals and proposes again.
async fn take_part(pilot: &Pilot, from: u64, steps: &mut Steps) -> Result<()> {
    let nota = pilot.address(NOTA);
    let (mut sealed, mut proposed) = (None, None);
    for number in from + 1..=from + PATIENCE {
        let block = MadeBlock::after_next(pilot, number).await?;
        if block.sealers.contains(&nota) && sealed.is_none() {
            sealed = Some(block.line(pilot)?);
        }
        if block.proposer == nota {
            proposed = Some(block.line(pilot)?);
        }
        if let (Some(sealed), Some(proposed)) = (&sealed, &proposed) {
            steps.done("NOTA seals and proposes again:");
            steps.detail(sealed);
            if sealed != proposed {
                steps.detail(proposed);
            }
            return Ok(());
        }
    }
    eyre::bail!("NOTA did not take part in {PATIENCE} blocks: sealed {sealed:?}, {proposed:?}")
}

/// What a network of this size stands.
fn tolerance(steps: &mut Steps) {
    steps.done("what three validators tolerate: one may be down, none may be malicious.");
    steps.detail("Two must agree, and with one down both others must be there and honest.");
    steps.detail("Four validators need three: one may be down or malicious.");
}
