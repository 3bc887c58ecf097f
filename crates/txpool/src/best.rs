//! The order in which a block takes transactions.
//!
//! Senders take turns: in each round every sender gives its next transaction. Listed senders come
//! before unlisted ones. Within these, a chain without fees goes by the line in which senders stand
//! (first come, first served; who was served goes to the end), a chain with fees by what the
//! transaction pays the proposer, then by the line. For one content of the pool there is one order.
//!
//! The pool is read in small pieces while the block is built, not copied at the start. What leaves
//! the pool meanwhile is left out; a sender that joins meanwhile waits for the next block.

use crate::{
    SubPool, ValidPoolTransaction,
    sender::{SenderClass, SenderEntry},
    state::PoolState,
};
use alloy_consensus::Transaction;
use alloy_primitives::Address;
use parking_lot::RwLock;
use std::{cmp::Reverse, collections::VecDeque, sync::Arc};

/// Transactions read ahead, all senders together.
const READ_AHEAD: usize = 1_024;

/// Senders whose next transactions are read under one lock.
const SENDERS_PER_LOCK: usize = 512;

/// Fees of the block to be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BestTransactionsAttributes {
    /// Base fee per gas in wei.
    pub base_fee: u64,
    /// Blob fee per gas in wei.
    pub blob_fee: u128,
}

#[derive(Debug)]
struct Cursor {
    address: Address,
    class: SenderClass,
    ticket: u64,
    next_nonce: u64,
    ahead: VecDeque<Arc<ValidPoolTransaction>>,
    done: bool,
}

/// Iterator over what a block can hold, best first.
#[derive(Debug)]
pub struct BestTransactions {
    state: Arc<RwLock<PoolState>>,
    attributes: BestTransactionsAttributes,
    cursors: Vec<Cursor>,
    position: usize,
    skip_blobs: bool,
    lane: Vec<Arc<ValidPoolTransaction>>,
}

impl BestTransactions {
    pub(crate) fn new(
        state: Arc<RwLock<PoolState>>,
        attributes: Option<BestTransactionsAttributes>,
    ) -> Self {
        let guard = state.read();
        let block = guard.rules().block;
        let mut cursors: Vec<Cursor> = guard
            .senders()
            .filter(|entry| entry.counts[SubPool::Pending.index()] > 0)
            .map(Cursor::new)
            .collect();
        let lane = guard.lane_transactions();
        drop(guard);
        cursors.sort_unstable_by_key(|cursor| (cursor.class, cursor.ticket));
        let attributes = attributes.unwrap_or(BestTransactionsAttributes {
            base_fee: block.next_base_fee,
            blob_fee: block.next_blob_fee,
        });
        // The first call of `next` starts the first round.
        Self { state, attributes, position: cursors.len(), cursors, skip_blobs: false, lane }
    }

    /// The transactions of the lane: of each sender the first ones, in the order of their nonces. They
    /// come as ordinary ones too, unless [`begin_after`](Self::begin_after) says that they are taken.
    pub fn take_lane(&mut self) -> Vec<Arc<ValidPoolTransaction>> {
        std::mem::take(&mut self.lane)
    }

    /// Begins the turns of a sender after `transaction`, which the block has already. For use before
    /// the first turn.
    pub fn begin_after(&mut self, transaction: &ValidPoolTransaction) {
        let sender = transaction.sender();
        if let Some(cursor) = self.cursors.iter_mut().find(|cursor| cursor.address == sender) {
            cursor.ahead.clear();
            cursor.next_nonce = transaction.nonce().saturating_add(1);
        }
    }

    /// Leaves out the sender of `transaction` from here on: the transaction is invalid or does not
    /// fit, and all later ones of its sender depend on it.
    pub fn mark_invalid(&mut self, transaction: &ValidPoolTransaction) {
        let sender = transaction.sender();
        // Nearly always the one that was given last.
        let last = self.position.checked_sub(1);
        let found = last
            .filter(|index| self.cursors.get(*index).is_some_and(|c| c.address == sender))
            .or_else(|| self.cursors.iter().position(|cursor| cursor.address == sender));
        if let Some(cursor) = found.and_then(|index| self.cursors.get_mut(index)) {
            cursor.done = true;
            cursor.ahead.clear();
        }
    }

