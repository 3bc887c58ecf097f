//! The pool's data, without locks, files or clocks: what is in it depends only on the sequence of
//! calls.
//!
//! Rules it keeps at every moment:
//! 1. A sender's pending transactions are its first ones, their nonces run without gap from the
//!    account's nonce, and the balance covers them together.
//! 2. At most one transaction of a sender is in basefee; what follows it is queued.
//! 3. No sub-pool is above its limit after a call, and the counted sizes are the real ones.

mod evict;
mod lane;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
mod update;

use crate::{
    AccountCode, PoolAccount, PoolConfig, PoolContent, PoolErrorKind, PoolSize, SubPool,
    TransactionOrigin, ValidPoolTransaction,
    head::Rules,
    sender::{LoadKey, SenderClass, SenderEntry, Sizes},
};
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::{
    Address, TxHash,
    map::{AddressMap, B256Map},
};
use evict::BanList;
use lane::Lane;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Why a transaction left the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is in a block.
    Mined,
    /// Another of the same sender and nonce pays more.
    Replaced,
    /// Its nonce was used by another, the fork refuses it, or it waited too long.
    Stale,
    /// It had to make room.
    Overflow,
    /// Its sender is no longer on the list.
    NotAllowed,
    /// Somebody asked for it.
    Asked,
}

/// What a call changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) promoted: Vec<Arc<ValidPoolTransaction>>,
    pub(crate) removed: Vec<(Arc<ValidPoolTransaction>, Removal)>,
}

/// A transaction that passed all checks that need no account.
#[derive(Debug)]
pub(crate) struct NewTransaction {
    pub(crate) tx: Arc<ValidPoolTransaction>,
    pub(crate) sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
    pub(crate) class: SenderClass,
}

/// The pool's data.
#[derive(Debug)]
pub(crate) struct PoolState {
    config: PoolConfig,
    rules: Arc<Rules>,
    /// Counts the blocks seen: a view of the accounts read at another version is out of date.
    version: u64,
    by_hash: B256Map<Arc<ValidPoolTransaction>>,
    senders: AddressMap<SenderEntry>,
    sizes: Sizes,
    /// Senders with transactions in a sub-pool, in the order in which they do *not* make room.
    load: [BTreeSet<LoadKey>; 3],
    /// Authorizations in the pool by authority.
    authorities: AddressMap<usize>,
    unknown_external: usize,
    next_ticket: u64,
    banned: BanList,
    lane: Lane,
    blobs: B256Map<Arc<BlobTransactionSidecarVariant>>,
    blob_bytes: usize,
}

