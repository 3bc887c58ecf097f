//! The accumulator: a tree of which only the peaks are known.
//!
//! A tree of `size` leaves consists of one complete subtree per set bit of `size`, largest first.
//! Their roots, the peaks, suffice to append and to compute the root: folding them from the smallest
//! gives exactly the root of RFC 6962 §2.1.

use crate::hash::{EMPTY_ROOT, node_hash};
use alloy_primitives::B256;

/// The greatest size of a log: 2^63 − 1 leaves.
pub const MAX_SIZE: u64 = (1 << 63) - 1;

/// Size and peaks of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One per set bit of `size`, largest subtree first.
    peaks: Vec<B256>,
}

impl Frontier {
    /// The tree without leaves.
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// A tree of `size` leaves whose peaks are read by level (the subtree has 2^level leaves),
    /// highest level first. Only levels whose bit of `size` is set are asked for.
    ///
    /// # Errors
    /// The first error of `read`.
    pub fn read<E>(size: u64, mut read: impl FnMut(u8) -> Result<B256, E>) -> Result<Self, E> {
        let peaks = levels(size).map(&mut read).collect::<Result<_, _>>()?;
        Ok(Self { size, peaks })
    }

    /// A tree from its peaks, largest first, as the precompile's `frontier` returns them.
    ///
    /// # Errors
    /// [`FrontierError::Peaks`] if their number does not fit `size`.
    pub fn from_peaks(size: u64, peaks: Vec<B256>) -> Result<Self, FrontierError> {
        let expected = levels(size).count();
        if peaks.len() != expected {
            return Err(FrontierError::Peaks { expected, got: peaks.len() });
        }
        Ok(Self { size, peaks })
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Level and hash of the peaks, largest first.
    pub fn peaks(&self) -> impl Iterator<Item = (u8, B256)> + '_ {
        levels(self.size).zip(self.peaks.iter().copied())
    }

    /// The peaks that cover a leaf at or after `size`, an earlier size of this tree: the words that
    /// have to be written after appends. After m of them these are at most ⌊log2 m⌋ + 2.
    pub fn peaks_since(&self, size: u64) -> impl Iterator<Item = (u8, B256)> + '_ {
        self.peaks().filter(move |(level, _)| end_of_peak(self.size, *level) > size)
    }

    /// Root of the tree.
    pub fn root(&self) -> B256 {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return EMPTY_ROOT };
        peaks.fold(*smallest, |root, peak| node_hash(peak, &root))
    }

    /// Appends a leaf hash. `completed` is given level, index and hash of each complete subtree that
    /// comes to be by it, the leaf first (level 0): what a store of all nodes has to keep, see
    /// [`TreeNodes`](crate::TreeNodes).
    ///
    /// # Errors
    /// [`FrontierError::Full`] if the tree has [`MAX_SIZE`] leaves; it is unchanged then.
    pub fn append(
        &mut self,
        leaf: B256,
        mut completed: impl FnMut(u8, u64, B256),
    ) -> Result<(), FrontierError> {
        if self.size >= MAX_SIZE {
            return Err(FrontierError::Full);
        }
        let (mut level, mut index, mut node) = (0u8, self.size, leaf);
        completed(level, index, node);
        // As long as the node is a right child its sibling is the smallest peak.
        while index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            node = node_hash(&left, &node);
            (level, index) = (level.saturating_add(1), index >> 1);
            completed(level, index, node);
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
        Ok(())
    }
}

/// Set bits of `size`, highest first.
fn levels(size: u64) -> impl Iterator<Item = u8> {
    (0..64u8).rev().filter(move |level| (size >> level) & 1 == 1)
}

/// One past the last leaf under the peak at `level` of a tree of `size` leaves.
const fn end_of_peak(size: u64, level: u8) -> u64 {
    (size >> level) << level
}

