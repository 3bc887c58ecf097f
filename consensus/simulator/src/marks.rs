//! Situations that a run has reached.

use std::collections::BTreeMap;

/// Counts of runs (or whether one run did) by situation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<&'static str, u64>);

impl Marks {
    /// This run has reached a situation.
    pub fn reach(&mut self, situation: &'static str) {
        self.0.insert(situation, 1);
    }

    /// Whether a situation was reached.
    pub fn reached(&self, situation: &str) -> bool {
        self.0.contains_key(situation)
    }

    /// Adds the counts of other runs.
    pub fn add(&mut self, other: &Self) {
        for (situation, count) in &other.0 {
            *self.0.entry(situation).or_default() += count;
        }
    }

    /// Situations and how many runs reached them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(situation, count)| (*situation, *count))
    }
}
