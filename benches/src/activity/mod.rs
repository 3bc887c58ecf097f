//! The activity mirror beside a RabbitMQ quorum queue: durable acceptance of activities with payloads
//! of 256 bytes, up to 1,000 on their way at a time, and what is consumed from a queue.

mod rounds;
pub mod source;

pub use rounds::Round;

use crate::stats::Summary;
use eyre::Result;
use peruri_test_utils::{RabbitMq, RabbitMqError};
use serde::Serialize;
use std::path::Path;

/// All rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Activity {
    /// Activities of a round.
    pub activities: usize,
    /// The rounds.
    pub rounds: Vec<Round>,
}

impl Activity {
    /// Median and range of a figure over the undisturbed rounds.
    pub fn of(&self, figure: impl Fn(&Round) -> f64) -> Option<Summary> {
        Summary::of(self.rounds.iter().filter(|round| round.quiet.quiet).map(figure))
    }
}

/// Measures `rounds` rounds of `activities` activities; `None` where there is no broker.
///
/// # Errors
/// If broker or source fail.
pub async fn measure(folder: &Path, activities: usize, rounds: usize) -> Result<Option<Activity>> {
    // Its folder is beside the source's: both sync the same disk.
    let server = match tokio::task::block_in_place(|| RabbitMq::start_in(folder)) {
        Err(error @ RabbitMqError::NotInstalled(_)) => {
            eprintln!("activity: skipped: {error}");
            return Ok(None);
        }
        server => server?,
    };
    let mut measured = Vec::new();
    for round in 0..rounds {
        let figures = rounds::measure(folder, &server.url(), round, activities).await?;
        eprintln!("activity: round {}: {figures:?}", round + 1);
        measured.push(figures);
    }
    Ok(Some(Activity { activities, rounds: measured }))
}
