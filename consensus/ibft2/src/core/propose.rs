//! Own proposals.
//!
//! In round 0 the proposer builds a block when the block period is over (with an empty-block period:
//! when something waits for a block, or that period is over too). In a later round it needs the
//! RoundChanges of a quorum for exactly that round; the certificate with the highest round among them
//! decides which block is proposed again, with nothing but the round replaced. Without a certificate
//! it builds a fresh one.

use std::sync::Arc;

use super::{
    Core,
    checks::{CheckKey, Known},
    effect::Effect,
    input::{RequestId, TimerId},
    round::{Proposing, Timer},
};
use crate::{
    crypto::Crypto,
    extra_data::Vote,
    messages::{Block, MessageKind, RoundChange, RoundChangePayload, RoundId, Signed},
    sealing::unsealed_extra_data,
};
use alloy_primitives::Address;
use alloy_rlp::Encodable;

/// RoundChanges with the block that they force.
type Plan = (Vec<Signed<RoundChangePayload>>, Option<Arc<Block>>);

impl<C: Crypto> Core<C> {
    /// Proposes if it is the own turn and everything is there. Returns whether something was begun.
    pub(super) fn propose(&mut self) -> bool {
        let id = self.height.id();
        let may = self.may_sign()
            && !self.stop_proposing
            && self.height.finalising.is_none()
            && self.height.round.accepted.is_none()
            && matches!(self.height.round.proposing, Proposing::Idle)
            && self.height.proposer(id.round) == Some(self.local)
            && self.record.permits(id, MessageKind::Proposal, None).is_ok();
        if !may {
            return false;
        }
        if id.round == 0 { self.propose_in_round_zero(id) } else { self.propose_again(id) }
    }

    fn propose_in_round_zero(&mut self, id: RoundId) -> bool {
        if !self.block_is_due(id) {
            return false;
        }
        if let Some(empty_due) = self.height.times.empty_due
            && self.height.round.empty_timer != Timer::Over
            && !self.has_work()
        {
            if self.height.round.empty_timer == Timer::Unset {
                self.height.round.empty_timer = Timer::Set;
                self.effects.push(Effect::SetTimer { id: TimerId::EmptyBlock(id), at: empty_due });
            }
            return false;
        }
        self.build(id, None);
        true
    }

    /// Whether the block period is over. Sets the timer if not.
    fn block_is_due(&mut self, id: RoundId) -> bool {
        match self.height.round.block_timer {
            Timer::Over => true,
            Timer::Set => false,
            Timer::Unset => {
                self.height.round.block_timer = Timer::Set;
                let at = self.height.times.block_due;
                self.effects.push(Effect::SetTimer { id: TimerId::Block(id), at });
                false
            }
        }
    }

    fn propose_again(&mut self, id: RoundId) -> bool {
        let Some((round_changes, forced)) = self.plan(id.round) else { return false };
        match forced {
            Some(block) => {
                self.height.round.proposing =
                    Proposing::Ready { block, round_changes: Some(round_changes) };
            }
            None => {
                if self.now.mono_ms < self.height.times.block_due && !self.block_is_due(id) {
                    return false;
                }
                self.build(id, Some(round_changes));
            }
        }
        true
    }

    /// The RoundChanges to propose with, and the block that they force. `None` while they are not a
    /// quorum or the block is still to be checked.
    ///
    /// The block beside a RoundChange is not signed. One whose body is spoiled is left out together
    /// with its RoundChange if a quorum remains.
    fn plan(&mut self, round: u32) -> Option<Plan> {
        let needed = if mutated!(self, RoundChangeQuorumMinusOne) {
            self.height.quorum().saturating_sub(1).max(1)
        } else {
            self.height.quorum()
        };
        let mut entries: Vec<RoundChange> = self
            .height
            .inbox
            .round_changes
            .of_round(round)
            .into_iter()
            .map(|(_, message)| message.clone())
            .collect();
        while entries.len() >= needed {
            let Some(highest) = self.highest_of(&entries) else {
                return Some((payloads(&entries), None));
            };
            match self.usable_block(&entries, highest) {
                Known::Valid => {
                    let block = self.valid_block(&entries, highest)?;
                    let again = Arc::new(block.with_round(round).ok()?);
                    return Some((payloads(&entries), Some(again)));
                }
                Known::Pending | Known::Unknown => return None,
                Known::Invalid => entries.retain(|entry| prepared_round(entry) != Some(highest)),
            }
        }
        None
    }

    /// The highest round of the certificates.
    fn highest_of(&self, entries: &[RoundChange]) -> Option<u32> {
        let rounds = entries.iter().filter_map(prepared_round);
        if mutated!(self, LowestCertificateWins) { rounds.min() } else { rounds.max() }
    }

