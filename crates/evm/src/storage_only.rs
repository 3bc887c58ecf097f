//! Accounts that have storage and neither code nor nonce (EIP-7610).
//!
//! A contract must not be created over them. No transaction can make such an account since Spurious
//! Dragon, so the ones that matter stand in the genesis allocation; nothing but their removal can
//! change their storage, as they have no code. On almost every chain there is none, and nothing here
//! costs anything.
//!
//! revm refuses to create a contract over an account by its nonce and code hash alone. Such an
//! account is therefore shown to it with a code hash of zero, which counts as no code everywhere
//! else; `EXTCODEHASH` is corrected ([`ext_code_hash`]), and so is what is written back
//! ([`StorageOnlyAccounts::restore`]).

use alloy_primitives::{
    B256, U256,
    map::{AddressMap, HashMap},
};
use peruri_chainspec::ChainSpec;
use revm::{
    Database,
    bytecode::Bytecode,
    database::{BundleState, State, states::CacheAccount},
    interpreter::{
        Host, InstructionContext, InstructionResult, InterpreterTypes,
        instructions::{host::extcodehash, utility::IntoAddress},
        interpreter_types::StackTr,
    },
    primitives::KECCAK_EMPTY,
};

/// The storage-only accounts of a chain's genesis, each with a slot that is not zero.
#[derive(Debug, Clone, Default)]
pub(crate) struct StorageOnlyAccounts(AddressMap<U256>);

impl StorageOnlyAccounts {
    pub(crate) fn of_genesis(chain_spec: &ChainSpec) -> Self {
        let accounts = chain_spec.genesis().alloc.iter().filter_map(|(address, account)| {
            let plain = account.nonce.unwrap_or_default() == 0
                && account.code.as_ref().is_none_or(|code| code.is_empty());
            let storage = account.storage.as_ref().filter(|_| plain)?;
            let (slot, _) = storage.iter().find(|(_, value)| !value.is_zero())?;
            Some((*address, (*slot).into()))
        });
        Self(accounts.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the accounts that still exist into the state's cache, marked.
    ///
    /// An account of the same address that came after one was removed has no storage.
    pub(crate) fn preload<DB: Database>(&self, state: &mut State<DB>) -> Result<(), DB::Error> {
        for (address, slot) in &self.0 {
            let Some(mut info) = state.database.basic(*address)? else { continue };
            let plain = info.nonce == 0 && info.code_hash == KECCAK_EMPTY;
            if !plain || state.database.storage(*address, *slot)?.is_zero() {
                continue;
            }
            info.code_hash = B256::ZERO;
            info.code = Some(Bytecode::default());
            // Not through `insert_account`, which would replace an account without balance by one
            // without mark.
            let account = CacheAccount::new_loaded(info, HashMap::default());
            state.cache.accounts.insert(*address, account);
        }
        Ok(())
    }

    /// Gives marked accounts among the changes their code hash back.
    pub(crate) fn restore(&self, bundle: &mut BundleState) {
        for address in self.0.keys() {
            let Some(account) = bundle.state.get_mut(address) else { continue };
            for info in [&mut account.info, &mut account.original_info].into_iter().flatten() {
                if info.code_hash.is_zero() {
                    info.code_hash = KECCAK_EMPTY;
                }
            }
        }
    }
}

/// `EXTCODEHASH` that knows marked accounts: one with a balance is not empty, and has the hash of
/// no code.
pub(crate) fn ext_code_hash<W: InterpreterTypes, H: Host + ?Sized>(
    context: InstructionContext<'_, H, W>,
) -> Result<(), InstructionResult> {
    let InstructionContext { interpreter, host } = context;
    let address = interpreter.stack.top().map(|top| (*top).into_address());
    extcodehash(InstructionContext { interpreter: &mut *interpreter, host: &mut *host })?;
    if let (Some(address), Some(top)) = (address, interpreter.stack.top())
        && top.is_zero()
        && host.balance(address).is_some_and(|balance| !balance.data.is_zero())
    {
        *top = U256::from_be_bytes(KECCAK_EMPTY.0);
    }
    Ok(())
}
