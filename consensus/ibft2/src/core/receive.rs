//! Messages of others: from bytes to the inbox.
//!
//! Nothing is kept before its author is known to be a validator. The peer is blamed for bytes that
//! do not decode and signatures that nobody made; whoever signed a message is blamed for the rules
//! that it breaks.

use alloy_primitives::{Address, B256, Bytes};

use super::{
    Core,
    effect::{AuthorFault, PeerFault, Report},
    inbox::{KEPT_BLOCK_BYTES, Put},
    input::PeerId,
};
use crate::{
    certificates::{
        CertificateError, check_block, validate_commit_seal, validate_round_change,
        validate_round_change_payload,
    },
    crypto::{Crypto, Signature65},
    evidence::Equivocation,
    messages::{
        CommitPayload, DecodeLimits, Message, MessageKind, Payload, PreparePayload, RoundChange,
        Signed, SignedPayload,
    },
};

/// A [`Crypto`] that knows the author of one signature already.
pub(super) struct Knowing<'a, C> {
    inner: &'a C,
    hash: B256,
    signature: Signature65,
    author: Address,
}

impl<C: Crypto> Crypto for Knowing<'_, C> {
    fn recover(&self, hash: &B256, signature: &Signature65) -> Option<Address> {
        if *hash == self.hash && *signature == self.signature {
            return Some(self.author);
        }
        self.inner.recover(hash, signature)
    }
}

impl<C: Crypto> Core<C> {
    /// A message as it came.
    pub(super) fn on_bytes(&mut self, peer: PeerId, bytes: &Bytes) {
        let members = self.height.validators.len().max(DecodeLimits::DEFAULT.entries);
        let limits = DecodeLimits::for_validators(members);
        #[cfg(feature = "mutants")]
        let limits = if mutated!(self, MessageBoundTooSmall) {
            DecodeLimits { message_bytes: 1 << 20, ..limits }
        } else {
            limits
        };
        #[cfg(feature = "mutants")]
        if mutated!(self, ForeignDialectRefused) && !self.is_own_dialect(bytes, &limits) {
            return;
        }
        match Message::from_wire(bytes, &limits) {
            Ok(message) => self.on_message(peer, message),
            Err(error) => {
                self.report(Report::PeerFault { peer, fault: PeerFault::Undecodable(error) });
            }
        }
    }

    #[cfg(feature = "mutants")]
    fn is_own_dialect(&self, bytes: &Bytes, limits: &DecodeLimits) -> bool {
        let dialect = self.config.schedule.config().besu_dialect;
        Message::from_wire(bytes, limits).is_ok_and(|message| message.to_wire(dialect) == *bytes)
    }

    fn on_message(&mut self, peer: PeerId, message: Message) {
        let Some(author) = message.author(&self.crypto, &self.domain) else {
            return self.report(Report::PeerFault { peer, fault: PeerFault::Signature });
        };
        if author == self.local {
            return;
        }
        let height = message.id().height;
        if height < self.height.number {
            self.on_lower_height(peer, author, &message);
        } else if height > self.height.number {
            self.on_future_height(peer, author, message);
        } else {
            self.on_this_height(peer, author, message);
        }
    }
}

impl<C: Crypto> Core<C> {
    /// A message of the running height with a good signature of `author`.
    pub(super) fn on_this_height(&mut self, peer: PeerId, author: Address, message: Message) {
        let allowed = self.height.validators.contains(&author) || mutated!(self, OutsiderAccepted);
        if !allowed || !self.height.member {
            return;
        }
        self.note_mark(author, &message);
        if self.is_connection_of(peer, &author) {
            // Who works on this height has the block before it.
            self.hint(peer, self.head.header.number);
        }
        if self.height.finalising.is_some() {
            if let Message::Commit(signed) = &message {
                self.late_seal(author, signed);
            }
            return;
        }
        if mutated!(self, RoundFallsBack) && message.id().round == 0 && self.height.round.number > 0
        {
            self.height.round = super::round::Round::new(0);
        }
        // Whoever speaks in this height has a reason: with an empty-block period that ends the wait.
        self.height.work = true;
        match message {
            Message::Proposal(proposal) => self.on_proposal(peer, author, proposal),
            Message::Prepare(signed) => self.on_prepare(peer, author, signed),
            Message::Commit(signed) => self.on_commit(peer, author, signed),
            Message::RoundChange(message) => self.on_round_change(peer, author, message),
        }
    }

    /// The first Prepare of an author in a round is kept; whether its digest fits is asked when it
    /// is counted.
    fn on_prepare(&mut self, peer: PeerId, author: Address, signed: Signed<PreparePayload>) {
        let round = signed.payload.id.round;
        if round < self.height.round.number {
            return self.answer_lower_round(peer, author);
        }
        let known = match self.height.inbox.prepares.put(author, round, signed) {
            Put::TooLow => return,
            Put::New => None,
            Put::Known(known) => Some(*known),
        };
        let message = SignedPayload::Prepare(signed);
        self.contradicts(author, known.map(SignedPayload::Prepare), &message);
        let commit = self.height.inbox.commits.get(&author, round).copied();
        self.contradicts(author, commit.map(SignedPayload::Commit), &message);
        if known.is_none_or(|known| known == signed) {
            self.relay(peer, author, &Message::Prepare(signed));
        }
    }

