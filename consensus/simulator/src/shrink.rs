//! Failures as files, and making them smaller.
//!
//! A failure is its tape of decisions. A tape with more zeros is a run with fewer faults, so
//! shrinking tries to zero decisions, first whole streams, then ever smaller pieces, and keeps what
//! still breaks the same invariant.

use std::time::{Duration, Instant};

use eyre::{OptionExt, WrapErr};
use serde_json::{Value, json};

use crate::{
    choices::{Choices, STREAMS, Tape},
    scenarios::Mutant,
    world::{Outcome, World},
};

/// A failure that can be run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Numbers of validators that the run draws from.
    pub sizes: Vec<usize>,
    /// The seed of which it was made.
    pub seed: u64,
    /// The invariant that it breaks; none for a run that is only kept.
    pub invariant: Option<String>,
    /// Hash of everything that happens.
    pub trace: u64,
    /// The bug that all cores have.
    pub mutant: Option<Mutant>,
    /// All decisions.
    pub tape: Tape,
}

impl Case {
    /// The run of a seed, with a bug or without.
    pub fn of_seed(seed: u64, sizes: &[usize], mutant: Option<Mutant>) -> Self {
        let world = World::drawn(Choices::from_seed(seed, true), sizes, false);
        let (outcome, tape) = with_bug(world, mutant).run_recorded();
        Self {
            sizes: sizes.to_vec(),
            seed,
            mutant,
            invariant: outcome.violation.map(|violation| violation.invariant.to_owned()),
            trace: outcome.trace,
            tape: tape.unwrap_or_default(),
        }
    }

    /// Runs it.
    pub fn run(&self, log: bool) -> Outcome {
        let world = World::drawn(Choices::from_tape(self.tape.clone()), &self.sizes, log);
        with_bug(world, self.mutant).run()
    }

    /// The file's text.
    pub fn to_json(&self) -> Value {
        json!({
            "sizes": self.sizes,
            "seed": self.seed,
            "invariant": self.invariant,
            "trace": format!("{:016x}", self.trace),
            "mutant": self.mutant.map(name_of),
            "tape": self.tape.0.to_vec(),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If something is missing or of another kind.
    pub fn from_json(value: &Value) -> eyre::Result<Self> {
        let sizes: Vec<usize> = serde_json::from_value(value["sizes"].clone()).wrap_err("sizes")?;
        let streams: Vec<Vec<u32>> =
            serde_json::from_value(value["tape"].clone()).wrap_err("tape")?;
        let streams =
            streams.try_into().map_err(|_| eyre::eyre!("tape: {} streams", STREAMS.len()))?;
        Ok(Self {
            sizes,
            seed: value["seed"].as_u64().ok_or_eyre("seed")?,
            invariant: value["invariant"].as_str().map(str::to_owned),
            mutant: value["mutant"].as_str().map(named).transpose()?,
            trace: u64::from_str_radix(value["trace"].as_str().ok_or_eyre("trace")?, 16)?,
            tape: Tape(streams),
        })
    }
}

/// The bug of this name.
///
/// # Errors
/// If this build has none of that name.
#[cfg(feature = "mutants")]
pub fn named(name: &str) -> eyre::Result<Mutant> {
    let found = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
    found.copied().ok_or_else(|| eyre::eyre!("there is no bug {name}"))
}

/// The bug of this name.
///
/// # Errors
/// Always, as this build has none.
#[cfg(not(feature = "mutants"))]
pub fn named(name: &str) -> eyre::Result<Mutant> {
    Err(eyre::eyre!("bug {name}: built without the feature `mutants`"))
}

#[cfg(feature = "mutants")]
const fn name_of(mutant: Mutant) -> &'static str {
    mutant.name()
}

#[cfg(not(feature = "mutants"))]
const fn name_of(mutant: Mutant) -> &'static str {
    match mutant {}
}

#[cfg(feature = "mutants")]
fn with_bug(mut world: World, mutant: Option<Mutant>) -> World {
    if let Some(mutant) = mutant {
        world.set_mutant(mutant);
    }
    world
}

#[cfg(not(feature = "mutants"))]
const fn with_bug(world: World, _: Option<Mutant>) -> World {
    world
}

/// Makes a failure smaller for at most `limit`.
pub fn shrink(case: &Case, limit: Duration) -> Case {
    let started = Instant::now();
    let mut best = case.clone();
    let mut progress = true;
    while progress && started.elapsed() < limit {
        progress = false;
        // Faults first, then what shapes the run: without a fault its rates do not matter.
        for stream in (0..STREAMS.len()).rev() {
            let mut size = best.tape.0[stream].len();
            while size > 0 && started.elapsed() < limit {
                let mut at = 0;
                while at < best.tape.0[stream].len() && started.elapsed() < limit {
                    if let Some(smaller) = without(&best, stream, at, size) {
                        best = smaller;
                        progress = true;
                    }
                    at += size;
                }
                size /= 2;
            }
        }
    }
    best
}

/// The case with a piece of a stream zeroed, if it still fails in the same way.
fn without(case: &Case, stream: usize, at: usize, size: usize) -> Option<Case> {
    let mut tape = case.tape.clone();
    let end = tape.0[stream].len().min(at + size);
    let piece = tape.0[stream].get_mut(at..end)?;
    if piece.iter().all(|value| *value == 0) {
        return None;
    }
    piece.fill(0);
    let world = World::drawn(Choices::from_tape(tape), &case.sizes, false);
    let (outcome, tape) = with_bug(world, case.mutant).run_recorded();
    let same = outcome.violation.map(|violation| violation.invariant.to_owned()) == case.invariant;
    // What was recorded has exactly the decisions that were used.
    same.then(|| Case { trace: outcome.trace, tape: tape.unwrap_or_default(), ..case.clone() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn tape_and_seed_give_the_same_run() {
        for seed in 0..20 {
            let case = Case::of_seed(seed, &[1, 2, 3, 4, 7], None);
            assert_eq!(case.run(false).trace, case.trace, "{seed}");
            assert_eq!(Case::from_json(&case.to_json()).unwrap(), case);
        }
    }

    #[test]
    fn smaller_runs_are_still_of_the_same_kind() {
        // Without a failure to keep, everything can be zeroed.
        let case = Case::of_seed(3, &[4], None);
        assert_eq!(case.invariant, None);
        let small = shrink(&case, Duration::from_secs(3));
        assert!(small.tape.weight() < case.tape.weight());
        assert_eq!(small.run(false).violation, None);
    }
}
