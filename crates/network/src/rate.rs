//! Token buckets.

use crate::Rate;
use std::time::{Duration, Instant};

/// Tokens that refill at a steady rate.
#[derive(Debug, Clone)]
pub(crate) struct TokenBucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl TokenBucket {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: f64::from(rate.burst), filled: now }
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        let gained = seconds * f64::from(self.rate.per_second);
        self.tokens = (self.tokens + gained).min(f64::from(self.rate.burst));
        self.filled = now;
    }

    /// Takes `count` tokens if there are so many.
    pub(crate) fn try_take(&mut self, count: usize, now: Instant) -> bool {
        self.refill(now);
        let enough = self.tokens >= count as f64;
        if enough {
            self.tokens -= count as f64;
        }
        enough
    }

    /// Takes `count` tokens, on credit if there are too few, and says how long to wait until the
    /// credit is paid back.
    pub(crate) fn take(&mut self, count: usize, now: Instant) -> Duration {
        self.refill(now);
        self.tokens -= count as f64;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(-self.tokens / f64::from(self.rate.per_second.max(1)))
    }

    /// Whether nothing was taken lately.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens >= f64::from(self.rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(Rate { per_second: 10, burst: 2 }, start);
        assert!(bucket.try_take(2, start) && !bucket.try_take(1, start));
        let later = start + Duration::from_millis(150);
        assert!(bucket.try_take(1, later) && !bucket.try_take(1, later));
        assert!(!bucket.is_full(later));
        assert!(bucket.is_full(start + Duration::from_secs(9)));
    }

    #[test]
    fn credit_is_paid_back_by_waiting() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(Rate { per_second: 10, burst: 5 }, start);
        assert_eq!(bucket.take(5, start), Duration::ZERO);
        assert_eq!(bucket.take(20, start), Duration::from_secs(2));
        assert_eq!(bucket.take(0, start + Duration::from_secs(2)), Duration::ZERO);
    }
}
