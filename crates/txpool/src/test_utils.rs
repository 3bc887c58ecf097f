//! Transactions and rules for the crate's own tests, without signing anything.

#![allow(clippy::unwrap_used)]

use crate::{
    BlockInfo, CanonicalStateUpdate, ChangedAccount, ChangedAccounts, PoolAccount, PoolConfig,
    PoolErrorKind, TransactionOrigin, ValidPoolTransaction,
    head::Rules,
    sender::SenderClass,
    state::{Changes, NewTransaction, PoolState},
};
use alloy_consensus::{Signed, TxEip1559, transaction::Recovered};
use alloy_primitives::{Address, Signature, TxHash, TxKind, U256, map::AddressMap};
use parking_lot::RwLock;
use peruri_evm::plog::AppendCall;
use revm::primitives::hardfork::SpecId;
use std::{sync::Arc, time::Instant};

pub(crate) const ETHER: u64 = 1_000_000_000_000_000_000;

/// The `n`-th sender.
pub(crate) fn sender(n: u64) -> Address {
    Address::left_padding_from(&(n + 1).to_be_bytes())
}

pub(crate) fn block(number: u64, next_base_fee: u64) -> BlockInfo {
    BlockInfo { number, timestamp: number, gas_limit: 30_000_000, next_base_fee, next_blob_fee: 0 }
}

pub(crate) fn rules(block: BlockInfo) -> Rules {
    Rules::from_parts(1, SpecId::PRAGUE, None, block)
}

/// A transaction as a test wants it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) sender: u64,
    pub(crate) nonce: u64,
    pub(crate) fee: u128,
    pub(crate) tip: u128,
    pub(crate) value: u64,
    pub(crate) gas: u64,
    pub(crate) origin: TransactionOrigin,
    pub(crate) authorities: Vec<Address>,
    pub(crate) lane: Option<AppendCall>,
}

pub(crate) fn draft(sender: u64, nonce: u64) -> Draft {
    Draft {
        sender,
        nonce,
        fee: 0,
        tip: 0,
        value: 0,
        gas: 21_000,
        origin: TransactionOrigin::External,
        authorities: Vec::new(),
        lane: None,
    }
}

impl Draft {
    pub(crate) fn fee(self, fee: u128, tip: u128) -> Self {
        Self { fee, tip, ..self }
    }

    pub(crate) fn value(self, value: u64) -> Self {
        Self { value, ..self }
    }

    pub(crate) fn build(&self) -> Arc<ValidPoolTransaction> {
        let from = sender(self.sender);
        let tx = TxEip1559 {
            chain_id: 1,
            nonce: self.nonce,
            gas_limit: self.gas,
            max_fee_per_gas: self.fee,
            max_priority_fee_per_gas: self.tip,
            to: TxKind::Call(Address::ZERO),
            value: U256::from(self.value),
            ..Default::default()
        };
        // The sender in the signature makes the hash its own.
        let signature = Signature::new(U256::from_be_slice(from.as_slice()), U256::ONE, false);
        let signed = Signed::new_unhashed(tx, signature).into();
        Arc::new(ValidPoolTransaction::new(
            Recovered::new_unchecked(signed, from),
            110,
            self.origin,
            self.authorities.clone().into_boxed_slice(),
            Instant::now(),
            self.lane,
        ))
    }
}

/// A pool's data with accounts that have an ether each, nonce 0, unless said otherwise.
pub(crate) struct Bench {
    pub(crate) state: Arc<RwLock<PoolState>>,
    pub(crate) accounts: AddressMap<PoolAccount>,
    pub(crate) listed: Vec<Address>,
}

impl Bench {
    pub(crate) fn new(config: PoolConfig, next_base_fee: u64) -> Self {
        let state = PoolState::new(config, rules(block(1, next_base_fee)));
        Self {
            state: Arc::new(RwLock::new(state)),
            accounts: AddressMap::default(),
            listed: Vec::new(),
        }
    }

    pub(crate) fn set_account(&mut self, n: u64, nonce: u64, balance: u64) {
        let account = PoolAccount { nonce, balance: U256::from(balance), ..Default::default() };
        self.accounts.insert(sender(n), account);
    }

    pub(crate) fn account(&self, n: u64) -> PoolAccount {
        let rich = PoolAccount { balance: U256::from(ETHER), ..Default::default() };
        self.accounts.get(&sender(n)).copied().unwrap_or(rich)
    }

    pub(crate) fn add(&mut self, draft: Draft) -> Result<TxHash, PoolErrorKind> {
        self.add_with(draft, &mut Changes::default())
    }

    pub(crate) fn add_with(
        &mut self,
        draft: Draft,
        changes: &mut Changes,
    ) -> Result<TxHash, PoolErrorKind> {
        let tx = draft.build();
        let from = sender(draft.sender);
        let account = self.account(draft.sender);
        self.accounts.insert(from, account);
        let class =
            if self.listed.contains(&from) { SenderClass::Listed } else { SenderClass::Unknown };
        let hash = tx.hash;
        let new = NewTransaction { tx, sidecar: None, class };
        self.state.write().insert(new, &self.accounts, changes)?;
        Ok(hash)
    }

    /// Adds and expects it to be taken.
    pub(crate) fn put(&mut self, draft: Draft) -> TxHash {
        self.add(draft).unwrap()
    }

    /// A block with `mined` in it and these accounts (sender, nonce, balance) changed.
    pub(crate) fn mine(
        &mut self,
        number: u64,
        next_base_fee: u64,
        mined: &[TxHash],
        changed: &[(u64, u64, u64)],
    ) -> Changes {
        let mut changes = Changes::default();
        for (n, nonce, balance) in changed {
            self.set_account(*n, *nonce, *balance);
        }
        let changed = changed
            .iter()
            .map(|(n, nonce, balance)| ChangedAccount {
                address: sender(*n),
                nonce: *nonce,
                balance: U256::from(*balance),
                code: Default::default(),
            })
            .collect();
        let block = block(number, next_base_fee);
        let update = CanonicalStateUpdate {
            block,
            mined: mined.to_vec(),
            changed_accounts: ChangedAccounts::ByAddress(changed),
        };
        self.state.write().update(rules(block), update, &mut changes);
        changes
    }

    /// Pending, basefee, queued.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let size = self.state.read().size();
        (size.pending, size.basefee, size.queued)
    }

    pub(crate) fn best(&self) -> crate::BestTransactions {
        crate::BestTransactions::new(self.state.clone(), None)
    }

    /// What the next block would hold, as (sender, nonce).
    pub(crate) fn order(&self) -> Vec<(u64, u64)> {
        self.best().map(|tx| (number_of(&tx.sender()), tx.nonce())).collect()
    }
}

pub(crate) fn number_of(address: &Address) -> u64 {
    let mut last = [0; 8];
    last.copy_from_slice(&address[12..]);
    u64::from_be_bytes(last) - 1
}
