//! The messages of one height, by kind and author.
//!
//! Of each kind at most the two highest rounds of an author are kept, so that nobody can fill the
//! memory with rounds. Only messages whose author is a validator of the height get here.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;
use alloy_rlp::Encodable;

use crate::messages::{Block, CommitPayload, PreparePayload, RoundChange, Signed};

/// Rounds kept per author and kind.
const KEPT_ROUNDS: usize = 2;

/// Bytes of the blocks beside RoundChanges that are kept: half of what a core may hold. A quarter is
/// for later heights, and the copies of one proposal stay below the last one.
pub(super) const KEPT_BLOCK_BYTES: usize = 128 * 1024 * 1024;

/// A message and when it came, relative to the others.
#[derive(Debug, Clone)]
struct Kept<T> {
    arrival: u64,
    message: T,
}

/// What became of a message that was to be kept.
#[derive(Debug)]
pub(super) enum Put<'a, T> {
    /// It is kept.
    New,
    /// There is one of this author and round already.
    Known(&'a T),
    /// Two higher rounds of this author are kept.
    TooLow,
}

/// The messages of one kind.
#[derive(Debug, Clone)]
pub(super) struct Messages<T> {
    by_author: BTreeMap<Address, BTreeMap<u32, Kept<T>>>,
    arrivals: u64,
    limit: usize,
}

impl<T> Default for Messages<T> {
    fn default() -> Self {
        Self { by_author: BTreeMap::new(), arrivals: 0, limit: KEPT_ROUNDS }
    }
}

impl<T> Messages<T> {
    /// The message of `author` for `round`.
    pub(super) fn get(&self, author: &Address, round: u32) -> Option<&T> {
        self.by_author.get(author)?.get(&round).map(|kept| &kept.message)
    }

    /// Keeps a message unless there is one of this author and round, or two higher ones.
    pub(super) fn put(&mut self, author: Address, round: u32, message: T) -> Put<'_, T> {
        let rounds = self.by_author.entry(author).or_default();
        if rounds.contains_key(&round) {
            // Looked up twice, as the borrow of a found value would outlive the branch.
            return match rounds.get(&round) {
                Some(kept) => Put::Known(&kept.message),
                None => Put::TooLow,
            };
        }
        let lowest = rounds.keys().next().copied();
        if rounds.len() >= self.limit && lowest.is_some_and(|lowest| round < lowest) {
            return Put::TooLow;
        }
        rounds.insert(round, Kept { arrival: self.arrivals, message });
        self.arrivals = self.arrivals.saturating_add(1);
        while rounds.len() > self.limit {
            rounds.pop_first();
        }
        Put::New
    }

    /// Puts a message in the place of the one of this author and round.
    pub(super) fn replace(&mut self, author: &Address, round: u32, message: T) {
        let kept = self.by_author.get_mut(author).and_then(|rounds| rounds.get_mut(&round));
        if let Some(kept) = kept {
            kept.message = message;
        }
    }

    /// The messages for `round` in the order in which they came.
    pub(super) fn of_round(&self, round: u32) -> Vec<(Address, &T)> {
        let mut found: Vec<_> = self
            .by_author
            .iter()
            .filter_map(|(author, rounds)| rounds.get(&round).map(|kept| (author, kept)))
            .collect();
        found.sort_unstable_by_key(|(_, kept)| kept.arrival);
        found.into_iter().map(|(author, kept)| (*author, &kept.message)).collect()
    }

    /// Number of messages for `round` that `filter` lets pass.
    pub(super) fn count(&self, round: u32, filter: impl Fn(&Address, &T) -> bool) -> usize {
        self.by_author
            .iter()
            .filter(|(author, rounds)| {
                rounds.get(&round).is_some_and(|kept| filter(author, &kept.message))
            })
            .count()
    }

    /// Forgets rounds below `round`.
    pub(super) fn drop_below(&mut self, round: u32) {
        for rounds in self.by_author.values_mut() {
            *rounds = rounds.split_off(&round);
        }
    }

    /// Number of messages.
    pub(super) fn len(&self) -> usize {
        self.by_author.values().map(BTreeMap::len).fold(0, usize::saturating_add)
    }

    /// All rounds of which there is a message, with repetitions.
    pub(super) fn rounds(&self) -> impl Iterator<Item = u32> + '_ {
        self.by_author.values().flat_map(|rounds| rounds.keys().copied())
    }

    /// Keeps all rounds.
    #[cfg(feature = "mutants")]
    pub(super) const fn unbound(&mut self) {
        self.limit = usize::MAX;
    }
}

