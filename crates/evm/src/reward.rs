//! The block reward of a chain with `config.ibft2`.

use alloy_primitives::{Address, U256};
use revm::{
    Database, DatabaseCommit,
    state::{Account, TransactionId},
};

/// What `config.ibft2` pays per block, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockReward {
    /// The configured beneficiary, else the header's coinbase. Also receives the fees.
    pub beneficiary: Address,
    /// `blockreward` in wei.
    pub amount: U256,
}

impl BlockReward {
    /// Credits the reward. A reward of zero touches no account.
    ///
    /// # Errors
    /// If the beneficiary cannot be read.
    pub(crate) fn pay<DB: Database + DatabaseCommit>(&self, db: &mut DB) -> Result<(), DB::Error> {
        if self.amount.is_zero() {
            return Ok(());
        }
        let mut account = match db.basic(self.beneficiary)? {
            Some(info) => Account::from(info),
            None => Account::new_not_existing(TransactionId::ZERO),
        };
        account.info.balance = account.info.balance.saturating_add(self.amount);
        account.mark_touch();
        db.commit([(self.beneficiary, account)].into_iter().collect());
        Ok(())
    }
}
