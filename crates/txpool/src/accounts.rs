//! What the pool needs of the state: the sender's account.

use alloy_primitives::{Address, U256};

/// Kind of code an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccountCode {
    /// None.
    #[default]
    None,
    /// A delegation designator (EIP-7702): the account may send.
    Delegation,
    /// A contract: the account may not send (EIP-3607).
    Contract,
}

/// An account as the pool sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolAccount {
    /// Next nonce.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Kind of code.
    pub code: AccountCode,
}

/// Reads accounts of the last committed block. Implemented for the storage's provider factory; a
/// trait so that the pool can be tested without a database.
pub trait AccountReader: Send + Sync + 'static {
    /// The accounts of `addresses`, in their order, all from one view of the state. An account that
    /// does not exist is the default.
    ///
    /// # Errors
    /// What the database said, as text: the pool hands it on.
    fn accounts(&self, addresses: &[Address]) -> Result<Vec<PoolAccount>, String>;
}
