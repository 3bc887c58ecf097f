//! Activities from their offer until all are final, and what each waited for.

use super::{
    check::check,
    follow::{Sample, Told, follow},
    load::{Accepted, Load},
    offer::{Exchange, Schedule, offer},
    prove::{self, Proofs, Proven, prove},
    stage::{Cpu, Stage},
};
use crate::stats::Percentiles;
use eyre::{OptionExt, Result, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Proofs that may wait to be asked for.
const WAITING: usize = 1_024;

/// How a load is offered.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    pub(super) connections: usize,
    /// `None`: as fast as it is taken.
    pub(super) schedule: Option<Schedule>,
    /// A proof is asked for one in so many activities.
    pub(super) one_in: Option<usize>,
}

/// A block with entries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Block {
    /// When it was final at the node that mirrors, Unix milliseconds.
    pub(super) final_ms: f64,
    pub(super) entries: usize,
}

/// What came of a load; times are Unix milliseconds.
pub(super) struct Run {
    exchanges: Vec<Exchange>,
    /// By number.
    accepted: Vec<Accepted>,
    /// By number.
    told: Vec<Told>,
    /// By height; the key is a block's number.
    blocks: BTreeMap<u64, Block>,
    proven: Vec<Proven>,
    /// Blocks that needed more than one round.
    pub(super) missed_rounds: usize,
    pub(super) cpu: Cpu,
}

/// Offers a load to a network whose log is empty, and checks what became of it.
///
/// # Errors
/// If an activity is refused, lost, doubled or not proven.
pub(super) async fn run(stage: &Stage, load: &Load, how: How) -> Result<Run> {
    let (server, caller, client) = (stage.server()?, stage.caller()?, stage.client());
    let (indices, sampled) = mpsc::channel(WAITING);
    let sample = how.one_in.map(|one_in| Sample { one_in, indices });
    let before = stage.used()?;
    let (exchanges, told, proven) = tokio::try_join!(
        offer(server, load.bodies.clone(), how.connections, how.schedule),
        follow(&caller, 1, load.len(), sample),
        prove(&client, sampled),
    )?;
    let cpu = stage.used()?.since(before, load.len());
    let accepted = load.accepted(&exchanges)?;
    check(stage, 1, &accepted).await?;
    same_numbers(&accepted, &told)?;
    let (blocks, missed_rounds) = blocks(stage, &told).await?;
    Ok(Run { exchanges, accepted, told, blocks, proven, missed_rounds, cpu })
}

/// Completions are about what was accepted.
fn same_numbers(accepted: &[Accepted], told: &[Told]) -> Result<()> {
    for (accepted, told) in accepted.iter().zip(told) {
        let completion = &told.completion;
        let same =
            (completion.source_seq, completion.leaf_index + 1) == (accepted.seq, accepted.seq);
        ensure!(same, "number {} was completed as {completion:?}", accepted.seq);
    }
    Ok(())
}

/// The blocks that completions name, and how many of the chain's blocks since the first of them needed
/// more than one round.
async fn blocks(stage: &Stage, told: &[Told]) -> Result<(BTreeMap<u64, Block>, usize)> {
    let mut entries: BTreeMap<u64, usize> = BTreeMap::new();
    for it in told {
        *entries.entry(it.completion.block_number).or_default() += 1;
    }
    let numbers = entries.keys().next().zip(entries.keys().next_back());
    let (first, last) = numbers.ok_or_eyre("nothing was offered")?;
    let (client, mut blocks, mut missed) = (stage.client(), BTreeMap::new(), 0);
    for number in *first..=*last {
        let record = client.call("ibft_getRoundRecord", json!([number])).await?;
        let final_ms =
            record["committedMs"].as_f64().ok_or_eyre("no record of a block's rounds")?;
        missed += usize::from(record["round"] != "0x0");
        if let Some(entries) = entries.get(&number) {
            blocks.insert(number, Block { final_ms, entries: *entries });
        }
    }
    Ok((blocks, missed))
}

impl Run {
    /// When the first was due.
    fn start_ms(&self) -> f64 {
        self.exchanges.iter().map(|it| it.due_ms).fold(f64::INFINITY, f64::min)
    }

