//! The EVM's view of a state provider.

use alloy_primitives::{Address, B256, U256};
use alloy_trie::KECCAK_EMPTY;
use revm::{Database, DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use super::StateProvider;
use crate::ProviderError;

/// Implements revm's [`Database`] and [`DatabaseRef`] over a [`StateProvider`]. It caches nothing:
/// put it under revm's `State` or `CacheDB`.
#[derive(Debug, Clone)]
pub struct StateProviderDatabase<P>(pub P);

impl<P> StateProviderDatabase<P> {
    /// Wraps a provider.
    pub const fn new(provider: P) -> Self {
        Self(provider)
    }

    /// Gives the provider back.
    pub fn into_inner(self) -> P {
        self.0
    }
}

impl<P: StateProvider> DatabaseRef for StateProviderDatabase<P> {
    type Error = ProviderError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.0.account(&address)?.map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.bytecode_hash.unwrap_or(KECCAK_EMPTY),
            code: None,
            ..Default::default()
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        if code_hash == KECCAK_EMPTY || code_hash.is_zero() {
            return Ok(Bytecode::default());
        }
        self.0.bytecode_by_hash(&code_hash)?.ok_or(ProviderError::CodeNotFound(code_hash))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Self::Error> {
        self.0.storage(address, B256::from(index))
    }

    /// `BLOCKHASH` of a block that does not exist is zero.
    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        Ok(self.0.block_hash(number)?.unwrap_or_default())
    }
}

impl<P: StateProvider> Database for StateProviderDatabase<P> {
    type Error = ProviderError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.basic_ref(address)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        self.code_by_hash_ref(code_hash)
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, Self::Error> {
        self.storage_ref(address, index)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.block_hash_ref(number)
    }
}
