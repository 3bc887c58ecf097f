//! Following the chain, and a changed list of senders.

use super::{Changes, PoolState, Removal, is_unknown_external};
use crate::{
    AccountCode, CanonicalStateUpdate, ChangedAccounts, PoolAccount, SubPool, ValidPoolTransaction,
    head::Rules, sender::SenderClass, validate,
};
use alloy_primitives::{Address, TxHash, map::AddressMap};
use std::sync::Arc;

/// Blocks between two searches for transactions that have been queued for too long.
const SWEEP_INTERVAL: u64 = 64;

impl PoolState {
    /// Brings the pool to the block of `update`; `rules` are those of the block after it.
    pub(crate) fn update(
        &mut self,
        rules: Rules,
        update: CanonicalStateUpdate,
        changes: &mut Changes,
    ) {
        let old = std::mem::replace(&mut self.rules, Arc::new(rules));
        self.version += 1;
        self.banned.expire(self.rules.block.number);
        let mut touched = self.take_mined(&update.mined, changes);
        self.set_accounts(&update.changed_accounts, &mut touched, changes);
        if old.differs_in_forks(&self.rules) {
            self.drop_unfit(changes);
        }
        let (before, now) = (old.block, self.rules.block);
        let everything = before.next_base_fee != now.next_base_fee
            || before.next_blob_fee != now.next_blob_fee
            || before.gas_limit != now.gas_limit;
        if everything {
            touched = self.senders.keys().map(|sender| (*sender, ())).collect();
        }
        self.place_anew(touched.keys().copied().collect(), changes);
        if now.number.is_multiple_of(SWEEP_INTERVAL) {
            self.drop_expired(changes);
        }
        self.enforce_limits(changes);
    }

    /// Removes what is in the block. Senders that were served go to the end of the line, in the
    /// order in which they stood.
    fn take_mined(&mut self, mined: &[TxHash], changes: &mut Changes) -> AddressMap<()> {
        let mut by_sender: AddressMap<Vec<Arc<ValidPoolTransaction>>> = AddressMap::default();
        for tx in mined.iter().filter_map(|hash| self.by_hash.get(hash)) {
            by_sender.entry(tx.sender()).or_default().push(tx.clone());
        }
        let mut served: Vec<(u64, Address)> = by_sender
            .keys()
            .filter_map(|sender| Some((self.senders.get(sender)?.ticket, *sender)))
            .collect();
        served.sort_unstable();
        for (_, sender) in &served {
            let ticket = self.take_ticket();
            let transactions = by_sender.remove(sender).unwrap_or_default();
            let class = self.with_sender(sender, |entry, sizes| {
                entry.ticket = ticket;
                for tx in &transactions {
                    entry.take(tx.nonce(), sizes);
                    // Also if the caller does not name the account as changed.
                    entry.account.nonce = entry.account.nonce.max(tx.nonce().saturating_add(1));
                }
                entry.class
            });
            for tx in &transactions {
                self.forget(tx, class.unwrap_or(SenderClass::Unknown), Removal::Mined, changes);
            }
        }
        served.into_iter().map(|(_, sender)| (sender, ())).collect()
    }

    fn set_accounts(
        &mut self,
        changed: &ChangedAccounts,
        touched: &mut AddressMap<()>,
        changes: &mut Changes,
    ) {
        let accounts: Vec<(Address, PoolAccount)> = match changed {
            ChangedAccounts::ByAddress(list) => list
                .iter()
                .filter(|changed| self.senders.contains_key(&changed.address))
                .map(|&crate::ChangedAccount { address, nonce, balance, code }| {
                    (address, PoolAccount { nonce, balance, code })
                })
                .collect(),
            ChangedAccounts::ByHash(state) => self
                .senders
                .values()
                .filter_map(|entry| {
                    let account = state.accounts.get(&entry.hashed)?;
                    Some((entry.address, from_state(account.as_ref())))
                })
                .collect(),
        };
        for (sender, account) in accounts {
            touched.insert(sender, ());
            let stale = self.with_sender(&sender, |entry, sizes| {
                entry.account = account;
                let nonces: Vec<u64> =
                    entry.slots.range(..account.nonce).map(|(nonce, _)| *nonce).collect();
                let stale: Vec<_> =
                    nonces.iter().filter_map(|nonce| entry.take(*nonce, sizes)).collect();
                (entry.class, stale)
            });
            let Some((class, stale)) = stale else { continue };
            for tx in stale {
                self.forget(&tx, class, Removal::Stale, changes);
            }
        }
    }

