//! Messages of heights that have not begun here.
//!
//! Authors have to be validators of the running or the next height. Of each author, height and kind
//! the two highest rounds are kept, of each author at most two messages with blocks, and all of it
//! only for the next few heights (`futuremessagesmaxdistance`). They are handled, and relayed, when
//! their height starts.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use alloy_rlp::Encodable;

use super::{Core, input::PeerId};
use crate::{
    crypto::Crypto,
    messages::{Message, MessageKind, RoundChangePayload, Signed},
};

/// Bytes of the blocks kept.
const KEPT_BLOCK_BYTES: usize = 64 * 1024 * 1024;
/// Messages with blocks of one author.
const KEPT_BLOCKS: usize = 2;
/// Rounds of one author, height and kind.
const KEPT_ROUNDS: usize = 2;

#[derive(Debug, Clone)]
struct Kept {
    peer: PeerId,
    arrival: u64,
    message: Message,
}

/// Author, kind, round.
type Key = (Address, MessageKind, u32);

/// Messages of later heights.
#[derive(Debug, Clone, Default)]
pub(super) struct FutureMessages {
    heights: BTreeMap<u64, BTreeMap<Key, Kept>>,
    arrivals: u64,
}

impl FutureMessages {
    pub(super) fn put(&mut self, peer: PeerId, author: Address, message: Message) {
        let (id, kind) = (message.id(), message.kind());
        let with_block = message.block().is_some();
        let arrival = self.arrivals;
        self.arrivals = self.arrivals.saturating_add(1);
        let messages = self.heights.entry(id.height).or_default();
        let key = (author, kind, id.round);
        messages.entry(key).or_insert(Kept { peer, arrival, message });
        let of_kind = || (author, kind, 0)..=(author, kind, u32::MAX);
        while messages.range(of_kind()).count() > KEPT_ROUNDS {
            let Some(lowest) = messages.range(of_kind()).next().map(|(key, _)| *key) else { break };
            messages.remove(&lowest);
        }
        if with_block {
            self.trim_blocks(&author);
        }
    }

    /// Keeps blocks of the nearest heights only.
    fn trim_blocks(&mut self, author: &Address) {
        while self.with_blocks().filter(|(_, key, _)| key.0 == *author).count() > KEPT_BLOCKS {
            self.remove_last_block(|key| key.0 == *author);
        }
        while self.block_bytes() > KEPT_BLOCK_BYTES {
            self.remove_last_block(|_| true);
        }
    }

    fn remove_last_block(&mut self, filter: impl Fn(&Key) -> bool) {
        let last = self.with_blocks().filter(|(_, key, _)| filter(key)).last();
        let Some((height, key, _)) = last else { return };
        if let Some(messages) = self.heights.get_mut(&height) {
            messages.remove(&key);
        }
    }

    fn with_blocks(&self) -> impl Iterator<Item = (u64, Key, &Message)> {
        self.heights.iter().flat_map(|(height, messages)| {
            messages
                .iter()
                .filter(|(_, kept)| kept.message.block().is_some())
                .map(|(key, kept)| (*height, *key, &kept.message))
        })
    }

    pub(super) fn block_bytes(&self) -> usize {
        let blocks = self.with_blocks().filter_map(|(_, _, message)| message.block());
        blocks.fold(0, |bytes, block| bytes.saturating_add(block.length()))
    }

    /// Takes the messages of `height` in the order in which they came, and forgets lower heights.
    pub(super) fn take(&mut self, height: u64) -> Vec<(PeerId, Address, Message)> {
        let mut rest = self.heights.split_off(&height);
        let messages = rest.remove(&height).unwrap_or_default();
        self.heights = rest;
        let mut kept: Vec<_> = messages.into_iter().map(|(key, kept)| (key.0, kept)).collect();
        kept.sort_unstable_by_key(|(_, kept)| kept.arrival);
        kept.into_iter().map(|(author, kept)| (kept.peer, author, kept.message)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.heights.values().map(BTreeMap::len).fold(0, usize::saturating_add)
    }

    pub(super) fn heights(&self) -> usize {
        self.heights.len()
    }
}

impl<C: Crypto> Core<C> {
    /// A message of a height that has not begun here: somebody has more blocks.
    pub(super) fn on_future_height(&mut self, peer: PeerId, author: Address, message: Message) {
        let next = self.height.finalising.as_ref().map(|next| next.next.state.validators());
        let known = self.height.validators.contains(&author)
            || next.is_some_and(|next| next.contains(&author))
            || mutated!(self, FutureAuthorUnchecked);
        if !known {
            return;
        }
        let height = message.id().height;
        self.hint(peer, height.saturating_sub(1));
        let distance = if mutated!(self, FutureHeightsUnbounded) {
            u64::MAX
        } else {
            self.config.schedule.config().future_messages_max_distance
        };
        if height <= self.height.number.saturating_add(distance) && self.is_of_usual_size(&message)
        {
            self.note_mark(author, &message);
            self.future.put(peer, author, message);
        }
    }