impl PoolState {
    pub(crate) fn new(config: PoolConfig, rules: Rules) -> Self {
        Self {
            banned: BanList::new(config.max_evicted),
            config,
            rules: Arc::new(rules),
            version: 0,
            by_hash: B256Map::default(),
            senders: AddressMap::default(),
            sizes: Sizes::default(),
            load: Default::default(),
            authorities: AddressMap::default(),
            unknown_external: 0,
            next_ticket: 0,
            lane: Lane::default(),
            blobs: B256Map::default(),
            blob_bytes: 0,
        }
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.clone()
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn get(&self, hash: &TxHash) -> Option<&Arc<ValidPoolTransaction>> {
        self.by_hash.get(hash)
    }

    pub(crate) fn sidecar(&self, hash: &TxHash) -> Option<&Arc<BlobTransactionSidecarVariant>> {
        self.blobs.get(hash)
    }

    pub(crate) fn sender(&self, sender: &Address) -> Option<&SenderEntry> {
        self.senders.get(sender)
    }

    pub(crate) fn senders(&self) -> impl Iterator<Item = &SenderEntry> {
        self.senders.values()
    }

    pub(crate) fn transactions(&self) -> impl Iterator<Item = &Arc<ValidPoolTransaction>> {
        self.by_hash.values()
    }

    /// Why `hash` need not be looked at any further.
    pub(crate) fn refuses(&self, hash: &TxHash) -> Option<PoolErrorKind> {
        if self.by_hash.contains_key(hash) {
            return Some(PoolErrorKind::AlreadyKnown);
        }
        self.banned.until(hash).map(|until| PoolErrorKind::Evicted { until })
    }

    pub(crate) fn size(&self) -> PoolSize {
        let [pending, basefee, queued] = self.sizes;
        PoolSize {
            pending: pending.count,
            pending_size: pending.bytes,
            basefee: basefee.count,
            basefee_size: basefee.bytes,
            queued: queued.count,
            queued_size: queued.bytes,
            blobs: self.blobs.len(),
            blobs_size: self.blob_bytes,
            lane: self.lane.count(),
            senders: self.senders.len(),
        }
    }

    pub(crate) fn content(&self) -> PoolContent {
        let mut content = PoolContent::default();
        for entry in self.senders.values() {
            let (pending, queued) = entry.content();
            if !pending.is_empty() {
                content.pending.insert(entry.address, pending);
            }
            if !queued.is_empty() {
                content.queued.insert(entry.address, queued);
            }
        }
        content
    }

    /// Takes a transaction in. `accounts` holds the accounts of senders that are new to the pool.
    pub(crate) fn insert(
        &mut self,
        new: NewTransaction,
        accounts: &AddressMap<PoolAccount>,
        changes: &mut Changes,
    ) -> Result<(), PoolErrorKind> {
        let NewTransaction { tx, sidecar, class } = new;
        if let Some(refusal) = self.refuses(&tx.hash) {
            return Err(refusal);
        }
        let sender = tx.sender();
        let entry = self.senders.get(&sender);
        // One class per sender: a list that is just being replaced must not split the counts.
        let class = entry.map_or(class, |entry| entry.class);
        let account = match entry {
            Some(entry) => entry.account,
            None => *accounts.get(&sender).ok_or_else(|| {
                PoolErrorKind::AccountRead(format!("account {sender} was not looked up"))
            })?,
        };
        check_account(&tx, &account)?;
        self.check_delegation(&tx, entry, &account)?;
        let replaces = entry.and_then(|entry| entry.slots.get(&tx.nonce())).map(|slot| &slot.tx);
        self.lane.check(&tx, replaces.map(|old| &**old), &self.config)?;
        let unknown_external = is_unknown_external(&tx, class);
        let make_room = match replaces {
            Some(old) => {
                self.check_replacement(old, &tx)?;
                None
            }
            None => {
                if unknown_external && self.unknown_external >= self.config.max_unknown_external {
                    return Err(PoolErrorKind::TxPoolOverflow);
                }
                self.check_slots(&tx, entry, &account)?
            }
        };
        if let Some(sidecar) = &sidecar {
            let freed = replaces
                .and_then(|old| self.blobs.get(&old.hash))
                .map_or(0, |old| sidecar_size(old));
            if self.blob_bytes - freed + sidecar_size(sidecar) > self.config.max_blob_bytes {
                return Err(PoolErrorKind::TxPoolOverflow);
            }
        }
        if let Some(hash) = make_room {
            self.take_out(&hash, Removal::Overflow, changes);
        }
        self.put(tx.clone(), sidecar, class, account, changes);
        self.enforce_limits(changes);
        if self.by_hash.contains_key(&tx.hash) {
            Ok(())
        } else {
            Err(PoolErrorKind::TxPoolOverflow)
        }
    }

    fn put(
        &mut self,
        tx: Arc<ValidPoolTransaction>,
        sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
        class: SenderClass,
        account: PoolAccount,
        changes: &mut Changes,
    ) {
        let sender = tx.sender();
        let (nonce, entered) = (tx.nonce(), self.rules.block.number);
        if !self.senders.contains_key(&sender) {
            let ticket = self.take_ticket();
            self.senders.insert(sender, SenderEntry::new(sender, account, class, ticket));
        }
        let rules = self.rules.clone();
        let promoted = &mut changes.promoted;
        let placed = tx.clone();
        let replaced = self.with_sender(&sender, |entry, sizes| {
            let replaced = entry.put(placed, entered, sizes);
            entry.rescan(nonce, false, &rules.block, sizes, promoted);
            replaced
        });
        if let Some(old) = replaced.flatten() {
            self.forget(&old, class, Removal::Replaced, changes);
        }
        for authority in &tx.authorities {
            *self.authorities.entry(*authority).or_default() += 1;
        }
        if let Some(sidecar) = sidecar {
            self.blob_bytes += sidecar_size(&sidecar);
            self.blobs.insert(tx.hash, sidecar);
        }
        self.unknown_external += usize::from(is_unknown_external(&tx, class));
        self.lane.add(&tx);
        self.by_hash.insert(tx.hash, tx);
    }

    /// Removes a transaction; those of its sender that depended on it are placed anew.
    pub(crate) fn remove(
        &mut self,
        hash: &TxHash,
        why: Removal,
        changes: &mut Changes,
    ) -> Option<Arc<ValidPoolTransaction>> {
        let removed = self.take_out(hash, why, changes);
        // What was pending may be queued now, and too much there.
        self.enforce_limits(changes);
        removed
    }

    /// [`Self::remove`] for callers that enforce the limits when they are through.
    fn take_out(
        &mut self,
        hash: &TxHash,
        why: Removal,
        changes: &mut Changes,
    ) -> Option<Arc<ValidPoolTransaction>> {
        let tx = self.by_hash.get(hash)?.clone();
        let (sender, nonce) = (tx.sender(), tx.nonce());
        let rules = self.rules.clone();
        let promoted = &mut changes.promoted;
        let class = self.with_sender(&sender, |entry, sizes| {
            entry.take(nonce, sizes);
            entry.rescan(nonce, false, &rules.block, sizes, promoted);
            entry.class
        });
        self.forget(&tx, class.unwrap_or(SenderClass::Unknown), why, changes);
        Some(tx)
    }

    /// Removes every trace of a transaction but its slot.
    fn forget(
        &mut self,
        tx: &Arc<ValidPoolTransaction>,
        class: SenderClass,
        why: Removal,
        changes: &mut Changes,
    ) {
        self.by_hash.remove(&tx.hash);
        if let Some(sidecar) = self.blobs.remove(&tx.hash) {
            self.blob_bytes -= sidecar_size(&sidecar);
        }
        for authority in &tx.authorities {
            if let Some(count) = self.authorities.get_mut(authority) {
                *count -= 1;
                if *count == 0 {
                    self.authorities.remove(authority);
                }
            }
        }
        self.unknown_external -= usize::from(is_unknown_external(tx, class));
        self.lane.remove(tx);
        changes.removed.push((tx.clone(), why));
    }

    /// Changes a sender's entry and keeps the orders of eviction in step; an empty entry goes.
    fn with_sender<R>(
        &mut self,
        sender: &Address,
        change: impl FnOnce(&mut SenderEntry, &mut Sizes) -> R,
    ) -> Option<R> {
        let entry = self.senders.get_mut(sender)?;
        let before = entry.load_keys();
        let result = change(entry, &mut self.sizes);
        let after = entry.load_keys();
        for ((load, before), after) in self.load.iter_mut().zip(before).zip(after) {
            if before != after {
                before.map(|key| load.remove(&key));
                after.map(|key| load.insert(key));
            }
        }
        if entry.slots.is_empty() {
            self.senders.remove(sender);
        }
        Some(result)
    }

    const fn take_ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        ticket
    }

