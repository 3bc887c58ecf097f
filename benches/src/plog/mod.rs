//! The transparency log: entries through full blocks of one validator, then proofs of the same log from
//! its index and over JSON-RPC, beside `ct-merkle` in memory; proofs over a log of ten million; bytes
//! on disk.

mod entries;
mod fed;
mod proofs;

pub use entries::{Entries, Round};
pub use proofs::Proofs;

use crate::{stats::Summary, subject::Programs};
use eyre::Result;
use serde::Serialize;

/// Everything that was measured of the log.
#[derive(Debug, Clone, Serialize)]
pub struct Plog {
    /// Entries through blocks.
    pub entries: Entries,
    /// Proofs in the log that they made.
    pub proofs: Proofs,
    /// Entries of the log whose index was fed.
    pub fed_leaves: u64,
    /// Milliseconds of an inclusion proof over JSON-RPC there, median and 99th percentile.
    pub fed_ms: [f64; 2],
}

/// Measures `rounds` rounds of `entries` entries each, then a fed index of `leaves`.
///
/// # Errors
/// If a node fails, or an entry is refused.
pub async fn measure(
    programs: &Programs,
    entries: usize,
    rounds: usize,
    leaves: u64,
) -> Result<Plog> {
    let (entries, proofs) = entries::measure(programs, entries, rounds).await?;
    let fed_ms = fed::measure(&programs.folder.join("fed"), leaves).await?;
    Ok(Plog { entries, proofs, fed_leaves: leaves, fed_ms })
}

impl Plog {
    /// Median and range of a figure over the undisturbed rounds.
    pub fn of(&self, figure: impl Fn(&Round) -> f64) -> Option<Summary> {
        Summary::of(self.entries.rounds.iter().filter(|round| round.quiet.quiet).map(figure))
    }
}