/// Why a frontier cannot be made or extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrontierError {
    /// The log has its greatest size.
    #[error("the log has {MAX_SIZE} entries, which is the most")]
    Full,
    /// The number of peaks does not fit the size.
    #[error("{got} peaks, expected {expected}")]
    Peaks {
        /// Number of set bits of the size.
        expected: usize,
        /// Number found.
        got: usize,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::hash::{batch_root, leaf_hash};
    use std::convert::Infallible;

    fn leaves(count: u64) -> Vec<B256> {
        (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    fn frontier(leaves: &[B256]) -> Frontier {
        let mut frontier = Frontier::new();
        for leaf in leaves {
            frontier.append(*leaf, |_, _, _| ()).unwrap();
        }
        frontier
    }

    #[test]
    fn the_root_is_that_of_the_definition() {
        let leaves = leaves(300);
        for size in 0..leaves.len() {
            assert_eq!(frontier(&leaves[..size]).root(), batch_root(&leaves[..size]), "{size}");
        }
    }

    #[test]
    fn a_frontier_is_read_back_from_its_peaks() {
        let all = frontier(&leaves(201));
        let mut asked = Vec::new();
        let read = Frontier::read(201, |level| {
            asked.push(level);
            Ok::<_, Infallible>(all.peaks().find(|(it, _)| *it == level).unwrap().1)
        });
        assert_eq!(read, Ok(all.clone()));
        assert_eq!(asked, [7, 6, 3, 0]);
        let peaks: Vec<B256> = all.peaks().map(|(_, peak)| peak).collect();
        assert_eq!(Frontier::from_peaks(201, peaks.clone()), Ok(all));
        let error = FrontierError::Peaks { expected: 3, got: 4 };
        assert_eq!(Frontier::from_peaks(200, peaks), Err(error));
    }

    /// Writing only the peaks that an append touches over the words of before gives the same tree.
    #[test]
    fn few_words_are_written() {
        let leaves = leaves(600);
        for old in (0..300).step_by(7) {
            for added in [1usize, 2, 3, 16, 33, 256, 300] {
                let (before, after) = (frontier(&leaves[..old]), frontier(&leaves[..old + added]));
                let mut words = [B256::ZERO; 64];
                let old = u64::try_from(old).unwrap();
                for (level, peak) in before.peaks() {
                    words[usize::from(level)] = peak;
                }
                let written: Vec<_> = after.peaks_since(old).collect();
                let bound = usize::try_from(added.ilog2()).unwrap() + 2;
                assert!(!written.is_empty() && written.len() <= bound, "{old} + {added}");
                for (level, peak) in written {
                    words[usize::from(level)] = peak;
                }
                let read = Frontier::read(after.size(), |level| {
                    Ok::<_, Infallible>(words[usize::from(level)])
                });
                assert_eq!(read, Ok(after));
            }
        }
    }

    /// The numbers that the gas table of the precompile rests on.
    #[test]
    fn appends_at_a_million_cost_known_numbers_of_node_hashes() {
        for (added, expected) in [(256, 262), (16, 22), (1, 7)] {
            let peaks = levels(1_000_000).map(|_| B256::ZERO).collect();
            let mut frontier = Frontier::from_peaks(1_000_000, peaks).unwrap();
            let mut hashes = 0;
            for leaf in leaves(added) {
                let count = |level, _, _| hashes += usize::from(level > 0);
                frontier.append(leaf, count).unwrap();
            }
            assert_eq!(hashes + frontier.peaks().count() - 1, expected);
        }
    }

    #[test]
    fn a_full_log_takes_no_more() {
        let peaks = vec![B256::ZERO; 63];
        let mut full = Frontier::from_peaks(MAX_SIZE, peaks).unwrap();
        let before = full.clone();
        assert_eq!(full.append(B256::ZERO, |_, _, _| ()), Err(FrontierError::Full));
        assert_eq!(full, before);
        let mut last = Frontier::from_peaks(MAX_SIZE - 1, vec![B256::ZERO; 62]).unwrap();
        assert_eq!(last.append(B256::ZERO, |_, _, _| ()), Ok(()));
    }
}
