//! How long the honest part of the network takes for a block.
//!
//! A height whose proposer of round 0 is away or the attacker costs a round in any case, with and
//! without an attack, so it is left out. All others count, whatever round they needed.

use alloy_primitives::Address;
use std::time::Duration;

/// A block, when some node first showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) number: u64,
    pub(super) proposer: Address,
    pub(super) at: Duration,
}

/// Times from one block to the next, in order, of the heights that count. A block that has not come
/// by `end` counts if it is later than all others.
pub(super) fn intervals(
    blocks: &[Sighting],
    validators: &[Address],
    left_out: &[Address],
    end: Duration,
) -> Vec<Duration> {
    let counts = |parent: &Sighting| {
        next_proposer(validators, parent.proposer).is_some_and(|it| !left_out.contains(&it))
    };
    let mut found: Vec<_> = blocks
        .windows(2)
        .filter(|pair| pair[1].number == pair[0].number + 1 && counts(&pair[0]))
        .map(|pair| pair[1].at.saturating_sub(pair[0].at))
        .collect();
    if let Some(last) = blocks.last().filter(|last| counts(last)) {
        let open = end.saturating_sub(last.at);
        if found.iter().all(|it| *it < open) {
            found.push(open);
        }
    }
    found
}

/// Who proposes in round 0 after a block of `last`: the next in the order of addresses.
fn next_proposer(validators: &[Address], last: Address) -> Option<Address> {
    let next = validators.iter().filter(|it| **it > last).min();
    next.or_else(|| validators.iter().min()).copied()
}

/// What is said of a number of intervals.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Summary {
    pub(super) count: usize,
    /// In seconds, as the others.
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Summary {
    pub(super) fn of(intervals: &[Duration]) -> Self {
        let mut sorted: Vec<f64> = intervals.iter().map(Duration::as_secs_f64).collect();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        // Nearest rank.
        let rank = |percent: usize| (count * percent).div_ceil(100).saturating_sub(1);
        let percentile = |percent| sorted.get(rank(percent)).copied().unwrap_or_default();
        Self {
            count,
            mean: sorted.iter().sum::<f64>() / count.max(1) as f64,
            p50: percentile(50),
            p99: percentile(99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Duration = Duration::from_millis(6_100);

    fn address(byte: u8) -> Address {
        Address::repeat_byte(byte)
    }

    fn seen(number: u64, proposer: u8, at: u64) -> Sighting {
        Sighting { number, proposer: address(proposer), at: Duration::from_millis(at) }
    }

    #[test]
    fn heights_of_who_is_left_out_do_not_count() {
        let validators = [3, 1, 2].map(address);
        // 3 is away: its height goes to 1 in another round, and the next one is 2's.
        let blocks = [seen(1, 1, 0), seen(2, 2, 1_000), seen(3, 1, 5_000), seen(4, 2, 6_000)];
        let found = intervals(&blocks, &validators, &[address(3)], END);
        assert_eq!(found, [1_000, 1_000].map(Duration::from_millis));
        let all = intervals(&blocks, &validators, &[], END);
        assert_eq!(all, [1_000, 4_000, 1_000].map(Duration::from_millis));
    }

    #[test]
    fn a_chain_that_stands_still_is_seen() {
        let validators = [1, 2].map(address);
        let blocks = [seen(1, 1, 0), seen(2, 2, 1_000)];
        let found = intervals(&blocks, &validators, &[], END);
        assert_eq!(found, [1_000, 5_100].map(Duration::from_millis));
        // Between two sightings there were others: nothing is known about them.
        let blocks = [seen(1, 1, 0), seen(3, 1, 6_000)];
        let found = intervals(&blocks, &validators, &[], END);
        assert_eq!(found, [Duration::from_millis(100)]);
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred: Vec<_> = (1..=100).map(Duration::from_secs).collect();
        let summary = Summary::of(&hundred);
        assert_eq!((summary.count, summary.mean), (100, 50.5));
        assert_eq!((summary.p50, summary.p99), (50.0, 99.0));
        assert_eq!(Summary::of(&[]), Summary::default());
    }
}
