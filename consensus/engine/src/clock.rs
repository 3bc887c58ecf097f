//! Wall-clock arithmetic of block production.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch; 0 for a clock before it.
pub(crate) fn unix_millis() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Time of a fresh round-0 header in seconds: the clock rounded to the nearest second, but never
/// before `not_before`.
pub(crate) const fn header_time(now_ms: u64, not_before: u64) -> u64 {
    let rounded = now_ms.saturating_add(500) / 1_000;
    if rounded < not_before { not_before } else { rounded }
}

/// How long to wait from `now_ms` until `target_ms`, at most `longest`: a clock that was set back
/// delays a block, it does not stop the chain.
pub(crate) fn wait_until(target_ms: u64, now_ms: u64, longest: Duration) -> Duration {
    Duration::from_millis(target_ms.saturating_sub(now_ms)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_time_rounds_to_nearest_and_keeps_the_period() {
        assert_eq!(header_time(10_499, 0), 10);
        assert_eq!(header_time(10_500, 0), 11);
        assert_eq!(header_time(10_500, 12), 12);
        assert_eq!(header_time(u64::MAX, 0), u64::MAX / 1_000);
    }

    #[test]
    fn a_clock_set_back_waits_no_longer_than_the_cap() {
        let cap = Duration::from_secs(4);
        assert_eq!(wait_until(5_000, 4_000, cap), Duration::from_secs(1));
        assert_eq!(wait_until(4_000, 5_000, cap), Duration::ZERO);
        assert_eq!(wait_until(u64::MAX, 0, cap), cap);
    }
}