    /// Activities a second from the first offer until all are accepted.
    pub(super) fn accepted_per_second(&self) -> f64 {
        let end = self.exchanges.iter().map(|it| it.answered_ms).fold(0.0, f64::max);
        self.accepted.len() as f64 * 1e3 / (end - self.start_ms())
    }

    /// Activities a second from the first offer until all are final.
    pub(super) fn final_per_second(&self) -> f64 {
        let end = self.blocks.values().map(|it| it.final_ms).fold(0.0, f64::max);
        self.accepted.len() as f64 * 1e3 / (end - self.start_ms())
    }

    /// The same until all are told to be.
    pub(super) fn told_per_second(&self) -> f64 {
        let end = self.told.iter().map(|it| it.at_ms).fold(0.0, f64::max);
        self.accepted.len() as f64 * 1e3 / (end - self.start_ms())
    }

    /// Activities that became final a second while they were offered.
    ///
    /// # Errors
    /// If too few blocks were final by then.
    pub(super) fn pace(&self) -> Result<f64> {
        let end = self.exchanges.iter().map(|it| it.due_ms).fold(0.0, f64::max);
        let blocks: Vec<Block> = self.blocks.values().copied().collect();
        pace(&blocks, end).ok_or_eyre("fewer than two blocks while activities were offered")
    }

    /// Seconds from an activity's offer until its block is final.
    pub(super) fn to_final(&self) -> Percentiles {
        let blocks = self.told.iter().map(|it| self.blocks.get(&it.completion.block_number));
        let final_ms = blocks.map(|it| it.map_or(f64::NAN, |block| block.final_ms));
        Percentiles::of(self.waits(final_ms))
    }

    /// Seconds from an activity's offer until its caller is told that it is final.
    pub(super) fn to_told(&self) -> Percentiles {
        Percentiles::of(self.waits(self.told.iter().map(|it| it.at_ms)))
    }

    fn waits(&self, until_ms: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
        self.accepted.iter().zip(until_ms).map(|(it, until)| (until - it.due_ms) / 1e3)
    }

    /// Milliseconds from a request's offer to its answer.
    pub(super) fn answer_ms(&self) -> Percentiles {
        Percentiles::of(self.exchanges.iter().map(|it| it.answered_ms - it.due_ms))
    }

    /// Milliseconds by which requests were sent after they were due: the timer's step, or until a
    /// connection was free.
    pub(super) fn late_ms(&self) -> Percentiles {
        Percentiles::of(self.exchanges.iter().map(|it| it.sent_ms - it.due_ms))
    }

    /// Blocks with entries.
    pub(super) fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// Figures of the proofs, if some were asked for.
    ///
    /// # Errors
    /// If one is of another leaf than was told.
    pub(super) fn proofs(&self) -> Result<Option<Proofs>> {
        let any = !self.proven.is_empty();
        any.then(|| prove::figures(&self.proven, &self.accepted)).transpose()
    }
}

/// Entries a second of the blocks behind the first, up to the last that is final by `end_ms`. The first
/// holds what came since some moment in its period, so it only starts the clock.
fn pace(blocks: &[Block], end_ms: f64) -> Option<f64> {
    let (first, rest) = blocks.split_first()?;
    let in_time = rest.iter().take_while(|block| block.final_ms <= end_ms);
    let (entries, last) = in_time
        .fold((0, first.final_ms), |(entries, _), block| (entries + block.entries, block.final_ms));
    (last > first.final_ms).then(|| entries as f64 * 1e3 / (last - first.final_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_of_whole_periods_while_activities_are_offered() {
        let block = |final_ms, entries| Block { final_ms, entries };
        // The first block holds half a period, the last one what was left over.
        let blocks =
            [block(500.0, 50), block(1_500.0, 100), block(2_500.0, 110), block(3_500.0, 7)];
        assert_eq!(pace(&blocks, 3_000.0), Some(105.0));
        assert_eq!(pace(&blocks, 1_000.0), None);
        assert_eq!(pace(&[], 1_000.0), None);
    }
}