    /// An account whose code others can run keeps few transactions in flight, since one foreign
    /// transaction can invalidate all of them (EIP-7702, "Transaction propagation").
    fn check_delegation(
        &self,
        tx: &ValidPoolTransaction,
        entry: Option<&SenderEntry>,
        account: &PoolAccount,
    ) -> Result<(), PoolErrorKind> {
        let limit = self.config.max_inflight_delegated;
        let delegated =
            account.code == AccountCode::Delegation || self.authorities.contains_key(&tx.sender());
        let replaces = entry.is_some_and(|entry| entry.slots.contains_key(&tx.nonce()));
        if delegated && !replaces {
            if entry.map_or(0, |entry| entry.slots.len()) >= limit {
                return Err(PoolErrorKind::InflightTxLimitReached);
            }
            let next = entry.map_or(account.nonce, SenderEntry::pending_nonce);
            if tx.nonce() != next {
                return Err(PoolErrorKind::OutOfOrderTxFromDelegated);
            }
        }
        let in_flight = |authority: &&Address| {
            self.senders.get(*authority).is_some_and(|entry| entry.slots.len() > limit)
        };
        match tx.authorities.iter().find(in_flight) {
            Some(authority) => Err(PoolErrorKind::AuthorityReserved(*authority)),
            None => Ok(()),
        }
    }

