//! The peer of block import: the same senders recovered and the same transactions run in bare revm,
//! over hash maps, with nothing stored and no root computed.

use crate::chain::{HOLDING, TOKEN, balance_slot};
use alloy_evm::{EvmEnv, FromRecoveredTx};
use alloy_primitives::{Address, U256};
use eyre::{Result, ensure};
use peruri_primitives::TransactionSigned;
use peruri_testnet::Token;
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::TxEnv,
    database::{CacheDB, EmptyDB},
    state::AccountInfo,
};

/// State in memory.
#[derive(Debug)]
pub struct BareRevm {
    db: CacheDB<EmptyDB>,
}

impl BareRevm {
    /// The state of [`crate::chain::Chain`] at its genesis.
    ///
    /// # Errors
    /// If the token's artifact is damaged.
    pub fn new(holders: &[Address]) -> Result<Self> {
        let mut db = CacheDB::new(EmptyDB::default());
        for holder in holders {
            let info = AccountInfo::from_balance(U256::from(HOLDING));
            db.insert_account_info(*holder, info);
        }
        let code = Bytecode::new_legacy(Token::runtime_code()?);
        let token = AccountInfo { nonce: 1, ..AccountInfo::from_bytecode(code) };
        db.insert_account_info(TOKEN, token);
        for holder in holders {
            let slot = balance_slot(*holder).into();
            db.insert_account_storage(TOKEN, slot, U256::from(HOLDING))?;
        }
        Ok(Self { db })
    }

    /// Runs a block's transactions and keeps their changes. Returns the gas used.
    ///
    /// # Errors
    /// If a transaction is invalid or fails.
    pub fn run(
        &mut self,
        env: EvmEnv,
        transactions: &[TransactionSigned],
        senders: &[Address],
    ) -> Result<u64> {
        let context = Context::mainnet().with_db(&mut self.db);
        let mut evm = context.with_block(env.block_env).with_cfg(env.cfg_env).build_mainnet();
        let mut gas = 0;
        for (transaction, sender) in transactions.iter().zip(senders) {
            let env = TxEnv::from_recovered_tx(transaction, *sender);
            let result = evm.transact_commit(env)?;
            ensure!(result.is_success(), "a transaction of the measurement failed: {result:?}");
            gas += result.tx_gas_used();
        }
        Ok(gas)
    }
}
