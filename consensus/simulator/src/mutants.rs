//! Shows that the oracles find bugs: cores with one seeded bug are run until an invariant breaks.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use peruri_ibft2::core::Mutant;

use crate::{
    cpu::Stopwatch,
    oracle::Violation,
    scenarios::{self, Scenario},
    world::World,
};

/// What became of a mutant.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// The seed that caught it and what it broke.
    pub caught: Option<(u64, Violation)>,
    /// The scenario that caught it; none if it was a random run.
    pub by: Option<&'static [&'static str]>,
    /// Runs needed.
    pub runs: u64,
    /// Runs that broke something without the bug too.
    pub baseline: u64,
    /// CPU time needed.
    pub seconds: f64,
}

/// Sizes of the networks in which mutants are searched.
const SIZES: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 10];

/// Searches every mutant (or the one named `only`) for at most `seconds` of CPU time each, two
/// at a time.
///
/// # Panics
/// If a thread cannot be joined.
pub fn hunt_all(seconds: u64, only: Option<&str>) -> Vec<Report> {
    let mutants: Vec<Mutant> = Mutant::ALL
        .iter()
        .copied()
        .filter(|mutant| only.is_none_or(|only| mutant.name() == only))
        .collect();
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = hunt(*mutant, Duration::from_secs(seconds));
                    if let Ok(mut reports) = reports.lock() {
                        reports.push(report);
                    }
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap_or_default();
    reports.sort_by_key(|report| report.name);
    reports
}

/// Searches one mutant.
pub fn hunt(mutant: Mutant, limit: Duration) -> Report {
    let started = Stopwatch::start();
    let directed: Vec<&Scenario> = scenarios::of_bug(mutant.name()).collect();
    let (mut runs, mut baseline) = (0, 0);
    let mut caught = None;
    let mut by = None;
    while caught.is_none() && started.elapsed() < limit {
        let (scenario, seed) = planned(&directed, runs);
        runs += 1;
        let run = |mutant: Option<Mutant>| match scenario {
            Some(scenario) => scenario.play(seed, mutant),
            None => random(seed, mutant),
        };
        let Some(violation) = run(Some(mutant)) else { continue };
        // What breaks without the bug does not show that the bug was found.
        if run(None).is_some() {
            baseline += 1;
            continue;
        }
        by = scenario.map(|scenario| scenario.ids);
        caught = Some((seed, violation));
    }
    let seconds = started.elapsed().as_secs_f64();
    Report { name: mutant.name(), caught, by, runs, baseline, seconds }
}

/// The run with this number: the bug's own scenarios in turn, every second one a random run. Directed
/// scenarios have few variants, and playing one twice shows nothing new.
fn planned<'a>(directed: &[&'a Scenario], run: u64) -> (Option<&'a Scenario>, u64) {
    let count = directed.len() as u64;
    if count == 0 || run % 2 == 1 {
        return (None, run);
    }
    let (turn, seed) = ((run / 2 % count) as usize, run / 2 / count);
    match directed.get(turn) {
        Some(scenario) if seed < scenario.runs(u64::MAX) => (Some(*scenario), seed),
        _ => (None, run),
    }
}

/// A random run; a panic of the code under test is a violation as others.
fn random(seed: u64, mutant: Option<Mutant>) -> Option<Violation> {
    let run = || {
        let mut world = World::from_seed(seed, &SIZES, false);
        if let Some(mutant) = mutant {
            world.set_mutant(mutant);
        }
        world.run().violation
    };
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Some(Violation { invariant: "panic", text: String::new() }))
}
