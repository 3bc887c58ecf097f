//! Making room, and refusing what was thrown out.

use super::{Changes, PoolState, Removal};
use crate::{SubPool, SubPoolLimit, ValidPoolTransaction};
use alloy_primitives::{TxHash, map::B256Map};
use std::{collections::VecDeque, sync::Arc};

/// Hashes that are refused for a while. Bounded: the oldest are forgotten first, so that whoever
/// gets many transactions evicted only shortens the time for which they are refused.
#[derive(Debug)]
pub(super) struct BanList {
    capacity: usize,
    until: B256Map<u64>,
    order: VecDeque<(u64, TxHash)>,
}

impl BanList {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, until: B256Map::default(), order: VecDeque::new() }
    }

    /// Block from which `hash` is taken again, if it is banned.
    pub(super) fn until(&self, hash: &TxHash) -> Option<u64> {
        self.until.get(hash).copied()
    }

    pub(super) fn insert(&mut self, hash: TxHash, until: u64) {
        if self.capacity == 0 || self.until.insert(hash, until).is_some() {
            return;
        }
        self.order.push_back((until, hash));
        if self.order.len() > self.capacity
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.until.remove(&oldest);
        }
    }

    /// Forgets what block `number` may hold again.
    pub(super) fn expire(&mut self, number: u64) {
        while let Some(&(entered_until, hash)) = self.order.front()
            && entered_until <= number
        {
            self.order.pop_front();
            match self.until.get(&hash) {
                // Banned again meanwhile.
                Some(&until) if until > number => self.order.push_back((until, hash)),
                _ => {
                    self.until.remove(&hash);
                }
            }
        }
    }
}

impl PoolState {
    /// Removes `hash` and refuses it for a while, whether the pool has it or not.
    pub(crate) fn evict(
        &mut self,
        hash: &TxHash,
        changes: &mut Changes,
    ) -> Option<Arc<ValidPoolTransaction>> {
        let next = self.rules.block.number.saturating_add(1);
        self.banned.insert(*hash, next.saturating_add(self.config.eviction_blocks));
        self.remove(hash, Removal::Asked, changes)
    }

    /// Brings every sub-pool under its limit. Room is made by the sender that comes last in the
    /// order of load, with its last transaction: this opens no gap in anybody's nonces. What is
    /// pushed out of a sub-pool's front can only fall towards queued, so one pass is enough.
    pub(super) fn enforce_limits(&mut self, changes: &mut Changes) {
        for sub in SubPool::ALL {
            let limit = self.limit(sub);
            while self.is_over(sub, limit) {
                let victim = self.load[sub.index()]
                    .last()
                    .and_then(|(.., sender)| self.senders.get(sender)?.last_in(sub))
                    .map(|tx| tx.hash);
                let Some(victim) = victim else { break };
                self.take_out(&victim, Removal::Overflow, changes);
            }
        }
    }

    const fn limit(&self, sub: SubPool) -> SubPoolLimit {
        match sub {
            SubPool::Pending => self.config.pending,
            SubPool::BaseFee => self.config.basefee,
            SubPool::Queued => self.config.queued,
        }
    }

    const fn is_over(&self, sub: SubPool, limit: SubPoolLimit) -> bool {
        let size = &self.sizes[sub.index()];
        size.count > limit.max_txs || size.bytes > limit.max_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> TxHash {
        TxHash::repeat_byte(byte)
    }

    #[test]
    fn a_ban_ends() {
        let mut list = BanList::new(8);
        list.insert(hash(1), 10);
        list.expire(9);
        assert_eq!(list.until(&hash(1)), Some(10));
        list.expire(10);
        assert_eq!(list.until(&hash(1)), None);
    }

    #[test]
    fn a_renewed_ban_lasts_longer() {
        let mut list = BanList::new(8);
        list.insert(hash(1), 10);
        list.insert(hash(1), 20);
        list.expire(15);
        assert_eq!(list.until(&hash(1)), Some(20));
        list.expire(20);
        assert_eq!(list.until(&hash(1)), None);
        assert!(list.order.is_empty() && list.until.is_empty());
    }

    #[test]
    fn the_list_is_bounded() {
        let mut list = BanList::new(2);
        for byte in 1..=3 {
            list.insert(hash(byte), 10);
        }
        assert_eq!((list.until(&hash(1)), list.until(&hash(3))), (None, Some(10)));
        assert_eq!((list.order.len(), list.until.len()), (2, 2));
    }
}
