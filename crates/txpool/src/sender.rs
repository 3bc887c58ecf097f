//! One sender's transactions and the sub-pool each of them is in.

use crate::{BlockInfo, PoolAccount, ValidPoolTransaction};
use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256, U256, keccak256};
use std::{collections::BTreeMap, sync::Arc};

/// Part of the pool, by what a transaction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubPool {
    /// For nothing: the next block can hold it.
    Pending,
    /// For a lower base fee (or blob fee).
    BaseFee,
    /// For a missing nonce, for balance, or for an ancestor that waits.
    Queued,
}

impl SubPool {
    pub(crate) const ALL: [Self; 3] = [Self::Pending, Self::BaseFee, Self::Queued];

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// Whether a sender is on the list. Listed ones come first in blocks, unlisted ones make room first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum SenderClass {
    Listed,
    Unknown,
}

/// A transaction's place.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) tx: Arc<ValidPoolTransaction>,
    pub(crate) sub: SubPool,
    /// No nonce is missing between the account and this transaction.
    pub(crate) gapless: bool,
    /// Cost of this transaction and all before it.
    cumulative: U256,
    /// Block at which it entered.
    pub(crate) entered: u64,
}

/// Count and bytes of a sub-pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SubPoolSize {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

/// Sizes of the three sub-pools, indexed by [`SubPool::index`].
pub(crate) type Sizes = [SubPoolSize; 3];

/// A sender that has transactions in the pool.
#[derive(Debug)]
pub(crate) struct SenderEntry {
    pub(crate) address: Address,
    pub(crate) hashed: B256,
    pub(crate) account: PoolAccount,
    pub(crate) class: SenderClass,
    /// Place in the line: lower is served earlier.
    pub(crate) ticket: u64,
    pub(crate) slots: BTreeMap<u64, Slot>,
    /// Its transactions per sub-pool.
    pub(crate) counts: [usize; 3],
    /// Its transactions without a gap before them: the first so many.
    gapless: u64,
}

/// Place of a sender in the order in which sub-pools make room: the last one goes first. Unlisted
/// before listed, then who has most, then who came last.
pub(crate) type LoadKey = (SenderClass, usize, u64, Address);

impl SenderEntry {
    pub(crate) fn new(
        address: Address,
        account: PoolAccount,
        class: SenderClass,
        ticket: u64,
    ) -> Self {
        Self {
            address,
            hashed: keccak256(address),
            account,
            class,
            ticket,
            slots: BTreeMap::new(),
            counts: [0; 3],
            gapless: 0,
        }
    }

    /// The nonce after the last transaction without a gap before it.
    pub(crate) const fn pending_nonce(&self) -> u64 {
        self.account.nonce.saturating_add(self.gapless)
    }

    /// The sender's keys in the three orders of eviction.
    pub(crate) fn load_keys(&self) -> [Option<LoadKey>; 3] {
        self.counts
            .map(|count| (count > 0).then_some((self.class, count, self.ticket, self.address)))
    }

    /// Puts a transaction in, as queued, and returns the one it replaces. [`Self::rescan`] from its
    /// nonce finds its sub-pool.
    pub(crate) fn put(
        &mut self,
        tx: Arc<ValidPoolTransaction>,
        entered: u64,
        sizes: &mut Sizes,
    ) -> Option<Arc<ValidPoolTransaction>> {
        let nonce = tx.nonce();
        let replaced = self.take(nonce, sizes);
        self.count_in(SubPool::Queued, tx.size, sizes);
        let slot =
            Slot { tx, sub: SubPool::Queued, gapless: false, cumulative: U256::MAX, entered };
        self.slots.insert(nonce, slot);
        replaced
    }

    /// Takes the transaction of `nonce` out. The ones after it need a [`Self::rescan`].
    pub(crate) fn take(
        &mut self,
        nonce: u64,
        sizes: &mut Sizes,
    ) -> Option<Arc<ValidPoolTransaction>> {
        let slot = self.slots.remove(&nonce)?;
        self.gapless -= u64::from(slot.gapless);
        self.count_out(slot.sub, slot.tx.size, sizes);
        Some(slot.tx)
    }

