//! Penalties that fade, and bans that grow.

use crate::Scoring;
use std::time::{Duration, Instant};

/// What a peer did wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Penalty {
    /// How bad it is; at `Scoring::ban_threshold` the peer is banned.
    pub weight: f64,
    /// For the operator.
    pub reason: String,
}

impl Penalty {
    /// A penalty.
    pub fn new(weight: f64, reason: impl Into<String>) -> Self {
        Self { weight, reason: reason.into() }
    }
}

/// Bans after which the length grows no further.
const MAX_DOUBLINGS: u32 = 16;

/// Score below which a peer is as good as one that never did anything.
const FORGOTTEN: f64 = 0.01;

/// What is known against one peer.
#[derive(Debug, Clone)]
pub(crate) struct Reputation {
    score: f64,
    updated: Instant,
    bans: u32,
    banned_until: Option<Instant>,
}

impl Reputation {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { score: 0.0, updated: now, bans: 0, banned_until: None }
    }

    /// The sum of the penalties, each halved once per half-life.
    pub(crate) fn score(&self, now: Instant, scoring: &Scoring) -> f64 {
        let age = now.saturating_duration_since(self.updated).as_secs_f64();
        self.score * (-age / scoring.half_life.as_secs_f64().max(f64::EPSILON)).exp2()
    }

    /// Adds a penalty; gives the length of the ban if it bans.
    pub(crate) fn penalise(
        &mut self,
        weight: f64,
        now: Instant,
        scoring: &Scoring,
    ) -> Option<Duration> {
        self.score = self.score(now, scoring) + weight.max(0.0);
        self.updated = now;
        if self.score < scoring.ban_threshold || self.is_banned(now) {
            return None;
        }
        let factor = 1_u32 << self.bans.min(MAX_DOUBLINGS);
        let length = scoring.ban_min.saturating_mul(factor).min(scoring.ban_max);
        self.bans = self.bans.saturating_add(1);
        self.banned_until = now.checked_add(length);
        // A ban is the punishment; afterwards the peer starts half-way to the next one.
        self.score = scoring.ban_threshold / 2.0;
        Some(length)
    }

    pub(crate) fn is_banned(&self, now: Instant) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    /// When the ban in force ends.
    pub(crate) fn banned_until(&self, now: Instant) -> Option<Instant> {
        self.banned_until.filter(|until| now < *until)
    }

    /// Nothing worth remembering.
    pub(crate) fn is_forgotten(&self, now: Instant, scoring: &Scoring) -> bool {
        !self.is_banned(now) && self.score(now, scoring) < FORGOTTEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORING: Scoring = Scoring {
        half_life: Duration::from_secs(60),
        ban_threshold: 100.0,
        ban_min: Duration::from_secs(10),
        ban_max: Duration::from_secs(25),
    };

    #[test]
    fn penalties_fade() {
        let start = Instant::now();
        let mut reputation = Reputation::new(start);
        assert_eq!(reputation.penalise(80.0, start, &SCORING), None);
        let later = start + Duration::from_secs(60);
        assert!((reputation.score(later, &SCORING) - 40.0).abs() < 1e-9);
        assert_eq!(reputation.penalise(59.0, later, &SCORING), None);
        assert!(!reputation.is_forgotten(later, &SCORING));
        assert!(reputation.is_forgotten(start + Duration::from_secs(3_600), &SCORING));
    }

    #[test]
    fn bans_grow_to_the_cap_and_end() {
        let mut now = Instant::now();
        let mut reputation = Reputation::new(now);
        for expected in [10, 20, 25, 25] {
            let length = reputation.penalise(100.0, now, &SCORING);
            assert_eq!(length, Some(Duration::from_secs(expected)));
            assert!(reputation.is_banned(now));
            assert_eq!(reputation.penalise(100.0, now, &SCORING), None, "already banned");
            now += Duration::from_secs(expected);
            assert!(!reputation.is_banned(now));
        }
    }

    #[test]
    fn a_negative_weight_is_no_reward() {
        let now = Instant::now();
        let mut reputation = Reputation::new(now);
        reputation.penalise(50.0, now, &SCORING);
        reputation.penalise(-50.0, now, &SCORING);
        assert!((reputation.score(now, &SCORING) - 50.0).abs() < 1e-9);
    }
}
