//! The way of a signature: ask the driver for it, put it into the record, have the record made
//! durable, send.
//!
//! One signature is under way at a time. What is to be signed next follows from the state, so that
//! nothing is signed that a change of round has made superfluous. Whether it may be signed is asked
//! of the record twice: before the request and when the answer is there. A signature that is not
//! wanted any more is thrown away; it was never in a record and nobody has seen it.

use std::sync::Arc;

use alloy_primitives::B256;

use super::{
    Core,
    checks::CheckKey,
    config::Profile,
    effect::{Effect, PersistToken, Report, SignKind, Target},
    height::Finalising,
    input::RequestId,
    round::{Accepted, Held, Proposing},
};
use crate::{
    crypto::{Crypto, Signature65},
    hash::SealDigest,
    messages::{
        Block, CommitPayload, Message, MessageKind, PreparePayload, Proposal, ProposalPayload,
        RoundChange, RoundChangePayload, RoundId, Signed,
    },
    sign_state::{StoredCertificate, StoredProposal},
};

/// What is being signed.
#[derive(Debug, Clone)]
pub(super) enum Task {
    Proposal {
        payload: ProposalPayload,
        block: Arc<Block>,
        round_changes: Option<Vec<Signed<RoundChangePayload>>>,
    },
    Prepare(PreparePayload),
    /// The seal of a Commit, which the Commit itself then contains.
    Seal {
        id: RoundId,
        digest: SealDigest,
        late: bool,
    },
    Commit {
        payload: CommitPayload,
        late: bool,
    },
    RoundChange {
        payload: RoundChangePayload,
        held: Option<Held>,
    },
}

impl Task {
    /// What has to be allowed for this to be signed.
    const fn subject(&self) -> (RoundId, MessageKind, Option<SealDigest>) {
        match self {
            Self::Proposal { payload, .. } => {
                (payload.id, MessageKind::Proposal, Some(payload.digest))
            }
            Self::Prepare(payload) => (payload.id, MessageKind::Prepare, Some(payload.digest)),
            Self::Seal { id, digest, .. } => (*id, MessageKind::Commit, Some(*digest)),
            Self::Commit { payload, .. } => (payload.id, MessageKind::Commit, Some(payload.digest)),
            Self::RoundChange { payload, .. } => (payload.id, MessageKind::RoundChange, None),
        }
    }

    const fn kind(&self) -> SignKind {
        match self {
            Self::Seal { .. } => SignKind::Seal,
            _ => SignKind::Message(self.subject().1),
        }
    }

    const fn is_late(&self) -> bool {
        matches!(self, Self::Seal { late: true, .. } | Self::Commit { late: true, .. })
    }
}

/// A signature under way.
#[derive(Debug, Clone)]
pub(super) struct InFlight {
    request: RequestId,
    digest: B256,
    task: Task,
}

/// The Commit for a block that others made final, to be signed once the block is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct LateCommit {
    id: RoundId,
    digest: SealDigest,
}

impl<C: Crypto> Core<C> {
    /// Asks for the next signature if none is under way. Returns whether it did.
    pub(super) fn sign_next(&mut self) -> bool {
        if self.signing.is_some() || !self.may_sign() {
            return false;
        }
        let Some(task) = self.next_task() else { return false };
        self.request_signature(task);
        true
    }

    fn request_signature(&mut self, task: Task) {
        let digest = match &task {
            Task::Proposal { payload, .. } => self.domain.signing_hash(payload),
            Task::Prepare(payload) => self.domain.signing_hash(payload),
            Task::Seal { digest, .. } => digest.0,
            Task::Commit { payload, .. } => self.domain.signing_hash(payload),
            Task::RoundChange { payload, .. } => self.domain.signing_hash(payload),
        };
        let request = self.next_request();
        self.effects.push(Effect::Sign { request, kind: task.kind(), digest });
        self.signing = Some(InFlight { request, digest, task });
    }

