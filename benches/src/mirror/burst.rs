//! A burst: activities as fast as they are taken, until the last is final.

use super::{
    Round,
    load::Load,
    of,
    run::{How, run},
    stage::{Cpu, Stage},
};
use crate::{machine::Quiet, stats::Summary, subject::Programs};
use eyre::Result;
use serde::Serialize;

/// Validators of the network.
const VALIDATORS: usize = 3;
/// Seconds between blocks.
const PERIOD: u64 = 1;
/// Activities of a request: the most that one may hold.
const BATCH: usize = 1_000;
const CONNECTIONS: usize = 4;

/// One round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// Activities durably accepted a second.
    pub accepted_per_second: f64,
    /// Activities a second from the first request until the last block is final.
    pub final_per_second: f64,
    /// The same until callers are told of the last one.
    pub told_per_second: f64,
    /// Blocks that hold them.
    pub blocks: usize,
    /// Blocks that needed more than one round.
    pub missed_rounds: usize,
    /// CPU time.
    pub cpu: Cpu,
}

/// All rounds, each on a network of its own.
#[derive(Debug, Clone, Serialize)]
pub struct Burst {
    /// Activities of a round.
    pub activities: usize,
    /// The rounds.
    pub rounds: Vec<Round<Figures>>,
}

impl Burst {
    /// Median and range of a figure over the undisturbed rounds.
    pub fn of(&self, figure: impl Fn(&Figures) -> f64) -> Option<Summary> {
        of(&self.rounds, figure)
    }
}

/// Measures `rounds` rounds of `activities`.
///
/// # Errors
/// If a node fails, or an activity is refused, lost or doubled.
pub async fn measure(programs: &Programs, activities: usize, rounds: usize) -> Result<Burst> {
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let load = Load::make(round as u64, activities, BATCH);
        let quiet = Quiet::wait(&programs.folder)?;
        let stage = Stage::start(programs, VALIDATORS, PERIOD).await?;
        let how = How { connections: CONNECTIONS, schedule: None, one_in: None };
        let run = run(&stage, &load, how).await?;
        stage.stop().await?;
        let figures = Figures {
            accepted_per_second: run.accepted_per_second(),
            final_per_second: run.final_per_second(),
            told_per_second: run.told_per_second(),
            blocks: run.block_count(),
            missed_rounds: run.missed_rounds,
            cpu: run.cpu,
        };
        eprintln!("burst: round {round}: {figures:?}");
        measured.push(Round { quiet, figures });
    }
    Ok(Burst { activities, rounds: measured })
}
