//! Liveness (L1–L9): what must happen in bounded time once everything has healed.
//!
//! The world tells what it sees: that it has healed, who has stored and finalised what, which
//! transactions were accepted, which votes were cast. Times are microseconds of the run.
//!
//! | | rule |
//! |---|---|
//! | L1 | the first block comes within f + 2 rounds of the round in which the network was |
//! | L2 | and within (silent + 1) · cap + 3 · base, however long the outage was |
//! | L3 | every node that runs gets all blocks |
//! | L4 | L1 to L3 for one and two validators |
//! | L5 | members that are silent or propose nonsense cost the timeouts of their rounds, no more |
//! | L6 | without them a block comes in each period; without work in each empty period, not before |
//! | L7 | what an honest node accepted is in a block soon, whoever censors |
//! | L8 | votes and overrides stop nobody: L1 to L3 after a change; no vote without a live quorum |
//! | L9 | lies about blocks stop nobody: L1 to L3 where somebody lied |

use std::collections::{BTreeMap, BTreeSet};

use super::judge::{Checked, broken};

/// One second.
const SECOND: u64 = 1_000_000;

/// What a height may take beside waiting and timeouts: messages, disks, work, skewed clocks.
const SLACK: u64 = SECOND;

/// Until all are connected after healing.
const CONNECT: u64 = 1_200_000;

/// The durations that the chain prescribes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Length of round 0.
    pub base: u64,
    /// Longest round.
    pub cap: u64,
    /// Longest block period.
    pub period: u64,
    /// Empty block period; 0 = none.
    pub empty: u64,
}

impl Terms {
    /// Length of a round.
    pub fn timeout(&self, round: u32) -> u64 {
        let doubled = 1_u64.checked_shl(round).and_then(|factor| self.base.checked_mul(factor));
        if round >= 40 { self.cap } else { doubled.unwrap_or(u64::MAX).min(self.cap) }
    }

    /// Length of `count` rounds from `first` on.
    pub fn rounds(&self, first: u32, count: usize) -> u64 {
        (0..count as u32).map(|step| self.timeout(first.saturating_add(step))).sum()
    }

    /// How long a height may wait for its block.
    pub const fn idle(&self) -> u64 {
        self.period + self.empty
    }
}

/// What is known at the moment of healing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Healed {
    /// The moment.
    pub at: u64,
    /// The highest final block.
    pub head: u64,
    /// Number of validators of the next one.
    pub members: usize,
    /// The highest round that an honest member has asked for in it.
    pub round: u32,
    /// Members that are dead, faulty or in doubt.
    pub silent: usize,
    /// Byzantine members that the set tolerates.
    pub f: usize,
    /// The set is not that of the genesis, or somebody has voted.
    pub changed: bool,
    /// Somebody lies about the blocks that it has.
    pub lied: bool,
}

/// What happened when a height became final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The height.
    pub height: u64,
    /// When.
    pub at: u64,
    /// Nodes of the healthy members.
    pub healthy: Vec<usize>,
    /// Rounds before the first one whose proposer is healthy; none if there is no such round.
    pub lost_turns: Option<usize>,
    /// By how much the parent's time is ahead of the true time.
    pub ahead: u64,
    /// Whether the block is empty, was final in round 0 and nobody could have asked for it.
    pub unasked: bool,
    /// Seconds between its time and its parent's.
    pub distance: u64,
}

/// Judge of the time after healing.
#[derive(Debug, Clone)]
pub struct Progress {
    terms: Terms,
    healed: Option<Healed>,
    /// When each node could start each height.
    started: BTreeMap<u64, BTreeMap<usize, u64>>,
    /// Transactions with the height up to which they must be in a block.
    accepted: BTreeMap<u64, u64>,
    /// Transactions in final blocks.
    included: BTreeSet<u64>,
    /// Heights that were judged by L5 or L6.
    pub judged: u64,
}

impl Progress {
    /// Before healing.
    pub const fn new(terms: Terms) -> Self {
        Self {
            terms,
            healed: None,
            started: BTreeMap::new(),
            accepted: BTreeMap::new(),
            included: BTreeSet::new(),
            judged: 0,
        }
    }

    /// The durations that the chain prescribes.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Everything has healed.
    pub const fn heal(&mut self, healed: Healed) {
        self.healed = Some(healed);
    }

    /// How long ago it was healed.
    pub fn waited(&self, now: u64) -> u64 {
        now.saturating_sub(self.healed.map_or(now, |healed| healed.at))
    }

    /// By when the first block must be final by L2.
    pub fn second_bound(&self) -> u64 {
        let Some(healed) = self.healed else { return u64::MAX };
        let Terms { base, cap, .. } = self.terms;
        healed.at + CONNECT + (healed.silent as u64 + 1) * cap + 3 * base + self.terms.idle()
    }

    /// By when the first block must be final by L1: rounds come together by what is sent again, and
    /// of f + 2 of them one has an honest proposer and is begun by all.
    pub fn first_bound(&self) -> u64 {
        let Some(healed) = self.healed else { return u64::MAX };
        let lost = healed.f.max(healed.silent);
        let rounds = self.terms.rounds(healed.round, lost + 2);
        healed.at + CONNECT + self.terms.idle() + 2 * self.terms.base + rounds
    }