    fn place_anew(&mut self, senders: Vec<Address>, changes: &mut Changes) {
        let rules = self.rules.clone();
        for sender in senders {
            self.with_sender(&sender, |entry, sizes| {
                entry.rescan(0, true, &rules.block, sizes, &mut changes.promoted);
            });
        }
    }

    /// Removes what the next block's fork no longer takes.
    fn drop_unfit(&mut self, changes: &mut Changes) {
        let rules = self.rules.clone();
        let osaka = rules.spec.is_enabled_in(revm::primitives::hardfork::SpecId::OSAKA);
        let unfit: Vec<TxHash> = self
            .by_hash
            .values()
            .filter(|tx| {
                let wrong_sidecar =
                    self.blobs.get(&tx.hash).is_some_and(|sidecar| sidecar.is_eip7594() != osaka);
                wrong_sidecar || validate::check_fork(tx.transaction.inner(), &rules).is_err()
            })
            .map(|tx| tx.hash)
            .collect();
        for hash in unfit {
            self.take_out(&hash, Removal::Stale, changes);
        }
    }

    /// Removes what has been queued for longer than the limit.
    fn drop_expired(&mut self, changes: &mut Changes) {
        let now = self.rules.block.number;
        let lifetime = self.config.queued_lifetime_blocks;
        let expired: Vec<TxHash> = self
            .senders
            .values()
            .filter(|entry| entry.counts[SubPool::Queued.index()] > 0)
            .flat_map(|entry| entry.slots.values())
            .filter(|slot| {
                slot.sub == SubPool::Queued && now.saturating_sub(slot.entered) > lifetime
            })
            .map(|slot| slot.tx.hash)
            .collect();
        for hash in expired {
            self.take_out(&hash, Removal::Stale, changes);
        }
    }

    /// Applies a changed list: `class` of every sender, and with `listed_only` the end of what
    /// unlisted senders have in the pool.
    pub(crate) fn reclassify(
        &mut self,
        class: impl Fn(&Address) -> SenderClass,
        listed_only: bool,
        changes: &mut Changes,
    ) {
        let changed: Vec<(Address, SenderClass)> = self
            .senders
            .values()
            .map(|entry| (entry.address, class(&entry.address)))
            .filter(|(sender, class)| {
                let gone = listed_only && *class == SenderClass::Unknown;
                gone || self.senders.get(sender).is_some_and(|entry| entry.class != *class)
            })
            .collect();
        for (sender, class) in changed {
            let external = self.with_sender(&sender, |entry, _| {
                let count = |class| {
                    let slots = entry.slots.values();
                    slots.filter(|slot| is_unknown_external(&slot.tx, class)).count()
                };
                let counts = (count(entry.class), count(class));
                entry.class = class;
                counts
            });
            let (before, after) = external.unwrap_or_default();
            self.unknown_external = self.unknown_external - before + after;
            if listed_only && class == SenderClass::Unknown {
                self.remove_sender(&sender, Removal::NotAllowed, changes);
            }
        }
    }

    /// Removes all of a sender, last first so that nothing is placed anew.
    fn remove_sender(&mut self, sender: &Address, why: Removal, changes: &mut Changes) {
        let hashes: Vec<TxHash> = self.senders.get(sender).map_or_else(Vec::new, |entry| {
            entry.slots.values().rev().map(|slot| slot.tx.hash).collect()
        });
        for hash in hashes {
            self.take_out(&hash, why, changes);
        }
    }
}

/// A sender's account as execution left it. A sender is no contract, so code that it got since is a
/// delegation (EIP-7702).
fn from_state(account: Option<&reth_primitives_traits::Account>) -> PoolAccount {
    let Some(account) = account else { return PoolAccount::default() };
    let code = match account.bytecode_hash {
        Some(hash) if hash != alloy_primitives::KECCAK256_EMPTY => AccountCode::Delegation,
        _ => AccountCode::None,
    };
    PoolAccount { nonce: account.nonce, balance: account.balance, code }
}
