//! State at a block: committed, historical, or on top of candidates.

mod candidates;
mod committed;
mod cursors;
mod database;
mod history;
mod node_cache;
mod overlay;
mod trie_history;

use alloy_primitives::{Address, B256, BlockNumber, U256};
use peruri_trie::{AccountProof, HashedPostState, StateRootOutput};
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;

use crate::ProviderResult;

pub use candidates::CandidateChain;
pub(crate) use committed::{Caches, CommittedState};
pub(crate) use cursors::{StateCursors, parse_slot};
pub use database::StateProviderDatabase;
pub(crate) use overlay::OverlayState;

/// A state provider that owns its snapshot; it may be moved to another thread and outlive the call
/// that made it.
pub type StateProviderBox = Box<dyn StateProvider>;

/// Read access to the state after one block.
pub trait StateProvider: Send + Sync + std::fmt::Debug {
    /// The account at an address, `None` if it does not exist.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>>;

    /// The value of a storage slot, zero where nothing is stored.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256>;

    /// The code with a hash.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    fn bytecode_by_hash(&self, hash: &B256) -> ProviderResult<Option<Bytecode>>;

    /// Hash of a block of this state's chain, for any number up to this state's block.
    ///
    /// # Errors
    /// The database cannot be read or a row is damaged.
    fn block_hash(&self, number: BlockNumber) -> ProviderResult<Option<B256>>;

    /// State root and changed trie nodes after `state` is applied to this state.
    ///
    /// # Errors
    /// The database cannot be read, or the trie of this block is outside the proof window.
    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput>;

    /// Merkle proof of an account and of its slots (EIP-1186).
    ///
    /// # Errors
    /// The database cannot be read, or this block is outside the proof window.
    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof>;
}

impl<T: StateProvider + ?Sized> StateProvider for &T {
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>> {
        (**self).account(address)
    }

    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256> {
        (**self).storage(address, slot)
    }

    fn bytecode_by_hash(&self, hash: &B256) -> ProviderResult<Option<Bytecode>> {
        (**self).bytecode_by_hash(hash)
    }

    fn block_hash(&self, number: BlockNumber) -> ProviderResult<Option<B256>> {
        (**self).block_hash(number)
    }

    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        (**self).state_root_with_updates(state)
    }

    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof> {
        (**self).proof(address, slots)
    }
}

impl<T: StateProvider + ?Sized> StateProvider for Box<T> {
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>> {
        (**self).account(address)
    }

    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256> {
        (**self).storage(address, slot)
    }

    fn bytecode_by_hash(&self, hash: &B256) -> ProviderResult<Option<Bytecode>> {
        (**self).bytecode_by_hash(hash)
    }

    fn block_hash(&self, number: BlockNumber) -> ProviderResult<Option<B256>> {
        (**self).block_hash(number)
    }

    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        (**self).state_root_with_updates(state)
    }

    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof> {
        (**self).proof(address, slots)
    }
}

impl<T: StateProvider + ?Sized> StateProvider for std::sync::Arc<T> {
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>> {
        (**self).account(address)
    }

    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256> {
        (**self).storage(address, slot)
    }

    fn bytecode_by_hash(&self, hash: &B256) -> ProviderResult<Option<Bytecode>> {
        (**self).bytecode_by_hash(hash)
    }

    fn block_hash(&self, number: BlockNumber) -> ProviderResult<Option<B256>> {
        (**self).block_hash(number)
    }

    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        (**self).state_root_with_updates(state)
    }

    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof> {
        (**self).proof(address, slots)
    }
}