    /// Whether the record and the course of events still allow a signature.
    fn is_wanted(&self, task: &Task) -> bool {
        let (id, kind, digest) = task.subject();
        if !task.is_late() && id != self.height.id() {
            return false;
        }
        self.permits(id, kind, digest)
    }

    fn permits(&self, id: RoundId, kind: MessageKind, digest: Option<SealDigest>) -> bool {
        if mutated!(self, RecordIgnored) {
            return !self.has_own(kind);
        }
        self.record.permits(id, kind, digest).is_ok()
    }

    fn next_task(&mut self) -> Option<Task> {
        // The late Commit comes first: after a signature of the next height it is too late.
        if let Some(late) = self.late.take() {
            let task = Task::Seal { id: late.id, digest: late.digest, late: true };
            if self.is_wanted(&task) {
                return Some(task);
            }
        }
        if !self.height.member {
            return None;
        }
        [self.round_change_task(), self.proposal_task(), self.prepare_task(), self.commit_task()]
            .into_iter()
            .flatten()
            .find(|task| self.is_wanted(task))
    }

    /// A round that is left by the timer or by a jump is left with a RoundChange, which carries the
    /// highest certificate of the height.
    fn round_change_task(&self) -> Option<Task> {
        let round = &self.height.round;
        if !round.wants_round_change || self.height.finalising.is_some() {
            return None;
        }
        let held = self.height.certificate.clone();
        if held.as_ref().is_some_and(|held| held.certificate.id().round >= round.number) {
            return None;
        }
        let certificate = held.as_ref().map(|held| held.certificate.clone());
        let payload = RoundChangePayload { id: self.height.id(), certificate };
        Some(Task::RoundChange { payload, held })
    }

    fn proposal_task(&self) -> Option<Task> {
        let Proposing::Ready { block, round_changes } = &self.height.round.proposing else {
            return None;
        };
        let payload = ProposalPayload { id: self.height.id(), digest: block.digest().ok()? };
        Some(Task::Proposal { payload, block: block.clone(), round_changes: round_changes.clone() })
    }

    /// An accepted proposal of somebody else is prepared.
    fn prepare_task(&self) -> Option<Task> {
        let accepted = self.height.round.accepted.as_ref()?;
        if accepted.author == self.local {
            return None;
        }
        Some(Task::Prepare(PreparePayload { id: self.height.id(), digest: accepted.digest() }))
    }

    /// A prepared block is committed.
    fn commit_task(&self) -> Option<Task> {
        let round = &self.height.round;
        let accepted = round.accepted.as_ref()?;
        if !round.prepared && !self.counts_own_commit_early() {
            return None;
        }
        Some(Task::Seal { id: self.height.id(), digest: accepted.digest(), late: false })
    }

    /// Besu counts the own Commit from the acceptance of the proposal on. With one Byzantine member
    /// and one crash that forks four validators, so only the Besu profile does it.
    fn counts_own_commit_early(&self) -> bool {
        self.config.profile == Profile::Besu || mutated!(self, CommitCountedUnprepared)
    }

    /// The answer to a request.
    pub(super) fn on_signed(&mut self, request: RequestId, signature: Signature65) {
        let is_it = self.signing.as_ref().is_some_and(|in_flight| in_flight.request == request);
        let Some(InFlight { digest, task, .. }) = self.signing.take_if(|_| is_it) else { return };
        let signature = signature.normalised();
        if self.crypto.recover(&digest, &signature) != Some(self.local) {
            self.report(Report::BadOwnSignature { kind: task.kind() });
            // Ask again only when own messages are sent again, not at once for ever.
            self.signer_failed = true;
            return;
        }
        if !self.may_sign() || !self.is_wanted(&task) {
            return;
        }
        #[cfg(feature = "mutants")]
        if mutated!(self, RecordIgnored) {
            let (id, kind, digest) = task.subject();
            self.record.forget_unless_permitted(id, kind, digest);
        }
        match task {
            Task::Proposal { payload, block, round_changes } => {
                self.signed_proposal(Signed::new(payload, signature), block, round_changes);
            }
            Task::Prepare(payload) => self.signed_prepare(Signed::new(payload, signature)),
            Task::Seal { id, digest, late } => {
                let payload = CommitPayload { id, digest, seal: signature.into() };
                self.request_signature(Task::Commit { payload, late });
            }
            Task::Commit { payload, late } => {
                self.signed_commit(Signed::new(payload, signature), late);
            }
            Task::RoundChange { payload, held } => {
                self.signed_round_change(Signed::new(payload, signature), held);
            }
        }
    }

