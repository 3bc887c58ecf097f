//! From a received block to a checked candidate.

use std::sync::Arc;

use peruri_primitives::RecoveredBlock;
use peruri_storage::{BlockExecutionOutput, ExecutedBlock, StateProvider};
use peruri_trie::{HashedPostState, StateRootOutput};

use crate::{BlockExecutionOutcome, ExecutionError, PeruriEvmConfig, post_execution};

impl PeruriEvmConfig {
    /// Executes a block on `state`, the state after its parent, compares the outcome with the
    /// header, state root included, and returns the candidate. No database is written.
    ///
    /// Header and body must have been validated before.
    ///
    /// # Errors
    /// [`ExecutionError`]: what differs, or what failed.
    pub fn process_block(
        &self,
        block: impl Into<Arc<RecoveredBlock>>,
        state: &dyn StateProvider,
    ) -> Result<ExecutedBlock, ExecutionError> {
        let block = block.into();
        let post_states =
            post_execution::needs_post_states(self.chain_spec(), block.header().number);
        let outcome = self.run(&block, state, post_states)?;
        post_execution::validate(self.chain_spec(), &block.header().0, &outcome)?;
        let (hashed_state, trie) = self.state_root(&outcome, state)?;
        if trie.root != block.header().state_root {
            return Err(ExecutionError::StateRootMismatch {
                expected: block.header().state_root,
                got: trie.root,
            });
        }
        Ok(candidate(block, outcome, hashed_state, trie))
    }

    /// Hashes what a block changed and computes the state root that results on `state`, the state
    /// after the parent.
    ///
    /// # Errors
    /// If the store fails.
    pub fn state_root(
        &self,
        outcome: &BlockExecutionOutcome,
        state: &dyn StateProvider,
    ) -> Result<(HashedPostState, StateRootOutput), ExecutionError> {
        let hashed_state = HashedPostState::from_bundle_state(&outcome.bundle);
        let trie = state.state_root_with_updates(&hashed_state)?;
        Ok((hashed_state, trie))
    }
}

/// Joins a block with what its execution produced.
pub(crate) fn candidate(
    block: Arc<RecoveredBlock>,
    outcome: BlockExecutionOutcome,
    hashed_state: HashedPostState,
    trie: StateRootOutput,
) -> ExecutedBlock {
    ExecutedBlock {
        recovered_block: block,
        execution_output: Arc::new(BlockExecutionOutput {
            receipts: outcome.receipts,
            requests: outcome.requests,
            gas_used: outcome.gas_used,
            plog_appends: outcome.plog_appends,
            bytecodes: outcome.bundle.contracts.into_iter().collect(),
        }),
        hashed_state: Arc::new(hashed_state),
        trie: Arc::new(trie),
    }
}
