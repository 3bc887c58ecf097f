//! What clients of all nodes see while a scenario runs: heads, blocks, transactions.

#[cfg(test)]
mod fake;
mod load;
mod watcher;

pub use load::SteadyLoad;
pub use watcher::Observer;

use alloy_primitives::B256;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A head that a node showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadSample {
    /// The node.
    pub node: usize,
    /// Since the start of the observation.
    pub at: Duration,
    /// Counts how often the node's data was set back on purpose: heads of two lives do not compare.
    pub life: u32,
    /// Number of the newest block.
    pub head: u64,
}

/// A transaction in a block that a node showed: its client may rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The node.
    pub node: usize,
    /// The block.
    pub height: u64,
}

/// Everything that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observations {
    /// Heads, in the order in which they were seen; one entry per change.
    pub heads: Vec<HeadSample>,
    /// Block hashes by node and height.
    pub blocks: BTreeMap<(usize, u64), B256>,
    /// Transactions in those blocks.
    pub transactions: BTreeMap<B256, Acknowledged>,
    /// Answers that contradict earlier ones of the same node.
    pub contradictions: Vec<String>,
    /// Errors that nodes answered with, each kind once: a damaged node may do so.
    pub errors: BTreeSet<String>,
}

impl Observations {
    /// Notes a head.
    pub fn note_head(&mut self, sample: HeadSample) {
        let last = self.heads.iter().rev().find(|it| it.node == sample.node);
        if last.is_none_or(|last| (last.life, last.head) != (sample.life, sample.head)) {
            self.heads.push(sample);
        }
    }

    /// Notes a block with its transactions.
    pub fn note_block(&mut self, node: usize, height: u64, hash: B256, transactions: &[B256]) {
        if let Some(before) = self.blocks.insert((node, height), hash)
            && before != hash
        {
            self.contradictions.push(format!("node {node}, block {height}: {before}, then {hash}"));
        }
        for transaction in transactions {
            self.transactions.entry(*transaction).or_insert(Acknowledged { node, height });
        }
    }

    /// The highest head of any node, and when it was first seen: the network's progress.
    pub fn progress(&self) -> Vec<(Duration, u64)> {
        let mut best = None;
        let mut progress = Vec::new();
        for sample in &self.heads {
            if best.is_none_or(|best| sample.head > best) {
                best = Some(sample.head);
                progress.push((sample.at, sample.head));
            }
        }
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(node: usize, second: u64, life: u32, head: u64) -> HeadSample {
        HeadSample { node, at: Duration::from_secs(second), life, head }
    }

    #[test]
    fn heads_are_noted_when_they_change() {
        let mut seen = Observations::default();
        for (node, second, life, head) in
            [(0, 1, 0, 1), (1, 1, 0, 1), (0, 2, 0, 1), (0, 3, 1, 1), (1, 3, 0, 2)]
        {
            seen.note_head(sample(node, second, life, head));
        }
        assert_eq!(seen.heads.len(), 4);
        let second = Duration::from_secs;
        assert_eq!(seen.progress(), [(second(1), 1), (second(3), 2)]);
    }

    #[test]
    fn a_changed_block_is_a_contradiction() {
        let mut seen = Observations::default();
        let [one, two] = [1, 2].map(B256::repeat_byte);
        seen.note_block(0, 5, one, &[two]);
        seen.note_block(1, 5, two, &[two]);
        seen.note_block(0, 5, one, &[]);
        assert!(seen.contradictions.is_empty(), "other nodes are the matter of the fork check");
        assert_eq!(seen.transactions[&two], Acknowledged { node: 0, height: 5 });
        seen.note_block(0, 5, two, &[]);
        assert_eq!(seen.contradictions.len(), 1);
    }
}
