//! State on top of candidates that are not committed.

use std::sync::{Arc, OnceLock};

use alloy_primitives::{Address, B256, BlockNumber, U256, keccak256, map::B256Map};
use peruri_trie::{
    AccountProof, HashedPostState, HashedPostStateSorted, OverlayHashedCursors, OverlayTrieCursors,
    ParallelStateRoot, Proof, StateRootOutput, TrieUpdates, TrieUpdatesSorted,
};
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;

use super::{CommittedState, StateProvider};
use crate::{ExecutedBlock, ProviderError, ProviderResult};

/// State after the last of a chain of candidates. Point reads look through the blocks, newest first;
/// trie work merges their changes once, when it is first asked for.
pub(crate) struct OverlayState {
    base: CommittedState,
    /// Oldest first; the first one's parent is the base's block.
    blocks: Vec<Arc<ExecutedBlock>>,
    sorted: OnceLock<Sorted>,
}

struct Sorted {
    state: HashedPostStateSorted,
    nodes: TrieUpdatesSorted,
}

impl std::fmt::Debug for OverlayState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OverlayState")
            .field("base", &self.base)
            .field("blocks", &self.blocks.len())
            .finish()
    }
}

impl OverlayState {
    /// Puts connected blocks, oldest first, on a base.
    pub(crate) const fn new(base: CommittedState, blocks: Vec<Arc<ExecutedBlock>>) -> Self {
        Self { base, blocks, sorted: OnceLock::new() }
    }

    fn newest_first(&self) -> impl Iterator<Item = &Arc<ExecutedBlock>> {
        self.blocks.iter().rev()
    }

    fn sorted(&self) -> &Sorted {
        self.sorted.get_or_init(|| match self.blocks.as_slice() {
            [block] => Sorted {
                state: block.hashed_state.to_sorted(&block.trie.storage_roots),
                nodes: block.trie.updates.to_sorted(),
            },
            blocks => {
                let mut state = HashedPostState::default();
                let mut roots = B256Map::default();
                let mut nodes = TrieUpdates::default();
                for block in blocks {
                    state.extend(&block.hashed_state);
                    roots.extend(block.trie.storage_roots.iter().map(|(k, v)| (*k, *v)));
                    nodes.extend(&block.trie.updates);
                }
                Sorted { state: state.to_sorted(&roots), nodes: nodes.to_sorted() }
            }
        })
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
        Ok(self.blocks.iter().find(|block| block.number() == number).map(|block| block.hash()))
    }

    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        let cursors = self.base.cursors()?;
        let sorted = self.sorted();
        let nodes = OverlayTrieCursors::new(cursors, &sorted.nodes);
        let rows = OverlayHashedCursors::new(cursors, &sorted.state);
        Ok(ParallelStateRoot::new(nodes, rows).root_with_updates(state)?)
    }

    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof> {
        let Some(block) = self.blocks.last() else {
            return self.base.proof(address, slots);
        };
        let cursors = self.base.cursors()?;
        let sorted = self.sorted();
        let nodes = OverlayTrieCursors::new(cursors, &sorted.nodes);
        let rows = OverlayHashedCursors::new(cursors, &sorted.state);
        let proof = Proof::new(nodes, rows).account(address, slots)?;
        proof.verify(block.trie.root).map_err(|e| ProviderError::Trie(e.to_string()))?;
        Ok(proof)
    }
}
