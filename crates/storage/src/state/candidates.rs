//! A chain of blocks that are executed but not committed.

use std::sync::{Arc, OnceLock};

use peruri_trie::{HashedPostStateSorted, TrieUpdates};

use crate::ExecutedBlock;

/// Candidates, oldest first, each the child of the one before. Their changes are merged once, when
/// state on top of them is first asked for a root or a proof, and from then on block by block. Clones
/// share that.
#[derive(Debug, Clone, Default)]
pub struct CandidateChain {
    blocks: Vec<Arc<ExecutedBlock>>,
    merged: Arc<OnceLock<Changes>>,
}

/// What blocks change, in order.
#[derive(Debug, Clone)]
pub(super) struct Changes {
    pub(super) state: HashedPostStateSorted,
    pub(super) nodes: TrieUpdates,
}

impl Changes {
    fn of(block: &ExecutedBlock) -> Self {
        Self {
            state: block.hashed_state.to_sorted(&block.trie.storage_roots),
            nodes: block.trie.updates.clone(),
        }
    }

    /// Merges halves, so that a change is moved as many times as there are levels, not blocks.
    fn of_all(blocks: &[Arc<ExecutedBlock>]) -> Self {
        if let [block] = blocks {
            return Self::of(block);
        }
        let (earlier, later) = blocks.split_at(blocks.len() / 2);
        let (mut changes, later) = rayon::join(|| Self::of_all(earlier), || Self::of_all(later));
        changes.extend(later);
        changes
    }

    fn extend(&mut self, later: Self) {
        self.state.extend(later.state);
        self.nodes.extend(later.nodes);
    }
}

impl CandidateChain {
    /// The blocks, oldest first.
    pub fn blocks(&self) -> &[Arc<ExecutedBlock>] {
        &self.blocks
    }

    /// Adds the child of the last block.
    pub fn push(&mut self, block: Arc<ExecutedBlock>) {
        match Arc::get_mut(&mut self.merged).and_then(OnceLock::get_mut) {
            Some(merged) => merged.extend(Changes::of(&block)),
            // Not merged yet, or by a clone that is in use.
            None => self.merged = Arc::default(),
        }
        self.blocks.push(block);
    }

    /// Drops the oldest blocks, which have been committed.
    pub fn drop_oldest(&mut self, count: usize) {
        self.blocks.drain(..count.min(self.blocks.len()));
        self.merged = Arc::default();
    }

    /// The changes of all blocks together; `None` if there is no block.
    pub(super) fn merged(&self) -> Option<&Changes> {
        if self.blocks.is_empty() {
            return None;
        }
        Some(self.merged.get_or_init(|| Changes::of_all(&self.blocks)))
    }
}

impl From<Vec<Arc<ExecutedBlock>>> for CandidateChain {
    fn from(blocks: Vec<Arc<ExecutedBlock>>) -> Self {
        Self { blocks, merged: Arc::default() }
    }
}
