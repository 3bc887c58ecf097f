//! Tells a failing database from an invalid block.

use std::{cell::OnceCell, fmt, rc::Rc};

use alloy_primitives::{Address, B256, U256};
use peruri_storage::{StateProvider, StateProviderDatabase};
use revm::{Database, bytecode::Bytecode, state::AccountInfo};

/// The database under a [`BlockSession`](crate::BlockSession).
pub type StateDb<'a> = ErrorLatch<StateProviderDatabase<&'a dyn StateProvider>>;

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

/// A database whose first error is remembered.
#[derive(Clone)]
pub struct ErrorLatch<DB> {
    inner: DB,
    failure: Failure,
}

impl<DB> ErrorLatch<DB> {
    pub(crate) fn new(inner: DB, failure: Failure) -> Self {
        Self { inner, failure }
    }
}

impl<DB> fmt::Debug for ErrorLatch<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorLatch").field("failure", &self.failure).finish_non_exhaustive()
    }
}

impl<DB: Database> Database for ErrorLatch<DB> {
    type Error = DB::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.inner.basic(address).inspect_err(|error| self.failure.note(error))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        self.inner.code_by_hash(code_hash).inspect_err(|error| self.failure.note(error))
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, Self::Error> {
        self.inner.storage(address, index).inspect_err(|error| self.failure.note(error))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.inner.block_hash(number).inspect_err(|error| self.failure.note(error))
    }
}
