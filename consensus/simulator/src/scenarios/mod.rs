//! Faults that are known from other implementations, and those that this one repairs.
//!
//! A scenario is a family of random runs, shaped so that the fault would show, or a directed run on
//! a small stage, in which everything happens as written down. It names the seeded bugs of the core
//! that take its repair out. Without a bug no run of it may break anything; with one, at least one
//! run must.
//!
//! | ids | from where |
//! |---|---|
//! | K1–K30 | bugs that were found in other implementations |
//! | U1–U9 | what is unsafe in Besu |
//! | V1–V13 | what can stand still in Besu |
//! | R1, R2 | rules that are easily got wrong |

mod directed;
mod families;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(feature = "mutants")]
pub use peruri_ibft2::core::Mutant;
use peruri_ibft2::core::{Config, Profile};

use crate::{
    choices::Choices,
    oracle::{Violation, judge::Checked},
    swarm::Swarm,
    world::World,
};

/// A seeded bug; there is none without the feature `mutants`.
#[cfg(not(feature = "mutants"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {}

/// A known fault.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// The faults that it is about.
    pub ids: &'static [&'static str],
    /// What went wrong.
    pub title: &'static str,
    /// Names of the bugs that bring it back.
    pub bugs: &'static [&'static str],
    /// How it is played.
    pub play: Play,
}

/// How a scenario is played.
#[derive(Debug, Clone, Copy)]
pub enum Play {
    /// Random runs of a shape; the argument varies it.
    Random(fn(u64) -> Swarm),
    /// A directed run with so many variants.
    Directed(u64, fn(&Lab) -> Checked),
}

/// What a directed run is played with.
#[derive(Debug, Clone, Copy)]
pub struct Lab {
    /// Which variant.
    pub variant: u64,
    /// The bug that all cores have.
    pub mutant: Option<Mutant>,
    /// Tell what happens, on the standard error.
    pub log: bool,
}

impl Lab {
    /// The configuration of the cores of a chain with this genesis.
    fn config(&self, setting: &stage::Setting, genesis: alloy_primitives::B256) -> Config {
        let schedule = std::sync::Arc::new(setting.schedule());
        let config = Config::new(schedule, setting.chain_id, genesis);
        Config {
            profile: Profile::Normal,
            #[cfg(feature = "mutants")]
            mutant: self.mutant,
            ..config
        }
    }
}

/// All scenarios.
pub fn all() -> impl Iterator<Item = &'static Scenario> + Clone {
    directed::DIRECTED.iter().chain(families::FAMILIES)
}

/// The scenarios that show a bug.
pub fn of_bug(name: &str) -> impl Iterator<Item = &'static Scenario> {
    all().filter(move |scenario| scenario.bugs.contains(&name))
}

impl Scenario {
    /// How many of the first `seeds` runs are different.
    pub const fn runs(&self, seeds: u64) -> u64 {
        match self.play {
            Play::Directed(variants, _) if variants < seeds => variants,
            _ => seeds,
        }
    }

    /// Plays one run, with a bug or without. A panic is a violation as others.
    pub fn play(&self, seed: u64, mutant: Option<Mutant>) -> Option<Violation> {
        let run = || match self.play {
            Play::Random(_) => self.world(seed, mutant, false).and_then(|it| it.run().violation),
            Play::Directed(variants, script) => {
                script(&Lab { variant: seed % variants, mutant, log: false }).err()
            }
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
            Some(Violation { invariant: "panic", text: format!("seed {seed}") })
        })
    }

    /// Plays one directed run and tells what happens; `None` if it is none.
    pub fn show(&self, seed: u64, mutant: Option<Mutant>) -> Option<Checked> {
        let Play::Directed(variants, script) = self.play else { return None };
        Some(script(&Lab { variant: seed % variants, mutant, log: true }))
    }

    /// The world of a random run.
    pub fn world(&self, seed: u64, mutant: Option<Mutant>, log: bool) -> Option<World> {
        let Play::Random(shape) = self.play else { return None };
        #[cfg_attr(not(feature = "mutants"), expect(unused_mut))]
        let mut world = World::new(shape(seed), Choices::from_seed(seed, log), log);
        #[cfg(feature = "mutants")]
        if let Some(mutant) = mutant {
            world.set_mutant(mutant);
        }
        #[cfg(not(feature = "mutants"))]
        let _ = mutant;
        Some(world)
    }
}

