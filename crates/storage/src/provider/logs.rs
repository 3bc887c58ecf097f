//! Queries of the log index.

use std::ops::RangeInclusive;

use alloy_primitives::{Address, B256, BlockNumber};

use super::ProviderFactory;
use crate::{
    BlockBitmap, LogTerm, ProviderResult,
    db::Column,
    index::{self, SECTION_BLOCKS},
};

impl ProviderFactory {
    /// Blocks of a range in which a log carries the term. The range is cut at the head.
    ///
    /// # Errors
    /// The database cannot be read or is empty.
    pub fn blocks_with_term(
        &self,
        term: LogTerm,
        range: RangeInclusive<BlockNumber>,
    ) -> ProviderResult<BlockBitmap> {
        let range = *range.start()..=(*range.end()).min(self.best_block_number()?);
        let mut blocks = BlockBitmap::default();
        if range.is_empty() {
            return Ok(blocks);
        }
        for section in range.start() / SECTION_BLOCKS..=range.end() / SECTION_BLOCKS {
            if let Some(row) = self.db().get(Column::LogIndex, index::row_key(&term, section))? {
                index::collect(&row, section, &mut blocks)?;
            }
        }
        blocks.clip(&range);
        Ok(blocks)
    }

    /// Blocks of a range that may hold logs of a filter (EIP-1474 `eth_getLogs`): any of the
    /// addresses, and for each topic position any of its alternatives; an empty list matches
    /// everything. The index does not know positions, so the blocks are candidates whose logs have
    /// to be compared with the filter. The range is cut at the head.
    ///
    /// # Errors
    /// The database cannot be read or is empty.
    pub fn blocks_matching(
        &self,
        addresses: &[Address],
        topics: &[Vec<B256>],
        range: RangeInclusive<BlockNumber>,
    ) -> ProviderResult<BlockBitmap> {
        let range = *range.start()..=(*range.end()).min(self.best_block_number()?);
        if range.is_empty() {
            return Ok(BlockBitmap::default());
        }
        let positions = topics.iter().map(|any| any.iter().map(|t| LogTerm::Topic(*t)).collect());
        let terms: Vec<Vec<LogTerm>> =
            std::iter::once(addresses.iter().map(|a| LogTerm::Address(*a)).collect())
                .chain(positions)
                .collect();
        let mut matching: Option<BlockBitmap> = None;
        for any in terms.iter().filter(|any| !any.is_empty()) {
            let mut blocks = BlockBitmap::default();
            for term in any {
                blocks.union(&self.blocks_with_term(*term, range.clone())?);
            }
            match &mut matching {
                Some(matching) => matching.intersect(&blocks),
                None => matching = Some(blocks),
            }
            if matching.as_ref().is_some_and(BlockBitmap::is_empty) {
                break;
            }
        }
        Ok(matching.unwrap_or_else(|| BlockBitmap::full(range)))
    }
}