    /// A replacement must raise both fees (and the blob fee) by the bump, and at all: on a chain
    /// without fees nothing is replaced for free.
    fn check_replacement(
        &self,
        old: &ValidPoolTransaction,
        new: &ValidPoolTransaction,
    ) -> Result<(), PoolErrorKind> {
        use alloy_consensus::Transaction;
        let bump = match old.is_eip4844() || new.is_eip4844() {
            true => self.config.blob_price_bump,
            false => self.config.price_bump,
        };
        let raised = |old: u128, new: u128| {
            new > old
                && new.saturating_mul(100)
                    >= old.saturating_mul(100).saturating_add(old.saturating_mul(bump.into()))
        };
        let blob_fee = |tx: &ValidPoolTransaction| tx.transaction.max_fee_per_blob_gas();
        let enough = raised(old.max_fee_per_gas(), new.max_fee_per_gas())
            && raised(old.priority_fee_or_price(), new.priority_fee_or_price())
            && match (blob_fee(old), blob_fee(new)) {
                (Some(old), Some(new)) => raised(old, new),
                _ => true,
            };
        if enough { Ok(()) } else { Err(PoolErrorKind::ReplacementUnderpriced) }
    }

    /// Whether the sender may have one more transaction at this nonce. A sender that is full may
    /// still fill a gap: its last queued transaction is named, to make room.
    fn check_slots(
        &self,
        tx: &ValidPoolTransaction,
        entry: Option<&SenderEntry>,
        account: &PoolAccount,
    ) -> Result<Option<TxHash>, PoolErrorKind> {
        let expected = entry.map_or(account.nonce, SenderEntry::pending_nonce);
        if tx.nonce().saturating_sub(expected) > self.config.max_nonce_gap {
            return Err(PoolErrorKind::NonceTooHigh { expected, got: tx.nonce() });
        }
        let limit = self.config.max_account_slots;
        let Some(entry) = entry.filter(|entry| entry.slots.len() >= limit) else {
            return Ok(None);
        };
        match entry.last_in(SubPool::Queued) {
            Some(last) if last.nonce() > tx.nonce() => Ok(Some(last.hash)),
            _ => Err(PoolErrorKind::AccountLimitExceeded { limit }),
        }
    }
}

/// Checks a transaction against its sender's account.
fn check_account(tx: &ValidPoolTransaction, account: &PoolAccount) -> Result<(), PoolErrorKind> {
    if account.code == AccountCode::Contract {
        return Err(PoolErrorKind::SenderNotEoa(tx.sender()));
    }
    if tx.nonce() < account.nonce {
        return Err(PoolErrorKind::NonceTooLow { expected: account.nonce, got: tx.nonce() });
    }
    if tx.cost > account.balance {
        let (balance, cost) = (account.balance, tx.cost);
        return Err(PoolErrorKind::InsufficientFunds { balance, cost });
    }
    Ok(())
}

fn is_unknown_external(tx: &ValidPoolTransaction, class: SenderClass) -> bool {
    class == SenderClass::Unknown && tx.origin == TransactionOrigin::External
}

/// Memory of a sidecar in bytes.
fn sidecar_size(sidecar: &BlobTransactionSidecarVariant) -> usize {
    alloy_consensus::transaction::TxEip4844Sidecar::size(sidecar)
}

type ByNonce = BTreeMap<u64, Arc<ValidPoolTransaction>>;

impl SenderEntry {
    /// The sender's pending and waiting transactions.
    pub(crate) fn content(&self) -> (ByNonce, ByNonce) {
        let mut content = (ByNonce::new(), ByNonce::new());
        for (nonce, slot) in &self.slots {
            let part = if slot.sub == SubPool::Pending { &mut content.0 } else { &mut content.1 };
            part.insert(*nonce, slot.tx.clone());
        }
        content
    }
}
