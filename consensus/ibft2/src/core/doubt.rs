//! When a validator is not certain what it has signed.
//!
//! A lost, damaged or old sign state is no reason to contradict oneself. Others keep the highest
//! thing that they have seen each validator sign (its *mark*) and tell it when it connects. A
//! validator is in doubt
//!
//! * when its record is missing, damaged, or older than the one that the database names;
//! * when it is the first record although the chain shows that it has been a validator;
//! * when a mark with its own valid signature is above the record, or of the record's round and not
//!   in it.
//!
//! In doubt it signs nothing at heights up to `d` until others have finalised `d`, the highest of
//! all such marks and of the height after the newest block, once it has caught up with all
//! validators that are connected, at least with a quorum less itself.
//!
//! A mark above the next height proves nothing about this chain as long as the chain has not got
//! there: it counts only while whoever told it serves blocks, and is dropped after ten base timeouts
//! without progress.

use std::collections::BTreeSet;

use alloy_primitives::Address;

use super::{
    Core,
    effect::{DoubtCause, Effect, PeerFault, Report},
    input::{PeerId, TimerId},
};
use crate::{crypto::Crypto, messages::RoundId, sign_state::Mark};

/// Base timeouts without a new block after which a claim to have more blocks is dropped.
const PATIENCE: u64 = 10;

/// Marks above the next height that are looked at, and dropped ones that are remembered.
const KEPT_MARKS: usize = 64;

/// The first height of a chain.
pub(super) const fn first_height() -> u64 {
    1
}

/// A connection.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) validator: Option<Address>,
    /// The newest block that it seems to have.
    pub(super) head: u64,
    /// When that was learnt.
    pub(super) claimed_at: u64,
}

/// A mark above the next height.
#[derive(Debug, Clone)]
struct Told {
    peer: PeerId,
    mark: Mark,
    since: u64,
}

/// What is known about the own past.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubt {
    /// Why nothing is signed.
    cause: Option<DoubtCause>,
    /// The height after the newest block when the validator had caught up.
    ceiling: Option<u64>,
    /// The highest mark that proved the record to be old.
    marked: u64,
    told: Vec<Told>,
    /// The newest marks above the next height that were dropped.
    void: Vec<Mark>,
    /// Validators that have told what they have seen.
    witnesses: BTreeSet<Address>,
    /// The time for witnesses is over, or there are enough.
    heard: bool,
    waiting: bool,
}

impl Doubt {
    /// Whether the past is uncertain.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.cause.is_some() || !self.told.is_empty()
    }

    fn remember_void(&mut self, over: Vec<Told>) {
        self.void.extend(over.into_iter().map(|told| told.mark));
        let surplus = self.void.len().saturating_sub(KEPT_MARKS);
        self.void.drain(..surplus);
    }
}

impl<C: Crypto> Core<C> {
    /// Whether this validator may sign at all.
    pub(super) fn may_sign(&self) -> bool {
        if mutated!(self, ClaimsStop)
            && self.peers.values().any(|peer| peer.head > self.height.number)
        {
            return false;
        }
        !self.doubt.is_in_doubt() && self.doubt.heard && !self.stopped && !self.signer_failed
    }

    /// Enters the state of doubt, for the first cause that is found.
    pub(super) fn suspect(&mut self, cause: DoubtCause) {
        if self.doubt.cause.is_some() {
            return;
        }
        self.doubt.cause = Some(cause);
        self.doubt.ceiling = None;
        self.late = None;
        self.report(Report::InDoubt { cause });
    }

    /// A connection is up; its mark of this validator is looked at.
    pub(super) fn on_connected(
        &mut self,
        peer: PeerId,
        validator: Option<Address>,
        head: u64,
        mark: Option<Mark>,
    ) {
        let claimed_at = self.now.mono_ms;
        self.peers.insert(peer, Peer { validator, head, claimed_at });
        let other = validator.filter(|validator| *validator != self.local);
        if let Some(mark) = mark {
            self.on_mark(peer, mark);
        }
        if let Some(witness) = other {
            self.doubt.witnesses.insert(witness);
        }
        if head > self.head.header.number {
            self.fetch_from(peer);
        }
        if other.is_some_and(|other| self.height.validators.contains(&other)) {
            self.send_again(super::effect::Target::Peer(peer));
        }
    }

    fn on_mark(&mut self, peer: PeerId, mark: Mark) {
        if mutated!(self, MarksIgnored) {
            return;
        }
        if !mark.is_signed_by(self.local, &self.crypto, &self.domain) {
            self.report(Report::PeerFault { peer, fault: PeerFault::ForgedMark });
            return;
        }
        if !self.record.is_below(&mark) {
            return;
        }
        let id = mark.id();
        let near = id.height <= self.head.header.number.saturating_add(1);
        if near || mutated!(self, FarMarksProve) {
            return self.proved(id);
        }
        // The same mark by another connection is no news, and one that was found void stays void.
        let mut known = self.doubt.told.iter().map(|told| &told.mark).chain(&self.doubt.void);
        if known.any(|known| *known == mark) || self.doubt.told.len() >= KEPT_MARKS {
            return;
        }
        if !self.doubt.is_in_doubt() {
            self.report(Report::InDoubt { cause: DoubtCause::Mark(id) });
        }
        let since = self.now.mono_ms;
        self.doubt.told.push(Told { peer, mark, since });
    }

    /// A mark that the chain has reached is above the record.
    fn proved(&mut self, id: RoundId) {
        self.doubt.marked = self.doubt.marked.max(id.height);
        self.suspect(DoubtCause::Mark(id));
    }

