//! The state of one height and its start.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;

use super::{
    Core,
    checks::{CheckKey, Checks},
    clock::HeightTimes,
    config::Profile,
    doubt::first_height,
    effect::{DoubtCause, Effect, PersistToken, Report},
    inbox::Inbox,
    input::TimerId,
    round::{Accepted, Held, Proposing, Round},
};
use crate::{
    certificates::HeightContext,
    crypto::Crypto,
    hash::BlockHash,
    header::IbftHeader,
    messages::{Block, Message, MessageKind, Proposal, RoundChange, RoundId},
    proposer::proposer,
    quorum::{byzantine, prepare_quorum, quorum},
    validators::{ValidatorSet, ValidatorState},
};

/// The newest stored block.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) header: IbftHeader,
    pub(super) hash: BlockHash,
    /// Validators and votes after it.
    pub(super) state: ValidatorState,
}

impl Head {
    pub(super) fn new(header: IbftHeader, state: ValidatorState) -> Self {
        Self { hash: BlockHash(header.hash_slow()), header, state }
    }
}

/// A block that is final and not yet stored.
#[derive(Debug, Clone)]
pub(super) struct Finalising {
    pub(super) next: Head,
    pub(super) round: u32,
    /// Found by own consensus, not by sync.
    pub(super) by_commits: bool,
}

/// The state of one height.
#[derive(Debug, Clone)]
pub(super) struct Height {
    pub(super) number: u64,
    pub(super) validators: Arc<ValidatorSet>,
    pub(super) parent_coinbase: Address,
    /// Whether this node is a validator.
    pub(super) member: bool,
    pub(super) times: HeightTimes,
    /// Something waits for a block.
    pub(super) work: bool,
    pub(super) round: Round,
    pub(super) inbox: Inbox,
    /// The own highest certificate, kept whatever changes the round.
    pub(super) certificate: Option<Held>,
    pub(super) checks: Checks,
    /// When a jump was made last.
    pub(super) jumped_at: Option<u64>,
    pub(super) finalising: Option<Finalising>,
}

impl Height {
    /// A height in round 0 in which nothing has happened.
    pub(super) fn new(local: &Address, head: &Head, times: HeightTimes) -> Self {
        let validators = head.state.validators();
        Self {
            number: head.header.number.saturating_add(1),
            member: validators.contains(local),
            validators: Arc::new(validators.clone()),
            parent_coinbase: head.header.beneficiary,
            times,
            work: false,
            round: Round::new(0),
            inbox: Inbox::default(),
            certificate: None,
            checks: Checks::default(),
            jumped_at: None,
            finalising: None,
        }
    }

    pub(super) const fn id(&self) -> RoundId {
        RoundId::new(self.number, self.round.number)
    }

    pub(super) fn proposer(&self, round: u32) -> Option<Address> {
        proposer(self.parent_coinbase, &self.validators, round)
    }

    pub(super) fn quorum(&self) -> usize {
        quorum(self.validators.len())
    }

    pub(super) fn prepare_quorum(&self) -> usize {
        prepare_quorum(self.validators.len())
    }

    pub(super) fn byzantine(&self) -> usize {
        byzantine(self.validators.len())
    }
}

