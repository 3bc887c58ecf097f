//! Tells a failing database from an invalid block.

use std::{cell::OnceCell, fmt, rc::Rc};

use alloy_primitives::{Address, B256, U256};
use peruri_storage::{ProviderError, ProviderResult, StateProvider, StateProviderDatabase};
use revm::{Database, DatabaseRef, bytecode::Bytecode, state::AccountInfo};

/// The first error of a database, kept beside the execution that met it.
///
/// Some paths of the executor (system calls, balance increments) report a failed read with the same
/// error as a broken rule, with its cause as text or lost. Blaming a block for that would refuse a
/// good one, so what the database said is kept here and wins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure(Rc<OnceCell<String>>);

impl Failure {
    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    fn note(&self, error: &impl fmt::Display) {
        self.0.get_or_init(|| error.to_string());
    }
}

/// The database under a [`BlockSession`](crate::BlockSession): the state after the parent, whose
/// first error is remembered.
#[derive(Clone)]
pub struct StateDb<'a> {
    inner: StateProviderDatabase<&'a dyn StateProvider>,
    failure: Failure,
}

impl<'a> StateDb<'a> {
    pub(crate) fn new(state: &'a dyn StateProvider, failure: Failure) -> Self {
        Self { inner: StateProviderDatabase::new(state), failure }
    }

    fn noted<T>(&self, read: ProviderResult<T>) -> ProviderResult<T> {
        read.inspect_err(|error| self.failure.note(error))
    }
}

impl fmt::Debug for StateDb<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDb").field("failure", &self.failure).finish_non_exhaustive()
    }
}

impl Database for StateDb<'_> {
    type Error = ProviderError;

    fn basic(&mut self, address: Address) -> ProviderResult<Option<AccountInfo>> {
        self.basic_ref(address)
    }

    fn code_by_hash(&mut self, code_hash: B256) -> ProviderResult<Bytecode> {
        self.code_by_hash_ref(code_hash)
    }

    fn storage(&mut self, address: Address, index: U256) -> ProviderResult<U256> {
        self.storage_ref(address, index)
    }

    fn block_hash(&mut self, number: u64) -> ProviderResult<B256> {
        self.block_hash_ref(number)
    }
}

impl DatabaseRef for StateDb<'_> {
    type Error = ProviderError;

    fn basic_ref(&self, address: Address) -> ProviderResult<Option<AccountInfo>> {
        self.noted(self.inner.basic_ref(address))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> ProviderResult<Bytecode> {
        self.noted(self.inner.code_by_hash_ref(code_hash))
    }

    fn storage_ref(&self, address: Address, index: U256) -> ProviderResult<U256> {
        self.noted(self.inner.storage_ref(address, index))
    }

    fn block_hash_ref(&self, number: u64) -> ProviderResult<B256> {
        self.noted(self.inner.block_hash_ref(number))
    }
}
