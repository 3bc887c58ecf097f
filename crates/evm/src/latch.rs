//! Tells a failing database from an invalid block.

use std::{cell::OnceCell, fmt, rc::Rc};

use alloy_primitives::{Address, B256, U256};
use peruri_storage::{ProviderError, ProviderResult, StateProvider, StateProviderDatabase};
use revm::{Database, bytecode::Bytecode, state::AccountInfo};

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

    fn read<T>(
        &mut self,
        read: impl FnOnce(&mut StateProviderDatabase<&'a dyn StateProvider>) -> ProviderResult<T>,
    ) -> ProviderResult<T> {
        read(&mut self.inner).inspect_err(|error| self.failure.note(error))
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
        self.read(|db| db.basic(address))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> ProviderResult<Bytecode> {
        self.read(|db| db.code_by_hash(code_hash))
    }

    fn storage(&mut self, address: Address, index: U256) -> ProviderResult<U256> {
        self.read(|db| db.storage(address, index))
    }

    fn block_hash(&mut self, number: u64) -> ProviderResult<B256> {
        self.read(|db| db.block_hash(number))
    }
}
