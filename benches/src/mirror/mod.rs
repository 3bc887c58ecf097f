//! The activity mirror in a network of node processes: activities over HTTP, with a token for each
//! request, until their blocks are final and their proofs are served.
//!
//! The first of the validators mirrors. Activities are those of an office with payloads of 256 bytes, in
//! the form in which the node hashes user id and payload. Their requests are made before the clock
//! starts. An activity counts only if the log holds the entry that its caller was told, at its number,
//! once, and every validator has that log.

mod batches;
mod burst;
mod check;
mod follow;
mod load;
mod offer;
mod paced;
mod prove;
mod run;
mod stage;
mod table;

pub use batches::{Bare, Batches, OverHttp, measure as batches};
pub use burst::{Burst, measure as burst};
pub use paced::{Paced, Plan, measure as paced};
pub use prove::Proofs;
pub use stage::Cpu;
pub(crate) use table::lines;

use crate::{machine::Quiet, stats::Summary};
use serde::Serialize;

/// Everything that was measured of the mirror in a network.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Mirror {
    /// Rows at a constant rate.
    pub paced: Vec<Paced>,
    /// As fast as activities are taken.
    pub burst: Option<Burst>,
    /// Up to the durable answer.
    pub batches: Option<Batches>,
}

/// What one round of a row found.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round<T> {
    /// The machine before it.
    pub quiet: Quiet,
    /// The figures.
    pub figures: T,
}

/// Median and range of a figure over the undisturbed rounds.
fn of<T>(rounds: &[Round<T>], figure: impl Fn(&T) -> f64) -> Option<Summary> {
    let undisturbed = rounds.iter().filter(|round| round.quiet.quiet);
    Summary::of(undisturbed.map(|round| figure(&round.figures)))
}
