//! The two clocks of consensus, and the time that a header would say now.

use peruri_ibft2::{Ibft2Schedule, core::Now};
use peruri_primitives::SealedHeader;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The monotonic clock of consensus: milliseconds since the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MonotonicClock {
    start: Instant,
}

impl MonotonicClock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks.
    pub(crate) fn now(&self) -> Now {
        let mono_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { mono_ms, unix_ms: unix_millis() }
    }

    /// The moment at which this clock shows `mono_ms`; a day from now if that is beyond reason.
    pub(crate) fn moment(&self, mono_ms: u64) -> Instant {
        let far = Instant::now() + Duration::from_secs(86_400);
        self.start.checked_add(Duration::from_millis(mono_ms)).map_or(far, |at| at.min(far))
    }
}

/// Milliseconds since the Unix epoch; 0 for a clock before it.
pub(crate) fn unix_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Time of a fresh header in seconds: `fresh`, which the clock says
/// ([`fresh_timestamp`](peruri_ibft2::fresh_timestamp)), but never before the parent's time plus the
/// block period.
pub(crate) fn header_time(schedule: &Ibft2Schedule, parent: &SealedHeader, fresh: u64) -> u64 {
    let earliest = earliest_time(schedule, parent);
    // Between the two a transition by time may lengthen the period.
    let is_late_enough = fresh > earliest && fresh >= bound(schedule, parent, fresh);
    if is_late_enough { fresh } else { earliest }
}

/// A time, in seconds, at which a header on top of `parent` is not too early.
fn earliest_time(schedule: &Ibft2Schedule, parent: &SealedHeader) -> u64 {
    let mut time = parent.timestamp;
    loop {
        // Each step moves to the bound of a later entry of the schedule, so there are few.
        let bound = bound(schedule, parent, time);
        if time >= bound {
            return time;
        }
        time = bound;
    }
}

/// The least time of a header on top of `parent` under the period in force at `time`.
fn bound(schedule: &Ibft2Schedule, parent: &SealedHeader, time: u64) -> u64 {
    let period = schedule.params(parent.number.saturating_add(1), time).period;
    parent.timestamp.saturating_add(period.min_seconds().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use alloy_consensus::Header;
    use peruri_ibft2::{ForkPoints, Ibft2Config, IbftHeader, Transition, fresh_timestamp};

    /// A chain with this period, and from `at` (seconds) on with another.
    fn schedule(config: Ibft2Config, at: u64, seconds: u64) -> Ibft2Schedule {
        let transition =
            Transition { block: at, block_period_seconds: Some(seconds), ..Transition::default() };
        let forks = ForkPoints { blocks: vec![0], times: vec![0] };
        Ibft2Schedule::new(config, vec![transition], &forks).unwrap()
    }

    fn every(seconds: u64) -> Ibft2Config {
        Ibft2Config { block_period_seconds: seconds, ..Ibft2Config::default() }
    }

    fn parent(timestamp: u64) -> SealedHeader {
        let header = Header { number: 7, timestamp, ..Header::default() };
        SealedHeader::seal_slow(IbftHeader::from(header))
    }

    #[test]
    fn header_time_rounds_to_nearest_and_keeps_the_period() {
        let schedule = schedule(every(2), 1_000_000, 2);
        let at = |now_ms| header_time(&schedule, &parent(10), fresh_timestamp(now_ms, 0));
        assert_eq!(at(12_000), 12);
        assert_eq!(at(13_499), 13);
        assert_eq!(at(13_500), 14);
        assert_eq!(at(11_000), 12, "a little early");
        assert_eq!(at(0), 12, "the clock was set back");
    }

    #[test]
    fn below_a_second_the_parents_time_is_kept_and_never_undercut() {
        let config = Ibft2Config { block_period_milliseconds: 20, ..Ibft2Config::default() };
        let schedule = schedule(config, 1_000_000, 1);
        let at = |now_ms| header_time(&schedule, &parent(10), fresh_timestamp(now_ms, 0));
        assert_eq!([at(10_400), at(10_500), at(3_000)], [10, 11, 10]);
    }

    #[test]
    fn a_transition_by_time_is_asked_about_the_new_header_not_its_parent() {
        let schedule = schedule(every(1), 100, 5);
        assert_eq!(earliest_time(&schedule, &parent(98)), 99);
        assert_eq!(earliest_time(&schedule, &parent(99)), 104);
        // 100 would be four seconds too early for a period of five.
        assert_eq!(header_time(&schedule, &parent(98), 100), 99);
        assert_eq!(header_time(&schedule, &parent(98), 103), 103);
    }
}