    /// Whether a message that nobody can check yet has no more entries than the validators of its
    /// height may be.
    fn is_of_usual_size(&self, message: &Message) -> bool {
        let distance = self.config.schedule.config().future_messages_max_distance;
        let limit = usize::try_from(distance).unwrap_or(usize::MAX);
        let limit = self.height.validators.len().saturating_add(limit);
        let fits = |signed: &Signed<RoundChangePayload>| {
            let certificate = signed.payload.certificate.as_ref();
            certificate.is_none_or(|certificate| certificate.prepares.len() <= limit)
        };
        match message {
            Message::Proposal(proposal) => {
                let entries = proposal.round_changes.as_deref().unwrap_or_default();
                entries.len() <= limit && entries.iter().all(fits)
            }
            Message::RoundChange(change) => fits(&change.signed),
            Message::Prepare(_) | Message::Commit(_) => true,
        }
    }

    /// Handles the messages that have waited for the running height.
    pub(super) fn drain_future(&mut self) {
        for (peer, author, message) in self.future.take(self.height.number) {
            if mutated!(self, BacklogDropped) {
                continue;
            }
            self.on_this_height(peer, author, message);
        }
    }

    /// A peer seems to have the blocks up to `head`.
    pub(super) fn hint(&mut self, peer: PeerId, head: u64) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let was_behind = known.head <= self.head.header.number;
        if head > known.head {
            known.head = head;
            known.claimed_at = self.now.mono_ms;
        }
        // A single missing block is usually about to be finished here: it is asked for at the next
        // re-sending. A larger gap is closed at once.
        if was_behind && head > self.height.number {
            self.fetch_from(peer);
        }
    }

    /// Asks one of those that say that they have more blocks, in turn.
    pub(super) fn fetch_missing(&mut self) {
        let head = self.head.header.number;
        let ahead: Vec<PeerId> =
            self.peers.iter().filter(|(_, peer)| peer.head > head).map(|(id, _)| *id).collect();
        let after = ahead.iter().find(|id| Some(**id) > self.fetched_from);
        if let Some(peer) = after.or(ahead.first()).copied() {
            self.fetch_from(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        crypto::Signature65,
        hash::SealDigest,
        messages::{PreparePayload, RoundId, Signed},
    };

    fn prepare(height: u64, round: u32) -> Message {
        let payload =
            PreparePayload { id: RoundId::new(height, round), digest: SealDigest::default() };
        Message::Prepare(Signed::new(payload, Signature65::new([1; 65]).unwrap()))
    }

    fn address(byte: u8) -> Address {
        Address::with_last_byte(byte)
    }

    #[test]
    fn two_rounds_per_author_and_height() {
        let mut future = FutureMessages::default();
        for round in [0, 5, 3, 9] {
            future.put(PeerId(1), address(1), prepare(7, round));
        }
        future.put(PeerId(1), address(2), prepare(7, 0));
        let rounds: Vec<_> =
            future.take(7).into_iter().map(|(_, _, message)| message.id().round).collect();
        assert_eq!(rounds, [5, 9, 0]);
        assert_eq!(future.len(), 0);
    }

    #[test]
    fn taking_a_height_forgets_lower_ones() {
        let mut future = FutureMessages::default();
        for height in [5, 6, 7] {
            future.put(PeerId(1), address(1), prepare(height, 0));
        }
        assert_eq!(future.take(6).len(), 1);
        assert_eq!(future.heights(), 1);
        assert_eq!(future.take(7).len(), 1);
    }
}
