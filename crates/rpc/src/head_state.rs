//! The state of the head, shared by all questions for it.

use alloy_primitives::B256;
use parking_lot::RwLock;
use peruri_primitives::SealedHeader;
use peruri_storage::{ProviderFactory, ProviderResult, StateProviderBox};
use std::sync::Arc;

/// The head's state, kept until the next block: taking a view of the database costs more than reading
/// an account from it.
#[derive(Debug, Default)]
pub(crate) struct HeadState(RwLock<Option<(B256, Arc<StateProviderBox>)>>);

impl HeadState {
    /// State after a committed block.
    ///
    /// # Errors
    /// As [`ProviderFactory::history_by_block_number`].
    pub(crate) fn of(
        &self,
        factory: &ProviderFactory,
        block: &SealedHeader,
    ) -> ProviderResult<StateProviderBox> {
        if let Some((_, state)) = self.0.read().as_ref().filter(|(hash, _)| *hash == block.hash()) {
            return Ok(Box::new(Arc::clone(state)));
        }
        let state = factory.history_by_block_number(block.number)?;
        if factory.best_block_hash()? != block.hash() {
            return Ok(state);
        }
        let state = Arc::new(state);
        *self.0.write() = Some((block.hash(), Arc::clone(&state)));
        Ok(Box::new(state))
    }

    /// Lets the state of an earlier head go: what it sees is not compacted away.
    pub(crate) fn release(&self) {
        *self.0.write() = None;
    }
}
