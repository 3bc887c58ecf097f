//! State on top of candidates that are not committed.

use std::sync::Arc;

use alloy_primitives::{Address, B256, BlockNumber, U256, keccak256};
use peruri_trie::{
    AccountProof, HashedPostState, OverlayHashedCursors, OverlayTrieCursors, ParallelStateRoot,
    Proof, StateRootOutput,
};
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;

use super::{CandidateChain, CommittedState, StateProvider};
use crate::{ExecutedBlock, ProviderError, ProviderResult};

/// State after the last of a chain of candidates. Point reads look through the blocks, newest first;
/// trie work uses their merged changes.
///
/// The base may be any block from the first one's parent to the last one: changes that the base has
/// already say the same as its rows.
#[derive(Debug)]
pub(crate) struct OverlayState {
    base: CommittedState,
    chain: CandidateChain,
}

impl OverlayState {
    /// Puts a chain on a base.
    pub(crate) const fn new(base: CommittedState, chain: CandidateChain) -> Self {
        Self { base, chain }
    }

    fn newest_first(&self) -> impl Iterator<Item = &Arc<ExecutedBlock>> {
        self.chain.blocks().iter().rev()
    }
}

impl StateProvider for OverlayState {
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>> {
        let hashed = keccak256(address);
        for block in self.newest_first() {
            if let Some(account) = block.hashed_state.accounts.get(&hashed) {
                return Ok(*account);
            }
        }
        Ok(self.base.account_row(&hashed)?.map(|row| row.account()))
    }

    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256> {
        let (hashed, slot) = (keccak256(address), keccak256(slot));
        for block in self.newest_first() {
            if let Some(storage) = block.hashed_state.storages.get(&hashed) {
                if let Some(value) = storage.storage.get(&slot) {
                    return Ok(*value);
                }
                if storage.wiped {
                    return Ok(U256::ZERO);
                }
            }
        }
        self.base.slot(&hashed, &slot)
    }

    fn bytecode_by_hash(&self, hash: &B256) -> ProviderResult<Option<Bytecode>> {
        for block in self.newest_first() {
            if let Some(code) = block.execution_output.bytecodes.get(hash) {
                return Ok(Some(code.clone()));
            }
        }
        self.base.bytecode_by_hash(hash)
    }

    fn block_hash(&self, number: BlockNumber) -> ProviderResult<Option<B256>> {
        if number <= self.base.number() {
            return self.base.block_hash(number);
        }
        Ok(self
            .chain
            .blocks()
            .iter()
            .find(|block| block.number() == number)
            .map(|block| block.hash()))
    }

    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        let Some(changes) = self.chain.merged() else {
            return self.base.state_root_with_updates(state);
        };
        let cursors = self.base.cursors()?;
        let nodes = OverlayTrieCursors::new(cursors, &changes.nodes);
        let rows = OverlayHashedCursors::new(cursors, &changes.state);
        Ok(ParallelStateRoot::new(nodes, rows).root_with_updates(state)?)
    }

    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof> {
        let (Some(block), Some(changes)) = (self.chain.blocks().last(), self.chain.merged()) else {
            return self.base.proof(address, slots);
        };
        let cursors = self.base.cursors()?;
        let nodes = OverlayTrieCursors::new(cursors, &changes.nodes);
        let rows = OverlayHashedCursors::new(cursors, &changes.state);
        let proof = Proof::new(nodes, rows).account(address, slots)?;
        proof.verify(block.trie.root).map_err(|e| ProviderError::Trie(e.to_string()))?;
        Ok(proof)
    }
}
