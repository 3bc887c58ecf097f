//! Many runs on all processors.

use std::{
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    marks::Marks,
    world::{Outcome, World},
};

/// The sum of many runs.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Runs without a violation.
    pub passed: u64,
    /// Runs with one: the seed and what was broken.
    pub failed: Vec<(u64, String)>,
    /// Events handled.
    pub events: u64,
    /// Inputs given to cores.
    pub steps: u64,
    /// Blocks finalised.
    pub blocks: u64,
    /// Simulated time in microseconds.
    pub time: u64,
    /// Seeds by situation reached.
    pub marks: Marks,
    /// Seeds that were run twice to compare their traces.
    pub repeated: u64,
    /// Wall time.
    pub wall: Duration,
}

impl Summary {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.events += outcome.events;
        self.steps += outcome.steps;
        self.blocks += outcome.head;
        self.time += outcome.time;
        self.marks.add(&outcome.marks);
        match &outcome.violation {
            None => self.passed += 1,
            Some(violation) => self.failed.push((seed, violation.to_string())),
        }
    }

    fn merge(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
        self.events += other.events;
        self.steps += other.steps;
        self.blocks += other.blocks;
        self.time += other.time;
        self.marks.add(&other.marks);
        self.repeated += other.repeated;
    }
}

/// Runs seeds on `threads` threads. Every hundredth is run twice and the traces compared.
///
/// # Panics
/// If a run panics.
pub fn seeds(seeds: Range<u64>, sizes: &[usize], threads: usize) -> Summary {
    let started = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = Summary::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    one(seed, sizes, &mut own);
                }
                if let Ok(mut total) = total.lock() {
                    total.merge(own);
                }
            });
        }
    });
    let mut total = total.into_inner().unwrap_or_default();
    total.failed.sort();
    total.wall = started.elapsed();
    total
}

fn one(seed: u64, sizes: &[usize], summary: &mut Summary) {
    let outcome = guarded(seed, sizes);
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(text) => {
            eprintln!("seed {seed}: panic: {text}");
            summary.failed.push((seed, format!("panic: {text}")));
            return;
        }
    };
    if let Some(violation) = &outcome.violation {
        eprintln!("seed {seed}: {violation}");
    }
    summary.add(seed, &outcome);
    if seed.is_multiple_of(100) {
        summary.repeated += 1;
        if World::from_seed(seed, sizes, false).run().trace != outcome.trace {
            summary.failed.push((seed, "two runs differ".into()));
        }
    }
}

/// Runs a seed; a panic of the code under test is a result as others.
fn guarded(seed: u64, sizes: &[usize]) -> Result<Outcome, String> {
    let run = || World::from_seed(seed, sizes, false).run();
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "of another kind".into())
    })
}