    fn signed_proposal(
        &mut self,
        signed: Signed<ProposalPayload>,
        block: Arc<Block>,
        round_changes: Option<Vec<Signed<RoundChangePayload>>>,
    ) {
        let key = CheckKey::new(&block, true);
        let hash = key.hash();
        let stored = StoredProposal { signed, round_changes: round_changes.clone(), block: hash };
        if self.record.put_proposal(stored).is_err() {
            return;
        }
        self.height.checks.note(key, true);
        let token = self.persist();
        let proposal = Proposal { signed, block, round_changes };
        self.send_own(&Message::Proposal(proposal.clone()), token);
        let round = &mut self.height.round;
        round.proposing = Proposing::Done;
        round.justified = true;
        round.seen = Some(signed);
        round.accepted = Some(Accepted { author: self.local, proposal, hash });
    }

    fn signed_prepare(&mut self, signed: Signed<PreparePayload>) {
        if self.record.put_prepare(signed).is_err() {
            return;
        }
        self.height.inbox.prepares.put(self.local, signed.payload.id.round, signed);
        let token = self.persist();
        self.send_own(&Message::Prepare(signed), token);
    }

    fn signed_commit(&mut self, signed: Signed<CommitPayload>, late: bool) {
        let certificate = if late { None } else { self.prepared_certificate_of_round() };
        if self.record.put_commit(signed, certificate).is_err() {
            return;
        }
        let token = self.persist();
        let payload = signed.payload;
        if late {
            self.send_late_commit(signed, token);
            return;
        }
        self.height.inbox.commits.put(self.local, payload.id.round, signed);
        self.height.round.own_commit = Some(token);
        if self.height.finalising.is_some() && self.recent.add_seal(payload.id.height, self.local) {
            self.own_seals.insert(token, (payload.id.height, payload.seal));
        }
        if self.height.round.prepared {
            self.height.round.commit_sent = true;
            self.send_own(&Message::Commit(signed), token);
        }
    }

    /// Under the Besu profile the own Commit may be older than the certificate: it leaves now.
    pub(super) fn release_own_commit(&mut self) {
        let round = &self.height.round;
        if round.commit_sent || round.own_commit.is_none() {
            return;
        }
        let Some(signed) = self.record.commit().copied() else { return };
        self.record.put_certificate(self.prepared_certificate_of_round());
        let token = self.persist();
        self.height.round.own_commit = Some(token);
        self.height.round.commit_sent = true;
        self.send_own(&Message::Commit(signed), token);
    }

    fn prepared_certificate_of_round(&self) -> Option<StoredCertificate> {
        let held = self.height.certificate.as_ref()?;
        (held.certificate.id() == self.height.id()).then(|| stored(held))
    }

    fn signed_round_change(&mut self, signed: Signed<RoundChangePayload>, held: Option<Held>) {
        let certificate = held.as_ref().map(stored);
        if self.record.put_round_change(signed.clone(), certificate).is_err() {
            return;
        }
        let token = self.persist();
        let round = signed.payload.id.round;
        let message = RoundChange { signed, block: held.map(|held| held.block) };
        self.height.inbox.note_reached(self.local, round);
        self.height.inbox.round_changes.put(self.local, round, message.clone());
        self.height.round.wants_round_change = false;
        self.send_own(&Message::RoundChange(message), token);
    }

