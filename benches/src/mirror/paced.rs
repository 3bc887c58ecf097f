//! Rows at a constant rate: whatever is answered, the next request is sent when it is due.

use super::{
    Round,
    load::Load,
    of,
    offer::Schedule,
    prove::Proofs,
    run::{How, run},
    stage::{Cpu, Stage},
};
use crate::{
    machine::Quiet,
    stats::{Percentiles, Summary},
    subject::Programs,
};
use eyre::Result;
use serde::Serialize;

/// Validators of the network.
const VALIDATORS: usize = 3;

/// What is offered how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The row's id.
    pub id: &'static str,
    /// Activities a second.
    pub per_second: usize,
    /// For how many seconds.
    pub seconds: usize,
    /// Seconds between blocks.
    pub period: u64,
    /// Activities of a request.
    pub batch: usize,
    /// Connections.
    pub connections: usize,
    /// A proof is asked for one in so many activities.
    pub one_in: Option<usize>,
}

impl Plan {
    /// A high rate in batches; proofs are served meanwhile.
    pub const fn t13(per_second: usize, seconds: usize, period: u64) -> Self {
        let (id, batch, connections) = ("T13", 100, 8);
        Self { id, per_second, seconds, period, batch, connections, one_in: Some(100) }
    }

    /// An office's day: 200 a second, one by one, with the blocks of the pilot.
    pub const fn steady(seconds: usize) -> Self {
        let (id, period, batch, connections) = ("steady", 2, 1, 4);
        Self { id, per_second: 200, seconds, period, batch, connections, one_in: None }
    }

    /// Activities of a round.
    pub const fn activities(&self) -> usize {
        self.per_second * self.seconds
    }
}

/// One round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Figures {
    /// Activities that became final a second while they were offered.
    pub final_per_second: f64,
    /// Seconds from an activity's offer until its block is final.
    pub to_final: Percentiles,
    /// Seconds from an activity's offer until its caller is told that it is final.
    pub to_told: Percentiles,
    /// Milliseconds from a request's offer to its durable answer.
    pub answer_ms: Percentiles,
    /// Milliseconds by which requests were sent after they were due: the timer's step, or until a
    /// connection was free.
    pub late_ms: Percentiles,
    /// Proofs that were served meanwhile.
    pub proofs: Option<Proofs>,
    /// Blocks that needed more than one round.
    pub missed_rounds: usize,
    /// CPU time.
    pub cpu: Cpu,
}

/// All rounds of a row, each on a network of its own.
#[derive(Debug, Clone, Serialize)]
pub struct Paced {
    /// What was offered.
    pub plan: Plan,
    /// The rounds.
    pub rounds: Vec<Round<Figures>>,
}

impl Paced {
    /// Median and range of a figure over the undisturbed rounds.
    pub fn of(&self, figure: impl Fn(&Figures) -> f64) -> Option<Summary> {
        of(&self.rounds, figure)
    }
}

/// Measures `rounds` rounds.
///
/// # Errors
/// If a node fails, or an activity is refused, lost, doubled or not proven.
pub async fn measure(programs: &Programs, plan: Plan, rounds: usize) -> Result<Paced> {
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let load = Load::make(round as u64, plan.activities(), plan.batch);
        let quiet = Quiet::wait(&programs.folder)?;
        let stage = Stage::start(programs, VALIDATORS, plan.period).await?;
        let figures = one_round(&stage, &plan, &load).await?;
        stage.stop().await?;
        eprintln!("{}: round {round}: {figures:?}", plan.id);
        measured.push(Round { quiet, figures });
    }
    Ok(Paced { plan, rounds: measured })
}

async fn one_round(stage: &Stage, plan: &Plan, load: &Load) -> Result<Figures> {
    let schedule = Some(Schedule { per_second: plan.per_second as f64, batch: plan.batch });
    let how = How { connections: plan.connections, schedule, one_in: plan.one_in };
    let run = run(stage, load, how).await?;
    Ok(Figures {
        final_per_second: run.pace()?,
        to_final: run.to_final(),
        to_told: run.to_told(),
        answer_ms: run.answer_ms(),
        late_ms: run.late_ms(),
        proofs: run.proofs()?,
        missed_rounds: run.missed_rounds,
        cpu: run.cpu,
    })
}
