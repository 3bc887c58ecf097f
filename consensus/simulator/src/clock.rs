//! The clocks of a node: one that runs since its start, one that shows the time of day.

/// The time of day at the start of a run, in milliseconds since 1970.
pub const EPOCH_MS: u64 = 1_700_000_000_000;

/// The clocks of one node.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    /// When the node was started, in microseconds of the run.
    pub boot: u64,
    /// Parts per million by which both run fast (or slow).
    pub drift: i64,
    /// Milliseconds by which the time of day is ahead.
    pub skew: i64,
}

impl Clock {
    /// Milliseconds since the start.
    pub fn mono_ms(&self, now: u64) -> u64 {
        self.scaled(now.saturating_sub(self.boot)) / 1_000
    }

    /// Milliseconds since 1970.
    pub fn unix_ms(&self, now: u64) -> u64 {
        (EPOCH_MS + self.scaled(now) / 1_000).saturating_add_signed(self.skew)
    }

    /// The moment of the run at which the running clock shows at least `mono_ms`.
    pub fn moment(&self, mono_ms: u64) -> u64 {
        let scaled = u128::from(mono_ms) * 1_000 * 1_000_000;
        let rate = 1_000_000_i64.saturating_add(self.drift).max(1).unsigned_abs();
        let micros = scaled.div_ceil(u128::from(rate));
        self.boot.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    fn scaled(&self, micros: u64) -> u64 {
        let rate = 1_000_000_i64.saturating_add(self.drift).max(1).unsigned_abs();
        let scaled = u128::from(micros) * u128::from(rate) / 1_000_000;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_never_fire_early() {
        for drift in [-500, -1, 0, 3, 500] {
            let clock = Clock { boot: 12_345, drift, skew: 0 };
            for at in [0, 1, 7, 1_000, 123_457, 86_400_000] {
                assert!(clock.mono_ms(clock.moment(at)) >= at, "{drift} {at}");
                assert!(clock.mono_ms(clock.moment(at)) <= at + 1);
            }
        }
    }
}