    /// Places the transactions from nonce `from` on, in nonce order. Stops at the first one that
    /// comes out as it was, unless `full`: then base fee, gas limit or account have changed. What
    /// becomes pending is added to `promoted`.
    pub(crate) fn rescan(
        &mut self,
        from: u64,
        full: bool,
        block: &BlockInfo,
        sizes: &mut Sizes,
        promoted: &mut Vec<Arc<ValidPoolTransaction>>,
    ) {
        let before = self.slots.range(..from).next_back();
        let (mut expected, mut cumulative, mut open) = match before {
            Some((nonce, slot)) => (
                slot.gapless.then(|| nonce.saturating_add(1)),
                slot.cumulative,
                slot.sub == SubPool::Pending,
            ),
            None => (Some(self.account.nonce), U256::ZERO, true),
        };
        for (nonce, slot) in self.slots.range_mut(from..) {
            let gapless = expected == Some(*nonce);
            cumulative = cumulative.saturating_add(slot.tx.cost);
            let executable = open
                && gapless
                && cumulative <= self.account.balance
                && slot.tx.gas_limit() <= block.gas_limit;
            let sub = match executable {
                true if pays(&slot.tx, block) => SubPool::Pending,
                true => SubPool::BaseFee,
                false => SubPool::Queued,
            };
            let same = slot.sub == sub && slot.gapless == gapless && slot.cumulative == cumulative;
            if same && !full {
                return;
            }
            if slot.sub != sub {
                let (old, new) = (slot.sub.index(), sub.index());
                sizes[old].count -= 1;
                sizes[old].bytes -= slot.tx.size;
                sizes[new].count += 1;
                sizes[new].bytes += slot.tx.size;
                self.counts[old] -= 1;
                self.counts[new] += 1;
                if sub == SubPool::Pending {
                    promoted.push(slot.tx.clone());
                }
            }
            self.gapless = self.gapless + u64::from(gapless) - u64::from(slot.gapless);
            slot.sub = sub;
            slot.gapless = gapless;
            slot.cumulative = cumulative;
            expected = gapless.then(|| nonce.saturating_add(1));
            open = sub == SubPool::Pending;
        }
    }

    /// The last transaction of a sub-pool. Nonces run from pending over at most one in basefee to
    /// queued, since what waits holds up all after it.
    pub(crate) fn last_in(&self, sub: SubPool) -> Option<&Arc<ValidPoolTransaction>> {
        let pending = self.counts[SubPool::Pending.index()] as u64;
        let slot = match sub {
            SubPool::Pending => {
                self.slots.get(&self.account.nonce.checked_add(pending)?.checked_sub(1)?)
            }
            SubPool::BaseFee => self.slots.get(&self.account.nonce.checked_add(pending)?),
            SubPool::Queued => self.slots.values().next_back(),
        };
        slot.filter(|slot| slot.sub == sub).map(|slot| &slot.tx)
    }

    fn count_in(&mut self, sub: SubPool, bytes: usize, sizes: &mut Sizes) {
        self.counts[sub.index()] += 1;
        sizes[sub.index()].count += 1;
        sizes[sub.index()].bytes += bytes;
    }

    fn count_out(&mut self, sub: SubPool, bytes: usize, sizes: &mut Sizes) {
        self.counts[sub.index()] -= 1;
        sizes[sub.index()].count -= 1;
        sizes[sub.index()].bytes -= bytes;
    }
}

/// Whether `tx` pays the next block's base fee and blob fee.
fn pays(tx: &ValidPoolTransaction, block: &BlockInfo) -> bool {
    tx.max_fee_per_gas() >= u128::from(block.next_base_fee)
        && tx.transaction.max_fee_per_blob_gas().is_none_or(|fee| fee >= block.next_blob_fee)
}