    /// A validator that others' Commits have made final without it signs its own once the block is
    /// stored, so that the header gets its seal and those behind get its vote.
    pub(super) fn late_commit(&mut self, finalising: &Finalising) {
        if self.config.profile == Profile::Besu || !finalising.by_commits || !self.height.member {
            return;
        }
        let id = RoundId::new(self.height.number, finalising.round);
        let Some(digest) = self.recent.digest(id) else { return };
        if self.recent.has_seal(id.height, &self.local) {
            return;
        }
        self.late = Some(LateCommit { id, digest });
    }

    fn send_late_commit(&mut self, signed: Signed<CommitPayload>, token: PersistToken) {
        let payload = signed.payload;
        if self.recent.add_seal(payload.id.height, self.local) {
            // The header is public: the seal goes into it only when the record is durable.
            self.own_seals.insert(token, (payload.id.height, payload.seal));
        }
        let bytes = Message::Commit(signed).to_wire(self.config.schedule.config().besu_dialect);
        self.send(Some(token), Target::Validators, bytes);
    }

    /// Emits the record. Returns the token that what was signed has to wait for.
    pub(super) fn persist(&mut self) -> PersistToken {
        self.record.sequence = self.record.sequence.saturating_add(1);
        self.last_token = PersistToken(self.last_token.0.saturating_add(1));
        let names = self.record.blocks();
        let mut added = names.iter().filter(|name| !self.named.contains(name)).copied();
        let new = added.next();
        // A proposal and a certificate never come to be named at once.
        debug_assert!(added.next().is_none(), "two new blocks in one record");
        let block = new.and_then(|hash| self.find_block(hash));
        self.named = names;
        self.effects.push(Effect::Persist {
            token: self.last_token,
            record: Box::new(self.record.clone()),
            block,
        });
        self.last_token
    }

    /// A block that the record has just come to name.
    fn find_block(&self, hash: crate::hash::BlockHash) -> Option<Arc<Block>> {
        let round = &self.height.round;
        let accepted = round.accepted.as_ref().map(|accepted| (accepted.hash, accepted.block()));
        let held = self.height.certificate.as_ref().map(|held| (held.hash, &held.block));
        let known = [accepted, held].into_iter().flatten().find(|(known, _)| *known == hash);
        if let Some((_, block)) = known {
            return Some(block.clone());
        }
        match &round.proposing {
            Proposing::Ready { block, .. } => Some(block.clone()),
            _ => None,
        }
    }

    /// Sends an own message of the running round and keeps it.
    fn send_own(&mut self, message: &Message, token: PersistToken) {
        self.keep_own(message);
        let Some(bytes) = self.height.round.own(message.kind()).cloned() else { return };
        let after = if mutated!(self, SendBeforePersist) { None } else { Some(token) };
        self.send(after, Target::Validators, bytes);
    }

    /// Sends bytes once `after` is durable.
    pub(super) fn send(
        &mut self,
        after: Option<PersistToken>,
        to: Target,
        bytes: alloy_primitives::Bytes,
    ) {
        let after = after.filter(|token| *token > self.durable);
        self.effects.push(Effect::Send { after, to, bytes });
    }

    /// The record of this token is durable.
    pub(super) fn on_durable(&mut self, token: PersistToken) {
        if token > self.last_token || token <= self.durable {
            return;
        }
        self.durable = token;
        while let Some(entry) = self.own_seals.first_entry() {
            if *entry.key() > token {
                return;
            }
            let (height, seal) = entry.remove();
            self.effects.push(Effect::AddSeals { height, seals: vec![seal] });
        }
    }
}

fn stored(held: &Held) -> StoredCertificate {
    StoredCertificate { certificate: held.certificate.clone(), block: held.hash }
}