    /// What is known about the blocks of the certificates of `prepared`: valid if one is. Asks the
    /// driver about the first of which nothing is known.
    fn usable_block(&mut self, entries: &[RoundChange], prepared: u32) -> Known {
        let mut pending = false;
        let mut unknown = None;
        for block in self.blocks_of(entries, prepared) {
            let key = CheckKey::new(&block, false);
            match self.height.checks.get(&key) {
                Known::Valid => return Known::Valid,
                Known::Invalid => {}
                Known::Pending => pending = true,
                Known::Unknown => unknown = unknown.or(Some((key, block))),
            }
        }
        if pending {
            return Known::Pending;
        }
        let Some((key, block)) = unknown else { return Known::Invalid };
        self.check_block(key, block, false);
        Known::Pending
    }

    fn valid_block(&self, entries: &[RoundChange], prepared: u32) -> Option<Arc<Block>> {
        self.blocks_of(entries, prepared)
            .into_iter()
            .find(|block| self.height.checks.get(&CheckKey::new(block, false)) == Known::Valid)
    }

    /// The copies of the block that was prepared in round `prepared`, the own one first.
    fn blocks_of(&self, entries: &[RoundChange], prepared: u32) -> Vec<Arc<Block>> {
        let certified = entries
            .iter()
            .filter(|entry| prepared_round(entry) == Some(prepared))
            .filter_map(|entry| entry.signed.payload.certificate.as_ref())
            .map(|certificate| certificate.digest())
            .next();
        let own = self
            .height
            .certificate
            .iter()
            .filter(|held| Some(held.certificate.digest()) == certified)
            .map(|held| &held.block);
        let others = entries
            .iter()
            .filter(|entry| prepared_round(entry) == Some(prepared))
            .filter_map(|entry| entry.block.as_ref());
        let mut blocks: Vec<Arc<Block>> = Vec::new();
        for block in own.chain(others) {
            if !blocks.iter().any(|known| Arc::ptr_eq(known, block)) {
                blocks.push(block.clone());
            }
        }
        blocks
    }

    /// Asks for a fresh block.
    fn build(&mut self, id: RoundId, round_changes: Option<Vec<Signed<RoundChangePayload>>>) {
        let request = self.next_request();
        let vote = self.next_vote();
        if let Some(vote) = vote {
            self.last_vote = Some(vote.recipient);
        }
        let extra_data =
            unsealed_extra_data(self.config.own_vanity(), &self.height.validators, vote, id.round);
        self.effects.push(Effect::BuildBlock {
            request,
            parent: self.head.hash,
            round: id.round,
            coinbase: self.local,
            extra_data,
            not_before: if mutated!(self, NotBeforeIgnored) {
                0
            } else {
                self.height.times.not_before
            },
        });
        self.height.round.proposing = Proposing::Building { request, round_changes };
    }

    /// The driver has built a block. One that others would refuse is not proposed.
    pub(super) fn on_block_built(&mut self, request: RequestId, block: Block) {
        let Proposing::Building { request: asked, round_changes } = &self.height.round.proposing
        else {
            return;
        };
        if *asked != request {
            return;
        }
        let fits = self.is_own_fresh(&block);
        let round_changes = round_changes.clone();
        if fits {
            self.height.round.proposing =
                Proposing::Ready { block: Arc::new(block), round_changes };
        }
    }

    fn is_own_fresh(&self, block: &Block) -> bool {
        let Ok(extra) = block.extra_data() else { return false };
        block.number() == self.height.number
            && block.header.parent_hash == self.head.hash.0
            && block.header.beneficiary == self.local
            && extra.round == self.height.round.number
            && extra.validators == self.height.validators.as_slice()
            && extra.seals.is_empty()
            && !self.is_too_long(block)
    }

    /// Whether a fresh block is longer than `maxproposalbytes`.
    pub(super) fn is_too_long(&self, block: &Block) -> bool {
        let limit = self.config.schedule.config().max_proposal_bytes;
        u64::try_from(block.length()).map_or(true, |length| length > limit)
    }

    /// The vote of the next own block.
    fn next_vote(&self) -> Option<Vote> {
        // An epoch block's vote is ignored.
        if self.config.schedule.is_epoch(self.height.number) {
            return None;
        }
        self.castable_vote(self.last_vote)
    }
}

fn prepared_round(entry: &RoundChange) -> Option<u32> {
    entry.signed.payload.prepared_round()
}

fn payloads(entries: &[RoundChange]) -> Vec<Signed<RoundChangePayload>> {
    entries.iter().map(|entry| entry.signed.clone()).collect()
}

/// Whose turn it is to propose, for observers.
impl<C: Crypto> Core<C> {
    /// The proposer of a round of the running height.
    pub fn proposer(&self, round: u32) -> Option<Address> {
        self.height.proposer(round)
    }
}