    /// A quorum less this validator has told its marks; a lone validator has nobody to wait for.
    fn enough_witnesses(&self) -> bool {
        let validators = &self.height.validators;
        let told =
            self.doubt.witnesses.iter().filter(|address| validators.contains(address)).count();
        let least = usize::from(mutated!(self, LoneWaitsForOthers));
        told >= self.height.quorum().saturating_sub(1).max(least)
    }

    /// Waits for others to tell their marks: until enough have, at most two base timeouts from when
    /// the first of them is connected.
    pub(super) fn review_witnesses(&mut self) {
        if !self.height.member {
            return;
        }
        if !self.doubt.heard {
            if self.enough_witnesses() {
                self.doubt.heard = true;
                if self.doubt.waiting {
                    self.effects.push(Effect::CancelTimer { id: TimerId::Witness });
                }
            } else if !self.doubt.waiting && !self.doubt.witnesses.is_empty() {
                self.doubt.waiting = true;
                let at = self.now.mono_ms.saturating_add(self.base_ms().saturating_mul(2));
                self.effects.push(Effect::SetTimer { id: TimerId::Witness, at });
            }
        }
        self.begin_chain();
    }

    /// A quorum says that the chain has not begun and that nothing was signed: the first record
    /// becomes that of a validator of the first height, so that being late there is no doubt.
    fn begin_chain(&mut self) {
        let begins = self.is_first_height()
            && self.record.is_first()
            && self.height.finalising.is_none()
            && !self.doubt.is_in_doubt()
            && self.enough_witnesses()
            && self.peers.values().all(|peer| peer.head == 0);
        if begins {
            self.record.start_over(RoundId::new(first_height(), 0));
            self.persist();
        }
    }

    /// The time for witnesses is over.
    pub(super) fn on_witness_timer(&mut self) {
        if !self.doubt.heard {
            self.doubt.waiting = false;
            self.doubt.heard = true;
        }
    }

    pub(super) fn on_disconnected(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
    }

    /// Looks at the doubt after something has changed that it depends on.
    pub(super) fn review_doubt(&mut self) {
        let next = self.head.header.number.saturating_add(1);
        let reached: Vec<RoundId> = self
            .doubt
            .told
            .iter()
            .map(|told| told.mark.id())
            .filter(|id| id.height <= next)
            .collect();
        self.doubt.told.retain(|told| told.mark.id().height > next);
        self.doubt.void.retain(|mark| mark.id().height > next);
        for id in reached {
            self.proved(id);
        }
        self.find_ceiling();
        self.end_doubt();
    }

    /// Notes the height that may have been signed, once all others have been caught up with.
    fn find_ceiling(&mut self) {
        if self.doubt.cause.is_none() || self.doubt.ceiling.is_some() {
            return;
        }
        let head = self.head.header.number;
        let validators = &self.height.validators;
        let mut connected = BTreeSet::new();
        for peer in self.peers.values() {
            let Some(validator) = peer.validator else { continue };
            if validator == self.local || !validators.contains(&validator) {
                continue;
            }
            if peer.head > head {
                return;
            }
            connected.insert(validator);
        }
        if connected.len() >= self.height.quorum().saturating_sub(1) {
            self.doubt.ceiling = Some(head.saturating_add(1));
        }
    }

    /// Others have finalised everything that may have been signed.
    fn end_doubt(&mut self) {
        if self.doubt.cause.is_none() || !self.doubt.told.is_empty() {
            return;
        }
        let Some(ceiling) = self.doubt.ceiling else { return };
        let height = ceiling.max(self.doubt.marked);
        if self.head.header.number < height {
            return;
        }
        self.doubt.cause = None;
        self.doubt.ceiling = None;
        self.doubt.marked = 0;
        // Not even in a later round of that height: who knows in which it has signed before.
        self.record.start_over(RoundId::new(height, u32::MAX));
        // A restart before the next signature must not fall into the same doubt again: two of four that
        // do would wait for each other.
        self.persist();
        self.report(Report::DoubtOver { height });
    }

    /// Claims to have more blocks, by head or by mark, are dropped when the chain is not served up
    /// to there: ten base timeouts without a block from sync. Blocks found by consensus show that the
    /// chain ends here, not there.
    pub(super) fn expire_claims(&mut self) {
        if mutated!(self, ClaimsNeverExpire) {
            return;
        }
        let now = self.now.mono_ms;
        let patience = self.base_ms().saturating_mul(PATIENCE);
        let synced = self.synced_at;
        let is_over = |since: u64| now.saturating_sub(since) >= patience;
        let head = self.head.header.number;
        for peer in self.peers.values_mut() {
            if peer.head > head && is_over(peer.claimed_at.max(synced)) {
                peer.head = head;
            }
        }
        let peers = &self.peers;
        let (over, told) = std::mem::take(&mut self.doubt.told).into_iter().partition(|told| {
            let before = told.mark.id().height.saturating_sub(1);
            let serves = peers.get(&told.peer).is_some_and(|peer| peer.head >= before);
            is_over(if serves { told.since.max(synced) } else { told.since })
        });
        self.doubt.told = told;
        self.doubt.remember_void(over);
        self.review_doubt();
    }

    /// What was found at the start of the process.
    pub(super) fn examine_record(&mut self, found: Option<DoubtCause>, was_validator: bool) {
        if let Some(cause) = found {
            return self.suspect(cause);
        }
        if self.record.is_first() && was_validator && !mutated!(self, MissingRecordAccepted) {
            self.suspect(DoubtCause::Missing);
        }
    }
}