    /// Until when the first block may take.
    pub fn deadline(&self) -> u64 {
        self.first_bound().min(self.second_bound())
    }

    /// By when all nodes must have `suffix` blocks more.
    pub fn end(&self, suffix: u64) -> u64 {
        let Some(healed) = self.healed else { return u64::MAX };
        let bound = self.second_bound() - healed.at - CONNECT;
        self.second_bound() + (suffix + 2) * (bound + self.terms.idle())
    }

    /// No block came until the deadline.
    pub fn stuck(&self, now: u64) -> Checked {
        let Some(healed) = self.healed else { return Ok(()) };
        let bound = if self.first_bound() < self.second_bound() { "L1" } else { "L2" };
        let name = self.reason(bound);
        let seconds = now.saturating_sub(healed.at) / SECOND;
        broken(name, format!("height {} is stuck {seconds} s after healing", healed.head + 1))
    }

    /// A node has not got all blocks until the end.
    pub fn behind(&self, now: u64, node: usize, has: u64, wanted: u64) -> Checked {
        let seconds = now.saturating_sub(self.healed.map_or(0, |healed| healed.at)) / SECOND;
        let name = self.reason("L3");
        broken(name, format!("node {node} is at {has} of {wanted} {seconds} s after healing"))
    }

    /// The rule that says most about a network that stands.
    fn reason(&self, general: &'static str) -> &'static str {
        match self.healed {
            Some(healed) if healed.members <= 2 => "L4",
            Some(healed) if healed.changed => "L8",
            Some(healed) if healed.lied => "L9",
            _ => general,
        }
    }

    /// When the first node could start a height.
    pub fn began(&self, height: u64) -> Option<u64> {
        self.started.get(&height)?.values().copied().min()
    }

    /// A node has stored `height` and can start the next one.
    pub fn stored(&mut self, node: usize, height: u64, at: u64) {
        if self.healed.is_some() {
            self.started.entry(height + 1).or_default().insert(node, at);
        }
    }

    /// A height is final for the first time (L5, L6).
    ///
    /// Judged are heights that all healthy members started together.
    ///
    /// # Errors
    /// What is broken.
    pub fn decided(&mut self, decided: Decided) -> Checked {
        let Some(healed) = self.healed else { return Ok(()) };
        let height = decided.height;
        self.started = self.started.split_off(&height);
        let Some(turns) = decided.lost_turns else { return Ok(()) };
        let Some(started) = self.started.get(&height) else { return Ok(()) };
        let times: Option<Vec<u64>> =
            decided.healthy.iter().map(|node| started.get(node).copied()).collect();
        let Some(times) = times else { return Ok(()) };
        let last = times.iter().copied().max().unwrap_or(0);
        let first = times.iter().copied().min().unwrap_or(0);
        if times.is_empty() || last - first > self.terms.base / 2 || height <= healed.head + 2 {
            return Ok(());
        }
        self.judged += 1;
        // A clock that shows less than the parent's time waits twice the period at most.
        let factor = if decided.ahead > 400_000 { 2 } else { 1 };
        let waits = factor * self.terms.idle() + SLACK;
        let took = decided.at.saturating_sub(last);
        let allowed = waits + self.terms.rounds(0, turns);
        if took > allowed {
            let name = if turns == 0 { "L6" } else { "L5" };
            return broken(
                name,
                format!("height {height} took {took} µs of {allowed}, {turns} turns were lost"),
            );
        }
        let empty = self.terms.empty / SECOND;
        if decided.unasked && empty > 0 && decided.distance + 1 < empty {
            return broken(
                "L6",
                format!("height {height} is empty after {} s of {empty}", decided.distance),
            );
        }
        Ok(())
    }

    /// An honest node that stays has accepted a transaction: of the blocks above `head`, at most
    /// `others` are by members that may leave it out.
    pub fn accepted(&mut self, transaction: u64, head: u64, others: usize) {
        if !self.included.contains(&transaction) {
            self.accepted.insert(transaction, head + others as u64 + 1);
        }
    }

    /// A transaction is in a final block.
    pub fn included(&mut self, transaction: u64) {
        self.accepted.remove(&transaction);
        self.included.insert(transaction);
    }

    /// L7, when `head` is final everywhere.
    ///
    /// # Errors
    /// If a transaction is missing that should be there.
    pub fn none_forgotten(&self, head: u64) -> Checked {
        match self.accepted.iter().find(|(_, due)| **due <= head) {
            Some((transaction, due)) => broken(
                "L7",
                format!("transaction {transaction} was due in block {due}, the head is {head}"),
            ),
            None => Ok(()),
        }
    }

    /// An unforced vote is cast that makes a set of which at most `live` can be reached (L8).
    ///
    /// # Errors
    /// If they are no quorum of it.
    pub fn voted(live: usize, quorum: usize, who: usize) -> Checked {
        if live < quorum {
            return broken(
                "L8",
                format!("node {who} votes for a set with {live} of {quorum} live"),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms =
        Terms { base: 2 * SECOND, cap: 10 * SECOND, period: SECOND, empty: 4 * SECOND };

    const HEALED: Healed = Healed {
        at: 100 * SECOND,
        head: 5,
        members: 4,
        round: 0,
        silent: 0,
        f: 1,
        changed: false,
        lied: false,
    };

    fn decided(seconds: u64) -> Decided {
        Decided {
            height: 9,
            at: (200 + seconds) * SECOND,
            healthy: vec![0, 3],
            lost_turns: Some(0),
            ahead: 0,
            unasked: false,
            distance: 5,
        }
    }

    fn healed(healed: Healed) -> Progress {
        let mut progress = Progress::new(TERMS);
        progress.heal(healed);
        progress
    }

    fn name(checked: Checked) -> &'static str {
        checked.err().map_or("", |violation| violation.invariant)
    }

    /// Two healthy members start height 9 at second 200.
    fn started(second: u64) -> Progress {
        let mut progress = healed(HEALED);
        progress.stored(0, 8, 200 * SECOND);
        progress.stored(1, 8, 100 * SECOND);
        progress.stored(3, 8, second * SECOND);
        progress
    }

    #[test]
    fn rounds_double_up_to_the_cap() {
        let lengths: Vec<u64> = (0..6).map(|round| TERMS.timeout(round) / SECOND).collect();
        assert_eq!(lengths, [2, 4, 8, 10, 10, 10]);
        assert_eq!(TERMS.timeout(u32::MAX), TERMS.cap);
        assert_eq!(TERMS.rounds(1, 2), 12 * SECOND);
    }

    #[test]
    fn l1_few_rounds_from_where_the_network_was() {
        let progress = healed(HEALED);
        // 1.2 s to connect, 5 s idle, twice 2 s to come together, rounds of 2, 4 and 8 s.
        assert_eq!(progress.first_bound() - HEALED.at, 24_200_000);
        assert_eq!(name(progress.stuck(progress.deadline() + 1)), "L2");
        let calm = healed(Healed { silent: 1, round: 0, ..HEALED });
        assert_eq!(calm.deadline(), calm.first_bound());
        assert_eq!(name(calm.stuck(calm.deadline() + 1)), "L1");
    }

    #[test]
    fn l2_no_longer_after_a_long_outage() {
        let long = healed(Healed { round: 4_000, silent: 1, ..HEALED });
        let short = healed(Healed { silent: 1, ..HEALED });
        assert_eq!(long.second_bound(), short.second_bound());
        assert_eq!(name(long.stuck(long.deadline() + 1)), "L2");
    }

    #[test]
    fn l3_everybody_gets_all_blocks() {
        assert_eq!(name(healed(HEALED).behind(300 * SECOND, 2, 6, 8)), "L3");
    }

    #[test]
    fn l4_small_networks_l8_changed_ones_l9_lies() {
        let one = healed(Healed { members: 1, changed: true, ..HEALED });
        assert_eq!(name(one.stuck(u64::MAX)), "L4");
        let changed = healed(Healed { changed: true, lied: true, ..HEALED });
        assert_eq!(name(changed.stuck(u64::MAX)), "L8");
        assert_eq!(name(changed.behind(u64::MAX, 0, 0, 0)), "L8");
        let lied = healed(Healed { lied: true, ..HEALED });
        assert_eq!(name(lied.behind(u64::MAX, 0, 0, 0)), "L9");
    }

    #[test]
    fn l5_lost_turns_cost_their_timeouts() {
        let took = |seconds: u64, turns| {
            started(200).decided(Decided { lost_turns: Some(turns), ..decided(seconds) })
        };
        // 5 s idle, 1 s slack, 2 s for the first turn that is lost, 4 s for the second.
        assert_eq!(name(took(12, 2)), "");
        assert_eq!(name(took(13, 2)), "L5");
        assert_eq!(name(took(9, 1)), "L5");
    }

    #[test]
    fn l6_a_block_in_each_period() {
        assert_eq!(name(started(200).decided(decided(7))), "L6");
        assert_eq!(name(started(200).decided(Decided { ahead: SECOND, ..decided(7) })), "");
        // Who starts late is waited for, and nobody judges.
        assert_eq!(name(started(202).decided(decided(20))), "");
        let early = Decided { unasked: true, distance: 1, ..decided(1) };
        assert_eq!(name(started(200).decided(early.clone())), "L6");
        assert_eq!(name(started(200).decided(Decided { distance: 4, ..early })), "");
    }

    #[test]
    fn l7_accepted_transactions_are_included() {
        let mut progress = healed(HEALED);
        progress.accepted(7, 10, 2);
        progress.accepted(8, 10, 2);
        progress.included(7);
        assert_eq!(name(progress.none_forgotten(12)), "");
        assert_eq!(name(progress.none_forgotten(13)), "L7");
        progress.included(8);
        assert_eq!(name(progress.none_forgotten(13)), "");
    }

    #[test]
    fn l8_votes_need_a_live_quorum() {
        assert_eq!(name(Progress::voted(3, 3, 0)), "");
        assert_eq!(name(Progress::voted(2, 3, 0)), "L8");
    }
}
