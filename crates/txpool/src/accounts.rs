//! What the pool needs of the state: the sender's account.

use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use peruri_plog::{
    PLOG_ADDRESS,
    layout::{SourceSigner, SourceSlots},
};
use peruri_storage::{ProviderFactory, ProviderResult, StateProvider};

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

    /// The signer of a source of the transparency log; `None` if the source is unknown or switched
    /// off, or there is no log.
    ///
    /// # Errors
    /// What the database said, as text.
    fn source_signer(&self, source: u32) -> Result<Option<Address>, String>;
}

impl AccountReader for ProviderFactory {
    fn accounts(&self, addresses: &[Address]) -> Result<Vec<PoolAccount>, String> {
        let read = || -> ProviderResult<Vec<PoolAccount>> {
            let state = self.latest()?;
            addresses.iter().map(|address| read_account(&state, address)).collect()
        };
        read().map_err(|error| error.to_string())
    }

    fn source_signer(&self, source: u32) -> Result<Option<Address>, String> {
        let read = || -> ProviderResult<SourceSigner> {
            let slot = SourceSlots::new(source).signer();
            Ok(SourceSigner::unpack(self.latest()?.storage(PLOG_ADDRESS, slot.into())?))
        };
        let source = read().map_err(|error| error.to_string())?;
        Ok(source.active.then_some(source.signer))
    }
}

fn read_account(state: &dyn StateProvider, address: &Address) -> ProviderResult<PoolAccount> {
    let Some(account) = state.account(address)? else { return Ok(PoolAccount::default()) };
    let code = match account.bytecode_hash {
        None | Some(KECCAK256_EMPTY) => AccountCode::None,
        Some(hash) => match state.bytecode_by_hash(&hash)? {
            Some(code) if code.is_eip7702() => AccountCode::Delegation,
            Some(code) if code.is_empty() => AccountCode::None,
            _ => AccountCode::Contract,
        },
    };
    Ok(PoolAccount { nonce: account.nonce, balance: account.balance, code })
}
