//! How long a round lasts, and the time a proposer writes into a header.

use core::time::Duration;

/// Length of a round: `base * 2^round`, without a bound (saturating at `u64::MAX` milliseconds).
///
/// This is the rule of validators that do not cap their timers.
pub fn round_timeout(base: Duration, round: u32) -> Duration {
    let base = u64::try_from(base.as_millis()).unwrap_or(u64::MAX);
    let factor = 1u64.checked_shl(round).unwrap_or(u64::MAX);
    Duration::from_millis(base.saturating_mul(factor))
}

/// Length of a round: [`round_timeout`], at most `cap`.
pub fn capped_round_timeout(base: Duration, round: u32, cap: Duration) -> Duration {
    round_timeout(base, round).min(cap)
}

/// Header time in seconds of a fresh block made at `unix_ms` (milliseconds since 1970): rounded to
/// the nearest second in round 0, rounded down in later rounds.
///
/// A block that is proposed again keeps its time.
pub const fn fresh_timestamp(unix_ms: u64, round: u32) -> u64 {
    if round == 0 { unix_ms.saturating_add(500) / 1_000 } else { unix_ms / 1_000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_each_round() {
        let base = Duration::from_secs(2);
        for round in 0..20 {
            assert_eq!(round_timeout(base, round + 1), 2 * round_timeout(base, round));
        }
    }

    #[test]
    fn never_overflows() {
        let longest = Duration::from_millis(u64::MAX);
        for round in [63, 64, 65, u32::MAX] {
            assert_eq!(round_timeout(Duration::from_secs(1), round), longest);
        }
        assert_eq!(round_timeout(Duration::MAX, 0), longest);
        assert_eq!(round_timeout(Duration::ZERO, u32::MAX), Duration::ZERO);
    }

    #[test]
    fn cap_bounds_late_rounds_only() {
        let (base, cap) = (Duration::from_secs(2), Duration::from_secs(10));
        assert_eq!(capped_round_timeout(base, 2, cap), Duration::from_secs(8));
        assert_eq!(capped_round_timeout(base, 3, cap), cap);
        assert_eq!(capped_round_timeout(base, u32::MAX, cap), cap);
    }

    #[test]
    fn header_time_is_rounded_by_round() {
        assert_eq!(fresh_timestamp(10_499, 0), 10);
        assert_eq!(fresh_timestamp(10_500, 0), 11);
        assert_eq!(fresh_timestamp(10_999, 1), 10);
        assert_eq!(fresh_timestamp(u64::MAX, 0), u64::MAX / 1_000);
    }
}
