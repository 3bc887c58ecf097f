//! Shows that the oracles find bugs: cores with one seeded bug are run until an invariant breaks.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use peruri_ibft2::core::Mutant;

use crate::{oracle::Violation, scenarios, world::World};

/// What became of a mutant.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// The seed that caught it and what it broke.
    pub caught: Option<(u64, Violation)>,
    /// Runs needed.
    pub runs: u64,
    /// Runs that broke something without the bug too.
    pub baseline: u64,
    /// Time needed.
    pub seconds: f64,
}

/// Sizes of the networks in which mutants are searched.
const SIZES: [usize; 8] = [1, 2, 3, 4, 5, 6, 7, 10];

/// Searches every mutant (or the one named `only`) for at most `seconds` each, two at a time.
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
    let started = Instant::now();
    let mut runs = 0;
    let mut baseline = 0;
    let mut caught = None;
    while caught.is_none() && started.elapsed() < limit {
        let seed = runs;
        runs += 1;
        let directed =
            scenarios::ALL.iter().find(|scenario| scenario.bugs.contains(&mutant.name()));
        let run = |mutant: Option<Mutant>| {
            // Every second run is directed, if the bug has a scenario of its own.
            let mut world = match directed {
                Some(scenario) if seed % 2 == 0 => scenarios::world(scenario, seed / 2, false),
                _ => World::from_seed(seed, &SIZES, false),
            };
            if let Some(mutant) = mutant {
                world.set_mutant(mutant);
            }
            world.run().violation
        };
        let found = catch_unwind(AssertUnwindSafe(|| run(Some(mutant))));
        // What breaks without the bug does not show that the bug was found.
        if !matches!(found, Ok(None)) && run(None).is_some() {
            baseline += 1;
            continue;
        }
        caught = match found {
            Ok(violation) => violation.map(|violation| (seed, violation)),
            Err(_) => Some((seed, Violation { invariant: "panic", text: String::new() })),
        };
    }
    Report { name: mutant.name(), caught, runs, baseline, seconds: started.elapsed().as_secs_f64() }
}