impl<C: Crypto> Core<C> {
    /// What messages of the running height are checked against.
    pub(super) fn context(&self) -> HeightContext<'_> {
        HeightContext {
            height: self.height.number,
            validators: &self.height.validators,
            parent_coinbase: self.height.parent_coinbase,
            domain: &self.domain,
            #[cfg(feature = "mutants")]
            mutant: self.config.mutant,
        }
    }

    /// Starts the height after the newest stored block (round 0, or the round of the record).
    pub(super) fn start_height(&mut self) {
        let times = HeightTimes::new(&self.config.schedule, &self.head.header, self.now);
        self.height = Height::new(&self.local, &self.head, times);
        #[cfg(feature = "mutants")]
        if self.config.mutant == Some(super::Mutant::WaitUncut) {
            self.height.times.wait_in_full(self.now);
        }
        #[cfg(feature = "mutants")]
        if self.config.mutant == Some(super::Mutant::UnboundedRounds) {
            self.height.inbox.prepares.unbound();
            self.height.inbox.commits.unbound();
            self.height.inbox.round_changes.unbound();
        }
        self.relayed.clear();
        self.accused.clear();
        if !self.height.member {
            // What has waited for a height without this node has waited for nothing.
            drop(self.future.take(self.height.number));
            return;
        }
        let position = self.record.position();
        // The last round stands for a height that a doubt has passed by.
        if position.height == self.height.number && position.round < u32::MAX {
            self.resume();
        }
        self.drain_future();
    }

    /// Goes on in the round in which the record ends: with its certificate, its proposal and what
    /// was signed in it. A restart must not forget what it has signed.
    fn resume(&mut self) {
        let id = self.record.position();
        self.height.round = Round::new(id.round);
        self.restore_certificate(id);
        self.restore_proposal(id);
        self.restore_messages(id);
        self.stored_blocks.clear();
    }

    fn stored_block(&self, hash: BlockHash) -> Option<Arc<Block>> {
        self.stored_blocks.get(&hash).cloned()
    }

    fn restore_certificate(&mut self, id: RoundId) {
        let Some(stored) = self.record.certificate().cloned() else { return };
        let round = stored.certificate.id().round;
        let block = self.stored_block(stored.block).and_then(|block| block.with_round(round).ok());
        let Some(block) = block.map(Arc::new) else {
            return self.suspect(DoubtCause::Damaged);
        };
        // It was checked before the first Prepare for it was signed.
        self.height.checks.note(CheckKey::new(&block, true), true);
        if round == id.round {
            self.restore_prepared(&stored.certificate, &block, stored.block);
        }
        if mutated!(self, CertificateForgottenOnRestart) {
            return;
        }
        self.height.certificate =
            Some(Held { certificate: stored.certificate, block, hash: stored.block });
    }

    /// The round of the record was prepared: its proposal and Prepares are those of the certificate.
    fn restore_prepared(
        &mut self,
        certificate: &crate::messages::PreparedCertificate,
        block: &Arc<Block>,
        hash: BlockHash,
    ) {
        let round = certificate.id().round;
        let Some(author) = self.height.proposer(round) else { return };
        self.height.round.seen = Some(certificate.proposal);
        let proposal =
            Proposal { signed: certificate.proposal, block: block.clone(), round_changes: None };
        self.height.round.accepted = Some(Accepted { author, proposal, hash });
        self.height.round.prepared = true;
        self.height.round.justified = true;
        for prepare in &certificate.prepares {
            if let Some(author) = prepare.author(&self.crypto, &self.domain) {
                self.height.inbox.prepares.put(author, round, *prepare);
            }
        }
    }

    /// The own proposal is offered again.
    fn restore_proposal(&mut self, id: RoundId) {
        let Some(stored) = self.record.proposal().cloned() else { return };
        let block =
            self.stored_block(stored.block).and_then(|block| block.with_round(id.round).ok());
        let Some(block) = block.map(Arc::new) else {
            return self.suspect(DoubtCause::Damaged);
        };
        self.height.checks.note(CheckKey::new(&block, true), true);
        let signed = stored.signed;
        let proposal = Proposal { signed, block, round_changes: stored.round_changes };
        self.keep_own(&Message::Proposal(proposal.clone()));
        let round = &mut self.height.round;
        round.proposing = Proposing::Done;
        round.justified = true;
        round.seen = Some(signed);
        if round.accepted.is_none() {
            let hash = stored.block;
            round.accepted = Some(Accepted { author: self.local, proposal, hash });
        }
    }

    fn restore_messages(&mut self, id: RoundId) {
        let (local, round) = (self.local, id.round);
        if let Some(signed) = self.record.prepare().copied() {
            self.height.inbox.prepares.put(local, round, signed);
            self.keep_own(&Message::Prepare(signed));
        }
        if let Some(signed) = self.record.commit().copied() {
            // Without its certificate it does not count: it was signed for a stored block.
            if self.height.round.prepared || self.config.profile == Profile::Besu {
                self.height.inbox.commits.put(local, round, signed);
                self.height.round.own_commit = Some(PersistToken(0));
                self.height.round.commit_sent = true;
            }
            self.keep_own(&Message::Commit(signed));
        }
        match self.record.round_change().cloned() {
            Some(signed) => self.restore_round_change(signed, round),
            None => {
                self.height.round.wants_round_change = round > 0 && !self.height.round.prepared;
            }
        }
    }

    fn restore_round_change(
        &mut self,
        signed: crate::messages::Signed<crate::messages::RoundChangePayload>,
        round: u32,
    ) {
        self.height.inbox.note_reached(self.local, round);
        let needed = signed.payload.certificate.as_ref().map(|it| it.id());
        let held = self.height.certificate.as_ref();
        let block = held
            .filter(|held| Some(held.certificate.id()) == needed)
            .map(|held| held.block.clone());
        if needed.is_some() && block.is_none() {
            // Its block was given up for that of a higher certificate.
            return;
        }
        let message = RoundChange { signed, block };
        self.keep_own(&Message::RoundChange(message.clone()));
        self.height.inbox.round_changes.put(self.local, round, message);
    }

    /// Keeps an own message of the running round to send it again.
    pub(super) fn keep_own(&mut self, message: &Message) {
        let bytes = message.to_wire(self.config.schedule.config().besu_dialect);
        let kind = message.kind();
        self.height.round.own.retain(|(own, _)| *own != kind);
        self.height.round.own.push((kind, bytes));
    }

    /// Makes the stored block the head and starts the next height.
    pub(super) fn on_stored(&mut self, height: u64) {
        if self.height.number != height {
            return;
        }
        let Some(finalising) = self.height.finalising.take() else { return };
        self.cancel_round_timers();
        self.late_commit(&finalising);
        if !finalising.by_commits {
            self.synced_at = self.now.mono_ms;
        }
        self.advance(finalising.next);
    }

    /// Moves on to the height after `next`.
    pub(super) fn advance(&mut self, next: Head) {
        self.was_member(self.height.member);
        let before = std::mem::replace(&mut self.head, next).state.validators().len();
        if self.head.state.validators().len() != before {
            self.warn_of_few_validators();
        }
        self.tell_epoch();
        let validators = self.head.state.validators().clone();
        let local = self.local;
        self.record.retain_marks(|author| validators.contains(author) && *author != local);
        self.drop_satisfied_wishes();
        self.start_height();
        self.review_doubt();
    }

    /// Up to three validators a single malicious one can break agreement.
    pub(super) fn warn_of_few_validators(&mut self) {
        let validators = self.head.state.validators().len();
        if byzantine(validators) == 0 && !mutated!(self, FewValidatorsSilent) {
            self.report(Report::NoFaultTolerance { validators });
        }
    }

    /// Tells the validator set after an epoch block, to be compared between nodes.
    fn tell_epoch(&mut self) {
        let number = self.head.header.number;
        if self.config.schedule.is_epoch(number) {
            let validators = self.head.state.validators().digest();
            self.report(Report::Epoch { number, block: self.head.hash, validators });
        }
    }

    /// Cancels the timers of the running round.
    pub(super) fn cancel_round_timers(&mut self) {
        let id = self.height.id();
        if self.height.round.timer.is_some() {
            self.effects.push(Effect::CancelTimer { id: TimerId::Round(id) });
        }
        if self.height.round.block_timer == super::round::Timer::Set {
            self.effects.push(Effect::CancelTimer { id: TimerId::Block(id) });
        }
        if self.height.round.empty_timer == super::round::Timer::Set {
            self.effects.push(Effect::CancelTimer { id: TimerId::EmptyBlock(id) });
        }
    }

    /// A first record of a validator that has been one for a block is a lost one.
    fn was_member(&mut self, member: bool) {
        if member && self.record.is_first() {
            self.suspect(DoubtCause::Missing);
        }
    }

    /// Blocks that the record names, by hash.
    pub(super) fn index_blocks(blocks: Vec<Arc<Block>>) -> BTreeMap<BlockHash, Arc<Block>> {
        blocks.into_iter().map(|block| (block.hash(), block)).collect()
    }

    /// Whether the first height of a chain is running.
    pub(super) fn is_first_height(&self) -> bool {
        self.height.number == first_height()
    }

    /// Whether a message of this kind is among the own ones of the running round.
    pub(super) fn has_own(&self, kind: MessageKind) -> bool {
        self.height.round.own(kind).is_some()
    }
}
