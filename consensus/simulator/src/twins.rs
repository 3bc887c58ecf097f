//! Systematic twins: one member runs two instances with one key that do not know of each other, and
//! every sequence of leaders and partitions is tried (Bano et al., "Twins: BFT systems made
//! robust", 2021).
//!
//! A scenario is a list of rounds, each with a leader and a division of all instances into at most
//! two parts. The protocol's own rounds go around the members, so a leader is chosen by letting the
//! rounds before its turn pass without a proposal. In a chosen round Proposal, Prepare and Commit
//! reach the sender's part only; RoundChanges for it reach the other part later. Nobody learns
//! blocks in another way. Then everything heals and ten blocks have to follow.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    choices::{Choices, Tape},
    oracle::wire::Kind,
    swarm::{SECOND, Swarm},
    world::{Outcome, World},
};

/// Blocks that must follow when the network has healed.
const SUFFIX: u64 = 10;

/// By how much RoundChanges to another part are late, in microseconds.
const LATE: u64 = 300_000;

/// What the network does with messages of the first height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Protocol rounds in which something passes, with the part of each instance as a bit.
    rounds: Vec<(u32, u32)>,
}

impl Plan {
    /// The scenario `index` of `rounds` rounds of `n` members and `instances` instances.
    pub fn new(index: u64, rounds: u32, n: u32, instances: u32) -> Self {
        let parts = 1_u64 << (instances - 1);
        let mut left = index;
        let mut list: Vec<(u32, u32)> = Vec::new();
        for _ in 0..rounds {
            let leader = (left % u64::from(n)) as u32;
            left /= u64::from(n);
            // The first instance is always in part 0.
            let part = ((left % parts) << 1) as u32;
            left /= parts;
            let first = list.last().map_or(0, |(round, _)| round + 1);
            let round = first + (leader + n - first % n) % n;
            list.push((round, part));
        }
        Self { rounds: list }
    }

    /// Number of scenarios.
    pub fn count(rounds: u32, n: u32, instances: u32) -> u64 {
        (u64::from(n) << (instances - 1)).pow(rounds)
    }

    /// How long a message waits, or `None` if it is lost.
    pub fn delay(&self, from: usize, to: usize, kind: Kind, round: u32) -> Option<u64> {
        let chosen = self.rounds.iter().find(|(chosen, _)| *chosen == round);
        let together = |parts: u32| (parts >> from) & 1 == (parts >> to) & 1;
        match (kind, chosen) {
            (Kind::RoundChange, Some((_, parts))) if !together(*parts) => Some(LATE),
            (Kind::RoundChange, _) => Some(0),
            (_, Some((_, parts))) if together(*parts) => Some(0),
            _ => None,
        }
    }

    /// The protocol's round that the `count`-th chosen round is.
    fn round(&self, count: u32) -> u32 {
        let at = (count as usize).saturating_sub(1);
        self.rounds.get(at).map_or(0, |(round, _)| *round)
    }

    /// When the last chosen round is over, with rounds of a second each, in microseconds.
    fn end(&self) -> u64 {
        let last = self.rounds.last().map_or(0, |(round, _)| *round);
        (u64::from(last) + 3) * SECOND
    }
}

/// The world of a scenario; nothing in it is random.
pub fn world(index: u64, n: usize, rounds: u32, log: bool) -> World {
    let instances = n as u32 + 1;
    let plan = Plan::new(index, rounds, n as u32, instances);
    let mut swarm = Swarm::calm(n);
    swarm.base = 1;
    swarm.cap = Some(1);
    swarm.safety = plan.end();
    swarm.suffix = SUFFIX;
    swarm.byzantine.members = 1;
    swarm.byzantine.twins = true;
    let mut world = World::new(swarm, Choices::from_tape(Tape::default()), log);
    world.plan = Some(plan);
    world
}

/// The sum of all scenarios.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Scenarios without a violation.
    pub passed: u64,
    /// Of those the ones that need not be run: they differ from another one only in rounds that
    /// nobody reached before healing.
    pub equal: u64,
    /// Scenarios with one.
    pub failed: Vec<(u64, String)>,
    /// Events handled.
    pub events: u64,
    /// Wall time.
    pub wall: Duration,
}

/// Runs all scenarios.
pub fn all(n: usize, rounds: u32, threads: usize) -> Summary {
    let started = Instant::now();
    let instances = n as u32 + 1;
    let shared = rounds.min(2);
    let count = Plan::count(shared, n as u32, instances);
    let rest = Plan::count(rounds - shared, n as u32, instances);
    let next = AtomicU64::new(0);
    let total = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = Summary::default();
                loop {
                    let first = next.fetch_add(1, Ordering::Relaxed);
                    if first >= count {
                        break;
                    }
                    let last = Plan::new(first, shared, n as u32, instances).round(shared);
                    for others in 0..rest {
                        let index = first + count * others;
                        let outcome: Outcome = world(index, n, rounds, false).run();
                        own.events += outcome.events;
                        match outcome.violation {
                            None => own.passed += 1,
                            Some(violation) => {
                                eprintln!("scenario {index}: {violation}");
                                own.failed.push((index, violation.to_string()));
                                continue;
                            }
                        }
                        if others == 0 && outcome.reached <= last {
                            own.passed += rest - 1;
                            own.equal += rest - 1;
                            break;
                        }
                    }
                }
                if let Ok(mut total) = total.lock() {
                    total.passed += own.passed;
                    total.equal += own.equal;
                    total.events += own.events;
                    total.failed.extend(own.failed);
                }
            });
        }
    });
    let mut total = total.into_inner().unwrap_or_default();
    total.failed.sort();
    total.wall = started.elapsed();
    total
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn scenarios_are_as_many_as_announced_and_all_different() {
        assert_eq!(Plan::count(2, 4, 5), 4_096);
        assert_eq!(Plan::count(3, 4, 5), 262_144);
        let plans: BTreeSet<_> = (0..4_096).map(|index| Plan::new(index, 2, 4, 5).rounds).collect();
        assert_eq!(plans.len(), 4_096);
    }

    #[test]
    fn leaders_come_in_their_turn() {
        for index in 0..4_096 {
            let plan = Plan::new(index, 2, 4, 5);
            let [(first, _), (second, _)] = plan.rounds.as_slice() else { panic!("two rounds") };
            assert_eq!(u64::from(first % 4), index % 4);
            assert!(second > first && second - first <= 4);
        }
    }

    #[test]
    fn scenarios_end_well() {
        for index in [0, 1, 17, 63, 64, 1_000, 4_095] {
            let outcome = world(index, 4, 2, false).run();
            assert_eq!(outcome.violation, None, "{index}");
            assert!(outcome.head >= SUFFIX);
        }
    }
}
