//! When things happen: decided from the seed before the start.

use super::{Perturbation, Scenario};
use alloy_primitives::keccak256;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Duration;

/// Most occurrences of one perturbation: a file with a tiny interval is a mistake.
const MOST: u32 = 10_000;

/// An occurrence of a perturbation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occurrence {
    /// When it begins.
    pub(super) at: Duration,
    /// Number of the perturbation in the file.
    pub(super) perturbation: usize,
    /// Number of the occurrence.
    pub(super) number: u32,
}

impl Occurrence {
    /// A stream of random numbers of its own, so that one occurrence that is left out changes
    /// nothing for the others.
    pub(super) fn random(&self, seed: u64) -> StdRng {
        stream(seed, &format!("occurrence {} {}", self.perturbation, self.number))
    }
}

/// The stream of random numbers with this name.
fn stream(seed: u64, name: &str) -> StdRng {
    let digest = keccak256([&seed.to_be_bytes(), name.as_bytes()].concat());
    StdRng::from_seed(digest.0)
}

impl Scenario {
    /// All occurrences in the order of their times.
    pub(super) fn plan(&self, seed: u64) -> Vec<Occurrence> {
        let mut plan: Vec<_> = (0..)
            .zip(&self.perturbations)
            .flat_map(|(index, it)| self.occurrences(seed, index, it))
            .collect();
        plan.sort_by_key(|it| (it.at, it.perturbation, it.number));
        plan
    }

    fn occurrences(&self, seed: u64, index: usize, it: &Perturbation) -> Vec<Occurrence> {
        let lasts = it.lasts.unwrap_or(0.0);
        let mut random = stream(seed, &format!("times {index}"));
        let mut found = Vec::new();
        for number in 0..MOST {
            let at = match (it.at, it.every) {
                (Some(at), _) if number == 0 => at,
                (None, Some(every)) => {
                    let room = (every - lasts).max(0.0);
                    f64::from(number) * every + random.random::<f64>() * room
                }
                _ => break,
            };
            // Drawn for every occurrence, so that the probability of one does not move the others.
            let happens = random.random::<f64>() < it.probability;
            if at + lasts > self.duration {
                break;
            }
            if happens {
                let at = Duration::from_secs_f64(at);
                found.push(Occurrence { at, perturbation: index, number });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(perturbations: &str) -> Scenario {
        let text = format!("name = 'x'\nnodes = 4\nduration = 60\n{perturbations}");
        Scenario::parse(&text).expect("scenario")
    }

    const EVERY: &str = "[[perturbation]]\nfault = 'kill'\nevery = 10\nfor = 4\n";

    #[test]
    fn one_occurrence_lies_whole_in_each_interval() {
        let scenario = scenario(EVERY);
        for seed in 0..20 {
            let plan = scenario.plan(seed);
            assert_eq!(plan.len(), 6);
            for (number, it) in plan.iter().enumerate() {
                let start = 10.0 * number as f64;
                assert!((start..start + 6.0).contains(&it.at.as_secs_f64()), "{it:?}");
            }
            assert_eq!(plan, scenario.plan(seed));
        }
        assert_ne!(scenario.plan(0), scenario.plan(1));
    }

    #[test]
    fn another_perturbation_does_not_move_the_first() {
        let alone = scenario(EVERY).plan(3);
        let joined = scenario(&EVERY.repeat(2)).plan(3);
        let first: Vec<_> = joined.into_iter().filter(|it| it.perturbation == 0).collect();
        assert_eq!(alone, first);
    }

    #[test]
    fn probability_thins_out() {
        let always = scenario(EVERY).plan(5);
        let sometimes = scenario(&format!("{EVERY}probability = 0.5\n"));
        let mut count = 0;
        for seed in 0..100 {
            count += sometimes.plan(seed).len();
        }
        assert!((200..400).contains(&count), "{count}");
        assert!(sometimes.plan(5).iter().all(|it| always.contains(it)), "times stay");
    }

    #[test]
    fn what_would_end_too_late_does_not_begin() {
        let at = |at| scenario(&format!("[[perturbation]]\nfault = 'kill'\nat = {at}\nfor = 5"));
        assert_eq!(at(55).plan(0).len(), 1);
        assert_eq!(at(56).plan(0).len(), 0);
    }
}