/// Runs a scenario with the seeds below `seeds`; the first violation ends it.
pub fn run(scenario: &Scenario, seeds: u64) -> Option<(u64, Violation)> {
    (0..scenario.runs(seeds)).find_map(|seed| Some((seed, scenario.play(seed, None)?)))
}

/// Takes a repair out and plays a scenario until it fails, for at most `limit` of CPU time.
#[cfg(feature = "mutants")]
pub fn fails_with(
    scenario: &Scenario,
    mutant: Mutant,
    limit: std::time::Duration,
) -> Option<(u64, Violation)> {
    let started = crate::cpu::Stopwatch::start();
    (0..scenario.runs(u64::MAX))
        .take_while(|_| started.elapsed() < limit)
        .find_map(|seed| Some((seed, scenario.play(seed, Some(mutant))?)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What has to be shown: K1 to K30, U1 to U9, V1 to V13.
    fn required() -> Vec<String> {
        [("K", 30), ("U", 9), ("V", 13)]
            .into_iter()
            .flat_map(|(letter, last)| (1..=last).map(move |number| format!("{letter}{number}")))
            .collect()
    }

    #[test]
    fn every_known_fault_has_a_scenario_with_a_bug_that_brings_it_back() {
        for id in required() {
            let shows = |scenario: &Scenario| {
                scenario.ids.contains(&id.as_str()) && !scenario.bugs.is_empty()
            };
            assert!(all().any(shows), "{id} has none");
        }
    }

    /// The table of the documentation names the same bugs as the scenarios.
    #[test]
    fn documentation_names_every_known_fault_and_its_bugs() {
        let text = include_str!("../../../README.md");
        for id in required() {
            let row = text.lines().find(|line| line.starts_with(&format!("| {id} |")));
            let cells: Vec<_> = row.unwrap_or_default().split(" | ").collect();
            assert_eq!(cells.len(), 4, "{id}");
            let listed: BTreeSet<&str> =
                cells[2].split(", ").map(|it| it.trim_matches('`')).collect();
            let bugs: BTreeSet<&str> = all()
                .filter(|scenario| scenario.ids.contains(&id.as_str()))
                .flat_map(|scenario| scenario.bugs)
                .copied()
                .collect();
            assert!(!listed.is_empty() && listed.is_subset(&bugs), "{id}: {listed:?} of {bugs:?}");
        }
    }

    #[test]
    fn titles_are_unique() {
        let mut titles: Vec<_> = all().map(|scenario| scenario.title).collect();
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), all().count());
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn every_bug_has_a_scenario_and_every_name_is_a_bug() {
        for mutant in Mutant::ALL {
            assert!(of_bug(mutant.name()).next().is_some(), "{} has none", mutant.name());
        }
        for name in all().flat_map(|scenario| scenario.bugs) {
            assert!(Mutant::ALL.iter().any(|mutant| mutant.name() == *name), "{name}");
        }
    }

    #[test]
    fn known_faults_do_not_come_back() {
        for scenario in all() {
            let broken = run(scenario, 6);
            assert!(broken.is_none(), "{:?} {}: {broken:?}", scenario.ids, scenario.title);
        }
    }

    /// Directed runs are short, so each of their bugs must show in one of the variants.
    #[cfg(feature = "mutants")]
    #[test]
    fn directed_runs_fail_when_their_repair_is_taken_out() {
        for scenario in directed::DIRECTED {
            for name in scenario.bugs {
                let mutant = Mutant::ALL.iter().find(|mutant| mutant.name() == *name).copied();
                let limit = std::time::Duration::from_secs(60);
                let broken = mutant.and_then(|mutant| fails_with(scenario, mutant, limit));
                assert!(broken.is_some(), "{:?} does not notice {name}", scenario.ids);
            }
        }
    }
}