/// Prepares, Commits and RoundChanges of the height, and how far each author has got.
#[derive(Debug, Clone, Default)]
pub(super) struct Inbox {
    pub(super) prepares: Messages<Signed<PreparePayload>>,
    pub(super) commits: Messages<Signed<CommitPayload>>,
    pub(super) round_changes: Messages<RoundChange>,
    /// The highest round that each author has asked for.
    pub(super) reached: BTreeMap<Address, u32>,
}

impl Inbox {
    /// Notes that `author` has asked for `round`.
    pub(super) fn note_reached(&mut self, author: Address, round: u32) {
        let reached = self.reached.entry(author).or_default();
        *reached = round.max(*reached);
    }

    /// The highest round that at least `authors` of those counted have reached.
    pub(super) fn reached_by(&self, authors: usize) -> Option<u32> {
        let mut rounds: Vec<_> = self.reached.values().copied().collect();
        rounds.sort_unstable_by(|a, b| b.cmp(a));
        rounds.get(authors.checked_sub(1)?).copied()
    }

    /// Forgets what belongs to rounds below `round`.
    pub(super) fn drop_below(&mut self, round: u32) {
        self.prepares.drop_below(round);
        self.commits.drop_below(round);
        self.round_changes.drop_below(round);
    }

    /// A block equal to `block` that is kept already, so that equal blocks take the memory of one.
    pub(super) fn intern(&self, block: Arc<Block>) -> Arc<Block> {
        let same = self.blocks().find(|(_, _, kept)| **kept == block).map(|(_, _, kept)| kept);
        same.cloned().unwrap_or(block)
    }

    fn blocks(&self) -> impl Iterator<Item = (Address, u32, &Arc<Block>)> {
        self.round_changes.by_author.iter().flat_map(|(author, rounds)| {
            rounds.iter().filter_map(|(round, kept)| {
                kept.message.block.as_ref().map(|block| (*author, *round, block))
            })
        })
    }

    /// Bytes of the blocks kept, each counted once.
    pub(super) fn block_bytes(&self) -> usize {
        let mut seen: Vec<*const Block> = Vec::new();
        let mut bytes = 0usize;
        for (_, _, block) in self.blocks() {
            let pointer = Arc::as_ptr(block);
            if !seen.contains(&pointer) {
                seen.push(pointer);
                bytes = bytes.saturating_add(block.length());
            }
        }
        bytes
    }

    /// Forgets RoundChanges with blocks, those of the lowest rounds first, until the blocks take at
    /// most `limit` bytes.
    pub(super) fn trim_blocks(&mut self, limit: usize) {
        while self.block_bytes() > limit {
            let lowest = self.blocks().min_by_key(|(author, round, _)| (*round, *author));
            let Some((author, round, _)) = lowest else { return };
            if let Some(rounds) = self.round_changes.by_author.get_mut(&author) {
                rounds.remove(&round);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(byte: u8) -> Address {
        Address::with_last_byte(byte)
    }

    #[test]
    fn two_highest_rounds_of_an_author_are_kept() {
        let mut messages = Messages::default();
        for round in [3, 1, 7] {
            assert!(matches!(messages.put(address(1), round, round), Put::New));
        }
        assert_eq!(messages.rounds().collect::<Vec<_>>(), [3, 7]);
        assert!(matches!(messages.put(address(1), 2, 2), Put::TooLow));
        assert!(matches!(messages.put(address(2), 2, 2), Put::New));
        assert_eq!(messages.len(), 3);
    }

    #[test]
    fn first_message_of_a_round_stays() {
        let mut messages = Messages::default();
        assert!(matches!(messages.put(address(1), 0, "first"), Put::New));
        assert!(matches!(messages.put(address(1), 0, "second"), Put::Known(&"first")));
        assert_eq!(messages.get(&address(1), 0), Some(&"first"));
    }

    #[test]
    fn messages_of_a_round_come_in_order_of_arrival() {
        let mut messages = Messages::default();
        for author in [3, 1, 2] {
            messages.put(address(author), 5, author);
        }
        let order: Vec<_> = messages.of_round(5).into_iter().map(|(_, message)| *message).collect();
        assert_eq!(order, [3, 1, 2]);
        assert_eq!(messages.count(5, |_, message| *message > 1), 2);
        messages.drop_below(6);
        assert_eq!(messages.len(), 0);
    }

    #[test]
    fn reached_rounds_are_counted_by_author() {
        let mut inbox = Inbox::default();
        for (author, round) in [(1, 5), (2, 9), (3, 2), (1, 3)] {
            inbox.note_reached(address(author), round);
        }
        assert_eq!([1, 2, 3].map(|count| inbox.reached_by(count)), [Some(9), Some(5), Some(2)]);
        assert_eq!((inbox.reached_by(4), inbox.reached_by(0)), (None, None));
    }
}
