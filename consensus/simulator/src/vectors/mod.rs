//! Runs IBFT 2.0 vectors of every kind.
//!
//! A vector fails by a panic of the function that runs it, which [`run`] catches, so that the
//! functions read like tests. A kind that nothing runs counts as failed, never as skipped.

#![allow(clippy::unwrap_used)]

mod messages;
mod phrases;
mod pure;
mod read;
mod scenario;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde_json::Value;

/// What runs one vector of a kind.
type Run = fn(&Value);

const KINDS: &[(&str, Run)] = &[
    ("extra_data", pure::extra_data),
    ("extra_data_invalid", pure::extra_data_invalid),
    ("header", pure::header),
    ("genesis", pure::genesis_header),
    ("header_validation", pure::header_validation),
    ("quorum", pure::quorum_sizes),
    ("proposer", pure::proposer_choice),
    ("vote_tally", pure::vote_tally),
    ("validator_sequence", pure::validator_sequence),
    ("round_timeout", pure::timeouts),
    ("payload", messages::payload),
    ("message", messages::message),
    ("message_invalid", messages::message_invalid),
    ("wire_offsets", messages::wire_offsets),
    ("scenario", scenario::scenario),
];

/// How many vectors of each kind passed and failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Passed and failed, by kind.
    pub kinds: BTreeMap<String, (usize, usize)>,
}

impl Outcome {
    /// Passed and failed over all kinds.
    pub fn total(&self) -> (usize, usize) {
        self.kinds.values().fold((0, 0), |sum, kind| (sum.0 + kind.0, sum.1 + kind.1))
    }
}

/// Runs every vector of `file`; the names of those that fail go to the standard error.
///
/// # Errors
/// If the file has no list `vectors`.
pub fn run(file: &Value) -> eyre::Result<Outcome> {
    let vectors = file["vectors"].as_array().ok_or_else(|| eyre::eyre!("no list \"vectors\""))?;
    let mut outcome = Outcome::default();
    for vector in vectors {
        let kind = vector["kind"].as_str().unwrap_or("without kind");
        let entry = outcome.kinds.entry(kind.to_owned()).or_default();
        let passed = match KINDS.iter().find(|(name, _)| *name == kind) {
            Some((_, run)) => catch_unwind(AssertUnwindSafe(|| run(vector))).is_ok(),
            None => false,
        };
        if passed {
            entry.0 += 1;
        } else {
            eprintln!("failed: {kind}: {}", vector["name"]);
            entry.1 += 1;
        }
    }
    Ok(outcome)
}