    /// Leaves out blob transactions from here on (and what their senders have after them).
    pub const fn skip_blobs(&mut self) {
        self.skip_blobs = true;
    }

    /// Reads ahead where a sender's next transaction is missing, drops senders that are through,
    /// and sorts the rest for the coming round.
    fn start_round(&mut self) -> bool {
        self.cursors.retain(|cursor| !cursor.done);
        let each = (READ_AHEAD / self.cursors.len().max(1)).clamp(1, 64);
        for part in self.cursors.chunks_mut(SENDERS_PER_LOCK) {
            if part.iter().all(|cursor| !cursor.ahead.is_empty()) {
                continue;
            }
            let state = self.state.read();
            for cursor in part.iter_mut().filter(|cursor| cursor.ahead.is_empty()) {
                cursor.read_ahead(&state, &self.attributes, each);
            }
        }
        self.cursors.retain(|cursor| !cursor.ahead.is_empty());
        let base_fee = self.attributes.base_fee;
        if base_fee > 0 {
            self.cursors.sort_by_cached_key(|cursor| {
                let tip = cursor.ahead.front().and_then(|tx| tx.effective_tip_per_gas(base_fee));
                (cursor.class, Reverse(tip), cursor.ticket)
            });
        }
        self.position = 0;
        !self.cursors.is_empty()
    }
}

impl Iterator for BestTransactions {
    type Item = Arc<ValidPoolTransaction>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(cursor) = self.cursors.get_mut(self.position) {
                self.position += 1;
                match cursor.ahead.pop_front() {
                    Some(tx) if self.skip_blobs && tx.is_eip4844() => {
                        cursor.done = true;
                        cursor.ahead.clear();
                    }
                    Some(tx) => return Some(tx),
                    None => {}
                }
            }
            if !self.start_round() {
                return None;
            }
        }
    }
}

impl Cursor {
    fn new(entry: &SenderEntry) -> Self {
        Self {
            address: entry.address,
            class: entry.class,
            ticket: entry.ticket,
            next_nonce: entry.account.nonce,
            ahead: VecDeque::new(),
            done: false,
        }
    }

    fn read_ahead(
        &mut self,
        state: &PoolState,
        attributes: &BestTransactionsAttributes,
        count: usize,
    ) {
        let Some(entry) = state.sender(&self.address) else { return };
        for (nonce, slot) in entry.slots.range(self.next_nonce..).take(count) {
            let pays = slot.tx.max_fee_per_gas() >= u128::from(attributes.base_fee)
                && slot
                    .tx
                    .transaction
                    .max_fee_per_blob_gas()
                    .is_none_or(|fee| fee >= attributes.blob_fee);
            if *nonce != self.next_nonce || slot.sub != SubPool::Pending || !pays {
                return;
            }
            self.ahead.push_back(slot.tx.clone());
            self.next_nonce = nonce.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        PoolConfig,
        test_utils::{Bench, draft, sender},
    };

    fn bench(next_base_fee: u64) -> Bench {
        Bench::new(PoolConfig::default(), next_base_fee)
    }

    #[test]
    fn an_empty_pool_gives_nothing() {
        assert!(bench(0).best().next().is_none());
    }

    #[test]
    fn senders_take_turns() {
        let mut bench = bench(0);
        for nonce in 0..3 {
            bench.put(draft(0, nonce));
        }
        bench.put(draft(1, 0));
        bench.put(draft(2, 0));
        bench.put(draft(2, 1));
        assert_eq!(bench.order(), [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2)]);
    }

    #[test]
    fn queued_transactions_are_left_out() {
        let mut bench = bench(0);
        bench.put(draft(0, 0));
        bench.put(draft(0, 2));
        bench.put(draft(1, 5));
        assert_eq!(bench.order(), [(0, 0)]);
    }

    #[test]
    fn with_fees_a_turn_goes_by_tip() {
        let mut bench = bench(10);
        bench.put(draft(0, 0).fee(20, 1));
        bench.put(draft(0, 1).fee(90, 80));
        bench.put(draft(1, 0).fee(100, 7));
        bench.put(draft(2, 0).fee(12, 12));
        bench.put(draft(2, 1).fee(30, 3));
        // Round 1: tips 7, 2 (12 - 10), 1; round 2: 80, 3.
        assert_eq!(bench.order(), [(1, 0), (2, 0), (0, 0), (0, 1), (2, 1)]);
    }

