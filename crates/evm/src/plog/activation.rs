//! How the log begins: its account in the genesis state, or before the first transaction of the
//! first block from `config.plog`'s block or time on; and the check that it is there.

use alloy_hardforks::ForkCondition;
use alloy_primitives::{B256, KECCAK256_EMPTY, U256, b256};
use peruri_chainspec::{ChainSpec, PlogConfig};
use peruri_plog::PLOG_ADDRESS;
use peruri_primitives::Header;
use peruri_storage::{ProviderError, StateProvider};
use revm::{
    Database, DatabaseCommit,
    bytecode::Bytecode,
    state::{Account, AccountInfo, EvmStorageSlot, TransactionId},
};

/// Hash of the code `0xfe`.
const CODE_HASH: B256 = b256!("0xbcc90f2d6dada5b18e155c17a1c0a55920aae94f39857d39d0d8ed07ae8f228b");

/// When the precompile is there, and what its account begins with.
#[derive(Debug, Clone)]
pub(crate) struct Activation {
    plog: PlogConfig,
}

impl Activation {
    /// The activation of a chain that begins its log after genesis; at genesis the account is part
    /// of the allocation and nothing is left to do.
    pub(crate) fn after_genesis(spec: &ChainSpec) -> Option<Self> {
        let plog = spec.plog()?;
        let at_genesis = plog.is_active(0, spec.genesis_header().timestamp);
        (!at_genesis).then(|| Self { plog: plog.clone() })
    }

    /// Creates the account if the block with this number and timestamp is the first one of the log.
    ///
    /// By block, that follows from the number. By time it follows from the state after the parent:
    /// nobody but this function gives the address a nonce. Blocks before the time read nothing.
    pub(crate) fn run<DB: Database + DatabaseCommit>(
        &self,
        number: u64,
        timestamp: u64,
        state: &mut DB,
    ) -> Result<(), DB::Error> {
        let begins = match self.plog.activation {
            ForkCondition::Block(block) => block == number,
            _ => self.plog.is_active(number, timestamp),
        };
        if !begins {
            return Ok(());
        }
        let before = state.basic(PLOG_ADDRESS)?;
        if before.as_ref().is_none_or(|account| account.nonce == 0) {
            let account = self.account(number, before);
            state.commit([(PLOG_ADDRESS, account)].into_iter().collect());
        }
        Ok(())
    }

    /// The account of the configuration; a balance is kept.
    fn account(&self, number: u64, before: Option<AccountInfo>) -> Account {
        let genesis = self.plog.account(number);
        let mut account = match before {
            Some(info) => Account::from(info),
            None => Account::new_not_existing(TransactionId::ZERO),
        };
        account.info.nonce = genesis.nonce.unwrap_or_default();
        let code = Bytecode::new_raw(genesis.code.unwrap_or_default());
        account.info.code_hash = code.hash_slow();
        account.info.code = Some(code);
        let words = genesis.storage.unwrap_or_default().into_iter().map(|(slot, word)| {
            let word = EvmStorageSlot::new_changed(U256::ZERO, word.into(), TransactionId::ZERO);
            (slot.into(), word)
        });
        account = account.with_storage(words);
        account.mark_touch();
        account
    }
}

/// Why a node whose log should be there does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlogAccountError {
    /// The account lacks its nonce or has another code.
    #[error(
        "block {block}: the transparency log is active (config.plog), but its account \
         {PLOG_ADDRESS} has nonce {nonce} and code hash {code_hash} instead of {CODE_HASH}: this \
         database was made by other rules"
    )]
    Missing {
        /// The block after which the state was looked at.
        block: u64,
        /// Nonce found.
        nonce: u64,
        /// Code hash found.
        code_hash: B256,
    },
    /// The store failed.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// Checks account and code of the log in `state`, the state after `head`, where the log is active.
/// Without them appends would succeed and vanish (EIP-161).
///
/// # Errors
/// [`PlogAccountError`] with the block's number.
pub fn check_plog_account(
    spec: &ChainSpec,
    head: &Header,
    state: &dyn StateProvider,
) -> Result<(), PlogAccountError> {
    if !spec.plog().is_some_and(|plog| plog.is_active(head.number, head.timestamp)) {
        return Ok(());
    }
    let account = state.account(&PLOG_ADDRESS)?.unwrap_or_default();
    let code_hash = account.bytecode_hash.unwrap_or(KECCAK256_EMPTY);
    if account.nonce == 0 || code_hash != CODE_HASH {
        return Err(PlogAccountError::Missing {
            block: head.number,
            nonce: account.nonce,
            code_hash,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;

    use super::*;

    #[test]
    fn the_code_is_one_invalid_instruction() {
        assert_eq!(keccak256([0xfe]), CODE_HASH);
    }
}
