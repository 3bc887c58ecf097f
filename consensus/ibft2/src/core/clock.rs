//! When a height may propose and when its rounds end.
//!
//! Timers run on the monotonic clock. The wall clock only tells how long it is until the time of
//! the parent plus a period, and that is cut at twice the period, so that a clock that is set back
//! delays a height but stops nobody.

use core::time::Duration;

use super::{config::Profile, input::Now};
use crate::{
    config::{BlockPeriod, Ibft2Schedule},
    header::IbftHeader,
    timeout::round_timeout,
};

/// The times of one height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeightTimes {
    /// Monotonic time of the parent's time plus the block period.
    pub(super) block_due: u64,
    /// Monotonic time of the parent's time plus the empty-block period, if there is one.
    pub(super) empty_due: Option<u64>,
    /// Least time of the header in seconds.
    pub(super) not_before: u64,
}

impl HeightTimes {
    /// The times of the height after `parent`, which starts now.
    pub(super) fn new(schedule: &Ibft2Schedule, parent: &IbftHeader, now: Now) -> Self {
        let period = period_after(schedule, parent);
        let block_due = match period {
            BlockPeriod::Seconds(_) => due(parent, period.as_millis(), now),
            BlockPeriod::Milliseconds(length) => now.mono_ms.saturating_add(length),
        };
        let empty = schedule.config().empty_block_period_seconds.saturating_mul(1_000);
        let empty_due = (empty > 0).then(|| due(parent, empty, now).max(block_due));
        let not_before = parent.timestamp.saturating_add(period.min_seconds().unwrap_or(0));
        Self { block_due, empty_due, not_before }
    }

    /// Waits for the wall clock however long that takes.
    #[cfg(feature = "mutants")]
    pub(super) const fn wait_in_full(&mut self, now: Now) {
        let wait = self.not_before.saturating_mul(1_000).saturating_sub(now.unix_ms);
        self.block_due = now.mono_ms.saturating_add(wait);
    }
}

/// The period of the block after `parent`. If a transition lengthens it at the very time at which
/// the block would be due, the longer one counts.
fn period_after(schedule: &Ibft2Schedule, parent: &IbftHeader) -> BlockPeriod {
    let number = parent.number.saturating_add(1);
    let at_parent = schedule.params(number, parent.timestamp).period;
    let due = parent.timestamp.saturating_add(at_parent.as_millis() / 1_000);
    let at_block = schedule.params(number, due).period;
    if at_block.as_millis() > at_parent.as_millis() { at_block } else { at_parent }
}

/// Monotonic time at which the wall clock reaches the parent's time plus `length`, at most twice
/// `length` from now.
fn due(parent: &IbftHeader, length: u64, now: Now) -> u64 {
    let target = parent.timestamp.saturating_mul(1_000).saturating_add(length);
    let wait = target.saturating_sub(now.unix_ms).min(length.saturating_mul(2));
    now.mono_ms.saturating_add(wait)
}

/// Length of `round` in milliseconds.
pub(super) fn timeout_ms(schedule: &Ibft2Schedule, profile: Profile, round: u32) -> u64 {
    let config = schedule.config();
    millis(match profile {
        Profile::Normal => config.round_timeout(round),
        Profile::Besu => round_timeout(config.request_timeout(), round),
    })
}

/// `requesttimeoutseconds` in milliseconds.
pub(super) fn base_ms(schedule: &Ibft2Schedule) -> u64 {
    millis(schedule.config().request_timeout())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        config::{ForkPoints, Ibft2Config, Transition},
        sealing::prepare_header,
    };
    use alloy_consensus::Header;
    use alloy_primitives::Bytes;

    fn schedule(config: Ibft2Config, transitions: Vec<Transition>) -> Ibft2Schedule {
        Ibft2Schedule::new(config, transitions, &ForkPoints::default()).unwrap()
    }

    fn parent(timestamp: u64) -> IbftHeader {
        prepare_header(Header { number: 4, timestamp, ..Header::default() }, Bytes::new())
    }

    fn now(mono_ms: u64, unix_ms: u64) -> Now {
        Now { mono_ms, unix_ms }
    }

    #[test]
    fn block_is_due_a_period_after_the_parent() {
        let schedule =
            schedule(Ibft2Config { block_period_seconds: 5, ..Ibft2Config::default() }, vec![]);
        let times = HeightTimes::new(&schedule, &parent(100), now(7_000, 102_000));
        assert_eq!((times.block_due, times.not_before), (10_000, 105));
        let late = HeightTimes::new(&schedule, &parent(100), now(7_000, 200_000));
        assert_eq!(late.block_due, 7_000);
    }

    #[test]
    fn clock_set_back_waits_at_most_twice_the_period() {
        let schedule =
            schedule(Ibft2Config { block_period_seconds: 5, ..Ibft2Config::default() }, vec![]);
        let times = HeightTimes::new(&schedule, &parent(1_000_000), now(7_000, 0));
        assert_eq!(times.block_due, 17_000);
    }

    #[test]
    fn period_in_milliseconds_counts_from_now() {
        let config = Ibft2Config { block_period_milliseconds: 300, ..Ibft2Config::default() };
        let times = HeightTimes::new(&schedule(config, vec![]), &parent(100), now(50, 0));
        assert_eq!((times.block_due, times.not_before), (350, 100));
    }

    #[test]
    fn empty_period_is_never_below_the_block_period() {
        let config = Ibft2Config {
            block_period_seconds: 5,
            empty_block_period_seconds: 60,
            ..Ibft2Config::default()
        };
        let times =
            HeightTimes::new(&schedule(config.clone(), vec![]), &parent(100), now(0, 100_000));
        assert_eq!((times.block_due, times.empty_due), (5_000, Some(60_000)));
        let short = Ibft2Config { empty_block_period_seconds: 1, ..config };
        let times = HeightTimes::new(&schedule(short, vec![]), &parent(100), now(0, 100_000));
        assert_eq!(times.empty_due, Some(5_000));
    }

    #[test]
    fn longer_period_of_a_transition_counts_for_its_first_block() {
        let longer =
            Transition { block: 5, block_period_seconds: Some(9), ..Transition::default() };
        let schedule = schedule(Ibft2Config::default(), vec![longer]);
        let times = HeightTimes::new(&schedule, &parent(100), now(0, 100_000));
        assert_eq!((times.block_due, times.not_before), (9_000, 109));
    }

    #[test]
    fn only_the_normal_profile_caps_timers() {
        let schedule =
            schedule(Ibft2Config { request_timeout_seconds: 2, ..Ibft2Config::default() }, vec![]);
        assert_eq!(timeout_ms(&schedule, Profile::Normal, 10), 10_000);
        assert_eq!(timeout_ms(&schedule, Profile::Besu, 10), 2_048_000);
        assert_eq!(base_ms(&schedule), 2_000);
    }
}
