//! T9, T10 and T11: questions that wallets, explorers and indexers ask, put to this node and to anvil
//! by turns.
//!
//! Both nodes run all the time with the same accounts, tokens and one large block; the one that is not
//! asked makes an empty block a second. A question is asked for a fixed time over a fixed number of
//! connections, so that slow answers cost no more time than fast ones.

mod ask;
mod questions;
mod stage;

pub use ask::Asked;

use crate::{
    machine::Quiet,
    stats::Summary,
    subject::{Programs, Subject},
};
use eyre::{Result, WrapErr};
use questions::Question;
use serde::Serialize;
use stage::Stage;
use std::time::Duration;

/// A row of questions.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its id: `T9`.
    pub id: &'static str,
    connections: usize,
    questions: fn(&Stage) -> Vec<Question>,
}

/// Head and state.
pub const T9: Row = Row { id: "T9", connections: 16, questions: questions::head_and_state };
/// Executions without a transaction.
pub const T10: Row = Row { id: "T10", connections: 16, questions: questions::executions };
/// Everything about one large block.
pub const T11: Row = Row { id: "T11", connections: 4, questions: questions::large_block };

/// What both nodes did with a question in one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    /// The machine before it.
    pub quiet: Quiet,
    /// This project's node.
    pub peruri: Asked,
    /// anvil.
    pub anvil: Asked,
}

/// All rounds of a question.
#[derive(Debug, Clone, Serialize)]
pub struct Answers {
    /// The row's id.
    pub row: &'static str,
    /// What was asked.
    pub what: &'static str,
    /// Ratio to reach; `None`: any answer will do.
    pub aim: Option<f64>,
    /// Transactions of the large block.
    pub block_transactions: usize,
    /// The rounds.
    pub rounds: Vec<Round>,
}

impl Answers {
    /// Median and range of a figure over the undisturbed rounds; rounds without an answer have none.
    pub fn of(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<Summary> {
        Summary::of(self.rounds.iter().filter(|round| round.quiet.quiet).filter_map(figure))
    }
}

/// Asks the questions of `rows` in interleaved rounds, each for `window` at a time.
///
/// # Errors
/// If a node fails, or answers a question wrongly.
pub async fn measure(
    rows: &[Row],
    programs: &Programs,
    window: Duration,
    rounds: usize,
) -> Result<Vec<Answers>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let peruri = Stage::start(Subject::Peruri, programs).await?;
    let anvil = Stage::start(Subject::Anvil, programs).await?;
    let mut all = Vec::new();
    for row in rows {
        all.extend(of_row(*row, [&peruri, &anvil], programs, window, rounds).await?);
    }
    peruri.stop().await?;
    anvil.stop().await?;
    Ok(all)
}

async fn of_row(
    row: Row,
    [peruri, anvil]: [&Stage; 2],
    programs: &Programs,
    window: Duration,
    rounds: usize,
) -> Result<Vec<Answers>> {
    let (own, theirs) = ((row.questions)(peruri), (row.questions)(anvil));
    let answers = own.iter().map(|question| Answers {
        row: row.id,
        what: question.what,
        aim: question.aim,
        block_transactions: peruri.block_transactions(),
        rounds: Vec::with_capacity(rounds),
    });
    let mut answers: Vec<Answers> = answers.collect();
    for round in 1..=rounds {
        let quiet = Quiet::wait(&programs.folder)?;
        for ((own, theirs), answers) in own.iter().zip(&theirs).zip(&mut answers) {
            let by = async |stage: &Stage, question: &Question| {
                let asked = stage.ask(question, row.connections, window).await;
                asked.wrap_err_with(|| format!("{}: {}", row.id, question.what))
            };
            let gave_up = answers.rounds.last().map(|last| last.anvil).filter(Asked::is_none);
            let peruri = by(peruri, own).await?;
            // A peer that did not answer in time may still be working at it: it is not asked again.
            let anvil = match gave_up {
                Some(asked) => asked,
                None => by(anvil, theirs).await?,
            };
            let asked = Round { quiet, peruri, anvil };
            eprintln!(
                "{}: round {round}: {}: peruri {}, anvil {}",
                row.id, own.what, asked.peruri, asked.anvil
            );
            answers.rounds.push(asked);
        }
    }
    Ok(answers)
}
