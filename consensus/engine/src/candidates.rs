//! Blocks that are executed and not final: what a commit then writes without executing again.

use alloy_primitives::B256;
use peruri_storage::ExecutedBlock;
use std::collections::VecDeque;

/// Candidates that are kept. The core asks about eight blocks of a height at a time; of a height that
/// goes through more the oldest are executed again should they become final.
const KEPT: usize = 8;

/// Executed blocks by block hash, which round and seals do not change.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    blocks: VecDeque<ExecutedBlock>,
}

impl Candidates {
    /// Keeps a block; the oldest one goes if there are too many.
    pub(crate) fn put(&mut self, block: ExecutedBlock) {
        self.blocks.retain(|kept| kept.hash() != block.hash());
        if self.blocks.len() == KEPT {
            self.blocks.pop_front();
        }
        self.blocks.push_back(block);
    }

    /// Takes out the block of this hash and forgets all others: it is final.
    pub(crate) fn take(&mut self, hash: B256) -> Option<ExecutedBlock> {
        let found = self.blocks.iter().position(|block| block.hash() == hash);
        let taken = found.and_then(|index| self.blocks.remove(index));
        self.blocks.clear();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peruri_primitives::{Block, Header, RecoveredBlock};
    use std::sync::Arc;

    fn block(number: u64) -> ExecutedBlock {
        let header = Header::from(alloy_consensus::Header { number, ..Default::default() });
        let block = Block { header, ..Block::default() };
        let hash = B256::with_last_byte(number as u8);
        let recovered_block = Arc::new(RecoveredBlock::new(block, Vec::new(), hash));
        ExecutedBlock {
            recovered_block,
            execution_output: Arc::default(),
            hashed_state: Arc::default(),
            trie: Arc::default(),
        }
    }

    #[test]
    fn the_final_block_is_taken_and_the_others_are_forgotten() {
        let mut candidates = Candidates::default();
        candidates.put(block(1));
        candidates.put(block(2));
        assert!(candidates.take(B256::with_last_byte(2)).is_some());
        assert!(candidates.take(B256::with_last_byte(1)).is_none());
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut candidates = Candidates::default();
        for number in 0..=8 {
            candidates.put(block(number));
        }
        candidates.put(block(8));
        assert_eq!(candidates.blocks.len(), 8);
        assert!(candidates.take(B256::ZERO).is_none());
    }
}
