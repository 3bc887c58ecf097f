//! A set of block numbers.

use std::ops::RangeInclusive;

use alloy_primitives::BlockNumber;
use roaring::RoaringTreemap;

/// A set of block numbers, ascending when iterated.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BlockBitmap(RoaringTreemap);

impl BlockBitmap {
    /// Every block of a range.
    pub fn full(range: RangeInclusive<BlockNumber>) -> Self {
        let mut blocks = RoaringTreemap::new();
        blocks.insert_range(range);
        Self(blocks)
    }

    /// Adds a block.
    pub fn insert(&mut self, number: BlockNumber) {
        self.0.insert(number);
    }

    /// True if the block is in the set.
    pub fn contains(&self, number: BlockNumber) -> bool {
        self.0.contains(number)
    }

    /// Number of blocks.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// True if there is no block.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the blocks of another set.
    pub fn union(&mut self, other: &Self) {
        self.0 |= &other.0;
    }

    /// Keeps the blocks that are in both sets.
    pub fn intersect(&mut self, other: &Self) {
        self.0 &= &other.0;
    }

    /// Drops the blocks outside a range.
    pub(crate) fn clip(&mut self, range: &RangeInclusive<BlockNumber>) {
        self.0 &= Self::full(range.clone()).0;
    }

    /// The blocks, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = BlockNumber> + '_ {
        self.0.iter()
    }
}

impl FromIterator<BlockNumber> for BlockBitmap {
    fn from_iter<I: IntoIterator<Item = BlockNumber>>(blocks: I) -> Self {
        Self(blocks.into_iter().collect())
    }
}
