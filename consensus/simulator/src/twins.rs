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
    world::World,
};

/// Blocks that must follow when the network has healed.
const SUFFIX: u64 = 10;

/// By how much RoundChanges to another part are late, in microseconds.
const LATE: u64 = 300_000;

/// What makes two instances of one member differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They do not know of each other.
    Split,
    /// In addition the second one restarts from its first disk after every chosen round.
    Forgetful,
}

/// What the network does with messages of the first height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    members: u32,
    instances: u32,
    mode: Mode,
    /// Protocol rounds in which something passes, with the part of each instance as a bit.
    rounds: Vec<(u32, u32)>,
}

impl Plan {
    /// A scenario of `members` of which one runs twice, with no round chosen yet.
    pub const fn new(members: u32, mode: Mode) -> Self {
        Self { members, instances: members + 1, mode, rounds: Vec::new() }
    }

    /// Number of ways to choose a round: a leader and a division.
    pub const fn choices(members: u32) -> u64 {
        (members as u64) << members
    }

    /// Chooses the next round and returns which of the protocol's rounds it is.
    pub fn choose(&mut self, choice: u32) -> u32 {
        let leader = choice % self.members;
        // The first instance is always in part 0.
        let part = (choice / self.members % (1 << (self.instances - 1))) << 1;
        let first = self.rounds.last().map_or(0, |(round, _)| round + 1);
        let round = first + (leader + self.members - first % self.members) % self.members;
        self.rounds.push((round, part));
        round
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

    /// The last of the protocol's rounds on which the choices so far decide, -1 for none.
    pub fn last(&self) -> i64 {
        self.rounds.last().map_or(-1, |(round, _)| i64::from(*round))
    }

    /// The instance that forgets, if one does.
    pub fn forgetful(&self) -> Option<usize> {
        (self.mode == Mode::Forgetful).then_some(self.instances as usize - 1)
    }

    /// Whether the next choice decides on what happens at `now` or soon after: in which round the
    /// second instance forgets next.
    pub fn asks_at(&self, now: u64) -> bool {
        self.mode == Mode::Forgetful && now >= (self.last() + 2).unsigned_abs() * SECOND
    }

    /// When the last chosen round is over, with rounds of a second each, in microseconds.
    pub fn end(&self) -> u64 {
        let last = self.rounds.last().map_or(0, |(round, _)| *round);
        (u64::from(last) + 3) * SECOND
    }
}

/// The world of all scenarios before anything is chosen; nothing in it is random.
fn root(n: usize, mode: Mode, log: bool) -> World {
    let mut swarm = Swarm::calm(n);
    swarm.base = 1;
    swarm.cap = Some(1);
    swarm.suffix = SUFFIX;
    swarm.byzantine.members = 1;
    swarm.byzantine.twins = true;
    let mut world = World::new(swarm, Choices::from_tape(Tape::default()), log);
    world.plan = Some(Plan::new(n as u32, mode));
    world
}

/// The world of the scenario `index` of `rounds` rounds.
pub fn world(index: u64, n: usize, rounds: u32, mode: Mode, log: bool) -> World {
    let mut world = root(n, mode, log);
    let ways = Plan::choices(n as u32);
    let mut left = index;
    for _ in 0..rounds {
        world.choose((left % ways) as u32);
        left /= ways;
    }
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
    /// Events handled, those of a common beginning in every scenario.
    pub events: u64,
    /// Wall time.
    pub wall: Duration,
}

impl Summary {
    /// Runs all scenarios that begin as `world`, in which `left` rounds are not chosen yet; `index`
    /// is made of the choices so far, `unit` what the next one counts.
    fn explore(&mut self, world: &World, left: u32, index: u64, unit: u64, ways: u64) {
        // Scenarios share their beginning up to the first message on which the next choice decides.
        let before = if left > 0 { world.before_choice() } else { None };
        if let Some(before) = before {
            for choice in 0..ways {
                let mut next = before.clone();
                next.choose(choice as u32);
                self.explore(&next, left - 1, index + unit * choice, unit * ways, ways);
            }
            return;
        }
        let equal = ways.pow(left);
        let outcome = world.clone().run();
        self.events += outcome.events;
        match outcome.violation {
            None => {
                self.passed += equal;
                self.equal += equal - 1;
            }
            Some(violation) => {
                eprintln!("scenario {index}: {violation}");
                self.failed.push((index, violation.to_string()));
            }
        }
    }
}

/// Runs all scenarios.
pub fn all(n: usize, rounds: u32, mode: Mode, threads: usize) -> Summary {
    let started = Instant::now();
    let ways = Plan::choices(n as u32);
    let shared = rounds.min(2);
    let next = AtomicU64::new(0);
    let total = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                let mut own = Summary::default();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= ways.pow(shared) {
                        break;
                    }
                    let world = world(index, n, shared, mode, false);
                    own.explore(&world, rounds - shared, index, ways.pow(shared), ways);
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

    fn plan(index: u64, rounds: u32) -> Plan {
        world(index, 4, rounds, Mode::Split, false).plan.unwrap_or(Plan::new(4, Mode::Split))
    }

    #[test]
    fn scenarios_are_as_many_as_announced_and_all_different() {
        assert_eq!(Plan::choices(4).pow(2), 4_096);
        assert_eq!(Plan::choices(4).pow(3), 262_144);
        let plans: BTreeSet<_> = (0..4_096).map(|index| plan(index, 2).rounds).collect();
        assert_eq!(plans.len(), 4_096);
    }

    #[test]
    fn leaders_come_in_their_turn() {
        for index in 0..4_096 {
            let plan = plan(index, 2);
            let [(first, _), (second, _)] = plan.rounds.as_slice() else { panic!("two rounds") };
            assert_eq!(u64::from(first % 4), index % 4);
            assert!(second > first && second - first <= 4);
        }
    }

    #[test]
    fn scenarios_end_well() {
        for mode in [Mode::Split, Mode::Forgetful] {
            for index in [0, 1, 17, 63, 64, 1_000, 4_095] {
                let outcome = world(index, 4, 2, mode, false).run();
                assert_eq!(outcome.violation, None, "{index}");
                assert!(outcome.head >= SUFFIX);
            }
        }
    }

    /// What is shared by scenarios changes none of them.
    #[test]
    fn a_common_beginning_is_the_beginning_of_each() {
        for mode in [Mode::Split, Mode::Forgetful] {
            for first in [0, 3, 22, 61] {
                let begun = world(first, 4, 1, mode, false);
                let Some(before) = begun.before_choice() else { continue };
                for second in [0, 5, 33] {
                    let mut forked = before.clone();
                    forked.choose(second as u32);
                    let forked = forked.run();
                    let whole = world(first + 64 * second, 4, 2, mode, false).run();
                    assert_eq!(forked.trace, whole.trace, "{first} {second}");
                    assert_eq!(forked.events, whole.events);
                }
            }
        }
    }
}
