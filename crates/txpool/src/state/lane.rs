//! The lane: appends of the transparency log's sources, which blocks take first.
//!
//! A transaction belongs to the lane by its form and by its sender, who must be the signer of an
//! active source when it enters. Whether its turn has come is judged anew for each block.

use super::PoolState;
use crate::{PoolConfig, PoolErrorKind, SubPool, ValidPoolTransaction, sender::Slot};
use alloy_primitives::{Address, TxHash, map::B256Map};
use std::{collections::BTreeMap, sync::Arc};

/// What the lane holds.
#[derive(Debug, Default)]
pub(super) struct Lane {
    count: usize,
    /// Memory by source.
    bytes: BTreeMap<u32, usize>,
    senders: BTreeMap<Address, usize>,
    /// Transactions that were reverted while a block was built, and the block before the first one.
    reverted: B256Map<u64>,
}

impl Lane {
    /// Number of transactions.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Whether one more transaction fits, in place of the one that it replaces.
    pub(super) fn check(
        &self,
        tx: &ValidPoolTransaction,
        replaces: Option<&ValidPoolTransaction>,
        config: &PoolConfig,
    ) -> Result<(), PoolErrorKind> {
        let Some(call) = tx.lane else { return Ok(()) };
        let replaces = replaces.and_then(|old| Some((old.lane?.source, old.size)));
        let freed = replaces.filter(|(source, _)| *source == call.source);
        let bytes = self.bytes.get(&call.source).copied().unwrap_or_default();
        let bytes = bytes.saturating_sub(freed.map_or(0, |(_, size)| size));
        let fits = self.count.saturating_sub(usize::from(replaces.is_some())) < config.max_lane_txs
            && bytes.saturating_add(tx.size) <= config.max_lane_source_bytes;
        if fits { Ok(()) } else { Err(PoolErrorKind::LaneFull { source_id: call.source }) }
    }

    pub(super) fn add(&mut self, tx: &ValidPoolTransaction) {
        let Some(call) = tx.lane else { return };
        self.count += 1;
        *self.bytes.entry(call.source).or_default() += tx.size;
        *self.senders.entry(tx.sender()).or_default() += 1;
    }

    pub(super) fn remove(&mut self, tx: &ValidPoolTransaction) {
        let Some(call) = tx.lane else { return };
        self.count -= 1;
        subtract(&mut self.bytes, call.source, tx.size);
        subtract(&mut self.senders, tx.sender(), 1);
        self.reverted.remove(&tx.hash);
    }
}

/// Takes from a count, and the count away when nothing is left.
fn subtract<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K, amount: usize) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= amount;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

impl PoolState {
    /// The lane's executable transactions: of each sender the first ones, as long as all are the
    /// lane's, in the order of their nonces.
    pub(crate) fn lane_transactions(&self) -> Vec<Arc<ValidPoolTransaction>> {
        self.lane_while(|slot| self.in_lane(&slot.tx))
    }

    /// Those of them that entered when block `entered_by` or an earlier one was the last, and were
    /// never reverted.
    pub(crate) fn lane_due(&self, entered_by: u64) -> Vec<Arc<ValidPoolTransaction>> {
        let reverted = &self.lane.reverted;
        self.lane_while(|slot| slot.entered <= entered_by && !reverted.contains_key(&slot.tx.hash))
    }

    fn lane_while(&self, belongs: impl Fn(&Slot) -> bool) -> Vec<Arc<ValidPoolTransaction>> {
        let ready =
            |slot: &&Slot| slot.sub == SubPool::Pending && slot.tx.lane.is_some() && belongs(slot);
        let senders = self.lane.senders.keys().filter_map(|sender| self.senders.get(sender));
        let slots = senders.flat_map(|entry| entry.slots.values().take_while(ready));
        slots.map(|slot| slot.tx.clone()).collect()
    }

    /// False when it has been reverted for so many blocks that it is a transaction like any other.
    fn in_lane(&self, tx: &ValidPoolTransaction) -> bool {
        let first = self.lane.reverted.get(&tx.hash);
        first.is_none_or(|first| {
            self.rules.block.number.saturating_sub(*first) < self.config.lane_revert_blocks
        })
    }