    #[test]
    fn equal_tips_go_by_the_line() {
        let mut bench = bench(1);
        for n in [5, 3, 9] {
            bench.put(draft(n, 0).fee(4, 2));
        }
        assert_eq!(bench.order(), [(5, 0), (3, 0), (9, 0)]);
    }

    #[test]
    fn mark_invalid_skips_descendants_only() {
        let mut bench = bench(0);
        for n in 0..2 {
            for nonce in 0..4 {
                bench.put(draft(n, nonce));
            }
        }
        let mut best = bench.best();
        let mut seen = Vec::new();
        while let Some(tx) = best.next() {
            seen.push((crate::test_utils::number_of(&tx.sender()), tx.nonce()));
            if tx.sender() == sender(0) && tx.nonce() == 1 {
                best.mark_invalid(&tx);
            }
        }
        assert_eq!(seen, [(0, 0), (1, 0), (0, 1), (1, 1), (1, 2), (1, 3)]);
    }

    #[test]
    fn mark_invalid_works_for_earlier_ones_too() {
        let mut bench = bench(0);
        for n in 0..3 {
            bench.put(draft(n, 0));
            bench.put(draft(n, 1));
        }
        let mut best = bench.best();
        let first = best.next().unwrap();
        best.next().unwrap();
        best.mark_invalid(&first);
        let rest: Vec<_> =
            best.map(|tx| (crate::test_utils::number_of(&tx.sender()), tx.nonce())).collect();
        assert_eq!(rest, [(2, 0), (1, 1), (2, 1)]);
    }

    #[test]
    fn a_higher_base_fee_leaves_out_who_does_not_pay_it() {
        let mut bench = bench(10);
        bench.put(draft(0, 0).fee(10, 0));
        bench.put(draft(0, 1).fee(50, 0));
        bench.put(draft(1, 0).fee(20, 0));
        let attributes = BestTransactionsAttributes { base_fee: 15, blob_fee: 0 };
        let best = BestTransactions::new(bench.state.clone(), Some(attributes));
        let senders: Vec<_> = best.map(|tx| tx.sender()).collect();
        assert_eq!(senders, [sender(1)]);
    }

    #[test]
    fn one_listed_sender_comes_before_a_flood() {
        let mut bench = bench(0);
        bench.listed = vec![sender(1_000_000)];
        for n in 0..10_000 {
            bench.put(draft(n, 0));
        }
        bench.put(draft(1_000_000, 0));
        assert_eq!(bench.best().next().unwrap().sender(), sender(1_000_000));
        assert_eq!(bench.best().count(), 10_001);
    }

    #[test]
    fn who_stands_in_line_is_not_delayed_by_newcomers() {
        let mut bench = bench(0);
        let mut mine = Vec::new();
        for nonce in 0..3 {
            mine.push(bench.put(draft(7, nonce)));
        }
        for n in 100..110 {
            bench.put(draft(n, 0));
        }
        assert_eq!(bench.order()[0], (7, 0));
        // Served once: behind the ten that were waiting, before those that come now.
        bench.mine(2, 0, &mine[..1], &[(7, 1, 1_000)]);
        for n in 200..210 {
            bench.put(draft(n, 0));
        }
        assert_eq!(bench.order().iter().position(|turn| *turn == (7, 1)), Some(10));
    }

    #[test]
    fn the_order_is_the_same_each_time() {
        let mut bench = bench(3);
        for n in (0..500).rev() {
            for nonce in 0..n % 4 + 1 {
                bench.put(draft(n, nonce).fee(u128::from(3 + n % 5), u128::from(n % 3)));
            }
        }
        assert_eq!(bench.order(), bench.order());
    }

    #[test]
    fn what_leaves_meanwhile_is_left_out() {
        let mut bench = bench(0);
        let mut hashes = Vec::new();
        for nonce in 0..100 {
            hashes.push(bench.put(draft(0, nonce)));
            bench.put(draft(1, nonce));
        }
        let mut best = bench.best();
        best.next().unwrap();
        bench.state.write().remove(
            &hashes[80],
            crate::state::Removal::Asked,
            &mut Default::default(),
        );
        let rest: Vec<_> = best.filter(|tx| tx.sender() == sender(0)).collect();
        assert_eq!(rest.last().unwrap().nonce(), 79);
    }
}