    /// The first Commit of an author in a round is kept if its seal is the author's.
    fn on_commit(&mut self, peer: PeerId, author: Address, signed: Signed<CommitPayload>) {
        let round = signed.payload.id.round;
        if round < self.height.round.number {
            return self.answer_lower_round(peer, author);
        }
        let known = self.height.inbox.commits.get(&author, round).copied();
        if known.is_none()
            && !mutated!(self, SealUnchecked)
            && let Err(error) = validate_commit_seal(&signed.payload, author, &self.crypto)
        {
            return self.report_invalid(peer, author, true, MessageKind::Commit, error);
        }
        let message = SignedPayload::Commit(signed);
        self.contradicts(author, known.map(SignedPayload::Commit), &message);
        let prepare = self.height.inbox.prepares.get(&author, round).copied();
        self.contradicts(author, prepare.map(SignedPayload::Prepare), &message);
        if let Put::TooLow = self.height.inbox.commits.put(author, round, signed) {
            return;
        }
        if known.is_none_or(|known| known == signed) {
            self.relay(peer, author, &Message::Commit(signed));
        }
        if self.missing_proposal_of_quorum() {
            self.hint(peer, self.height.number);
        }
    }

    /// A RoundChange is kept if its certificate (if any) is valid and its block the certificate's.
    fn on_round_change(&mut self, peer: PeerId, author: Address, message: RoundChange) {
        let round = message.signed.payload.id.round;
        if round < self.height.round.number {
            return self.answer_lower_round(peer, author);
        }
        if let Some(known) = self.height.inbox.round_changes.get(&author, round).cloned() {
            return self.on_known_round_change(peer, author, known, message);
        }
        let knowing = self.knows(&message.signed, author);
        if let Err(error) = validate_round_change(&message, &self.context(), &knowing) {
            // The block is not signed: who relays the message can spoil it.
            let by_author = self.is_connection_of(peer, &author)
                || validate_round_change_payload(&message.signed, &self.context(), &knowing)
                    .is_err();
            return self.report_invalid(peer, author, by_author, MessageKind::RoundChange, error);
        }
        let block = message.block.map(|block| self.height.inbox.intern(block));
        let message = RoundChange { signed: message.signed, block };
        self.height.inbox.note_reached(author, round);
        if let Put::TooLow = self.height.inbox.round_changes.put(author, round, message.clone()) {
            return;
        }
        if message.block.is_some() {
            self.height.inbox.trim_blocks(KEPT_BLOCK_BYTES);
        }
        self.relay(peer, author, &Message::RoundChange(message));
    }

    /// A RoundChange of an author and round of which one is kept. The block beside it is not signed:
    /// the author's own copy takes the place of one that a relaying peer may have spoiled.
    fn on_known_round_change(
        &mut self,
        peer: PeerId,
        author: Address,
        known: RoundChange,
        message: RoundChange,
    ) {
        let signed = message.signed.clone();
        if known == message {
            return self.relay(peer, author, &Message::RoundChange(message));
        }
        self.contradicts(
            author,
            Some(SignedPayload::RoundChange(known.signed.clone())),
            &SignedPayload::RoundChange(signed.clone()),
        );
        let Some(certificate) = &signed.payload.certificate else { return };
        let is_better = known.signed == signed && self.is_connection_of(peer, &author);
        if let Some(block) = &message.block
            && is_better
            && check_block(block, certificate.id(), certificate.digest()).is_ok()
        {
            self.height.inbox.round_changes.replace(&author, signed.payload.id.round, message);
        }
    }

    /// A message of a height that is final here.
    fn on_lower_height(&mut self, peer: PeerId, author: Address, message: &Message) {
        if let Message::Commit(signed) = message
            && self.late_seal(author, signed)
        {
            return;
        }
        let height = message.id().height;
        let known = match self.recent.get(height) {
            Some(block) => block.validators.contains(&author),
            None => self.height.validators.contains(&author),
        };
        if known {
            self.answer_lower_height(peer, author, height);
        }
    }

    /// Remembers the highest thing that each validator has signed, to tell it should it forget. An
    /// oversized certificate is not worth its place in the record.
    pub(super) fn note_mark(&mut self, author: Address, message: &Message) {
        if let Message::RoundChange(change) = message
            && let Some(certificate) = &change.signed.payload.certificate
            && certificate.prepares.len() > self.height.validators.len()
        {
            return;
        }
        let id = message.id();
        if self.record.is_higher_mark(&author, id, message.kind()) {
            self.record.note_mark(author, message.signed_payload());
        }
    }

    /// Whether `author` is at the other end of a connection.
    pub(super) fn is_connection_of(&self, peer: PeerId, author: &Address) -> bool {
        self.peers.get(&peer).is_some_and(|peer| peer.validator.as_ref() == Some(author))
    }

    /// A [`Crypto`] that knows who signed `signed`.
    pub(super) fn knows<P: Payload>(&self, signed: &Signed<P>, author: Address) -> Knowing<'_, C> {
        Knowing {
            inner: &self.crypto,
            hash: self.domain.signing_hash(&signed.payload),
            signature: signed.signature,
            author,
        }
    }

    /// Tells why a message was refused, and blames its author if the author has broken the rule.
    pub(super) fn report_invalid(
        &mut self,
        peer: PeerId,
        author: Address,
        by_author: bool,
        kind: MessageKind,
        error: CertificateError,
    ) {
        self.report(if by_author {
            Report::AuthorFault { author, fault: AuthorFault::Invalid { kind, error } }
        } else {
            Report::Refused { peer, author, kind, error }
        });
    }

    fn contradicts(
        &mut self,
        author: Address,
        first: Option<SignedPayload>,
        second: &SignedPayload,
    ) {
        if let Some(first) = first {
            self.accuse(Equivocation::between(author, &first, second));
        }
    }

    /// Reports a contradiction, once per author and height.
    pub(super) fn accuse(&mut self, evidence: Option<Equivocation>) {
        if let Some(evidence) = evidence
            && self.accused.insert(evidence.author)
        {
            self.report(Report::Equivocation(evidence));
        }
    }
}