    /// Notes that a transaction of the lane was reverted while a block was built.
    pub(crate) fn lane_reverted(&mut self, hash: &TxHash) {
        if self.by_hash.get(hash).is_some_and(|tx| tx.lane.is_some()) {
            self.lane.reverted.entry(*hash).or_insert(self.rules.block.number);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_utils::{Bench, Draft, draft};
    use peruri_evm::plog::AppendCall;

    /// An append of one entry; the sender's number is its source's.
    fn append(sender: u64, nonce: u64) -> Draft {
        let lane = AppendCall {
            source: u32::try_from(sender).unwrap(),
            first_seq: nonce + 1,
            next_seq: nonce + 2,
        };
        Draft { lane: Some(lane), ..draft(sender, nonce) }
    }

    fn nonces(bench: &Bench) -> Vec<(u64, u64)> {
        let lane = bench.state.read().lane_transactions();
        lane.iter().map(|tx| (crate::test_utils::number_of(&tx.sender()), tx.nonce())).collect()
    }

    #[test]
    fn the_executable_prefix_of_each_sender_is_the_lane() {
        let mut bench = Bench::new(PoolConfig::default(), 0);
        for draft in [append(2, 0), append(2, 1), append(1, 0), append(1, 2), draft(3, 0)] {
            bench.put(draft);
        }
        // An ordinary transaction between appends blocks what comes after it.
        for draft in [append(4, 0), draft(4, 1), append(4, 2)] {
            bench.put(draft);
        }
        assert_eq!(nonces(&bench), [(1, 0), (2, 0), (2, 1), (4, 0)]);
    }

    #[test]
    fn the_lane_is_bounded_in_number_and_by_source_in_bytes() {
        let size = append(1, 0).build().size();
        let config = PoolConfig {
            max_lane_txs: 5,
            max_lane_source_bytes: 3 * size,
            ..PoolConfig::default()
        };
        let mut bench = Bench::new(config, 0);
        let first: Vec<_> = (0..3).map(|nonce| bench.put(append(1, nonce))).collect();
        let full = |source_id| Err(PoolErrorKind::LaneFull { source_id });
        assert_eq!(bench.add(append(1, 3)).map(drop), full(1));
        // Others are not concerned until the whole lane is full.
        bench.put(append(2, 0));
        bench.put(append(2, 1));
        assert_eq!(bench.add(append(3, 0)).map(drop), full(3));
        bench.put(draft(3, 0));
        // What is mined makes room.
        bench.mine(2, 0, &first[..1], &[(1, 1, 1_000)]);
        bench.put(append(1, 3));
        assert_eq!(bench.state.read().size().lane, 5);
    }

    #[test]
    fn a_replacement_takes_the_room_of_what_it_replaces_and_no_more() {
        let size = append(1, 0).build().size();
        let config = PoolConfig {
            max_lane_txs: 2,
            max_lane_source_bytes: 2 * size,
            ..PoolConfig::default()
        };
        let mut bench = Bench::new(config, 0);
        bench.put(append(1, 0));
        bench.put(append(1, 1));
        bench.put(append(1, 1).fee(1, 1));
        bench.put(draft(1, 2));
        let more = bench.add(append(1, 2).fee(1, 1)).map(drop);
        assert_eq!(more, Err(PoolErrorKind::LaneFull { source_id: 1 }));
        assert_eq!(bench.state.read().size().lane, 2);
    }

    #[test]
    fn what_is_reverted_again_and_again_leaves_the_lane() {
        let mut bench = Bench::new(PoolConfig::default(), 0);
        let hash = bench.put(append(1, 0));
        bench.put(append(1, 1));
        for number in 1..11 {
            assert_eq!(nonces(&bench), [(1, 0), (1, 1)], "block {number}");
            bench.state.write().lane_reverted(&hash);
            bench.mine(number + 1, 0, &[], &[]);
        }
        assert_eq!(nonces(&bench), []);
        // It is still there, as an ordinary transaction.
        assert_eq!(bench.order(), [(1, 0), (1, 1)]);
    }
}
