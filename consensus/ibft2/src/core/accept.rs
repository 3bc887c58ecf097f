//! Proposals of others and what follows from them: accepted, prepared.

use std::sync::Arc;

use alloy_primitives::Address;

use super::{
    Core,
    checks::{CheckKey, Known},
    effect::{AuthorFault, Effect, Report, RoundCause},
    input::{PeerId, RequestId, Verdict},
    round::{Accepted, Candidate, Held},
};
use crate::{
    certificates::{CertificateError, highest_certificate, validate_proposal},
    crypto::Crypto,
    evidence::Equivocation,
    messages::{
        Block, Message, MessageKind, PreparePayload, PreparedCertificate, Proposal, Signed,
        SignedPayload,
    },
};

/// Copies of one proposal with different bodies that are kept.
const KEPT_COPIES: usize = 4;

impl<C: Crypto> Core<C> {
    /// IBFT 2.0: a proposal counts if it is the proposer's for that round, its RoundChanges allow it
    /// and its block is valid. One of a higher round with valid RoundChanges starts that round, as a
    /// quorum is there.
    pub(super) fn on_proposal(&mut self, peer: PeerId, author: Address, proposal: Proposal) {
        let id = proposal.signed.payload.id;
        if id.round < self.height.round.number {
            return self.answer_lower_round(peer, author);
        }
        if self.is_known_proposal(&proposal) {
            return self.relay(peer, author, &Message::Proposal(proposal));
        }
        let known = self.knows(&proposal.signed, author);
        if let Err(error) = validate_proposal(&proposal, &self.context(), &known) {
            // Only the payload is signed: who relays it can spoil block and RoundChanges.
            let by_author = matches!(error, CertificateError::Proposer { .. })
                || self.is_connection_of(peer, &author);
            return self.report_invalid(peer, author, by_author, MessageKind::Proposal, error);
        }
        if id.round == self.height.round.number
            && let Some(seen) = self.height.round.seen
            && seen.payload != proposal.signed.payload
        {
            // The first proposal of a round stands, even if its block turns out invalid.
            let (first, second) =
                (SignedPayload::Proposal(seen), SignedPayload::Proposal(proposal.signed));
            return self.accuse(Equivocation::between(author, &first, &second));
        }
        let fresh = proposal
            .round_changes
            .as_ref()
            .is_none_or(|entries| highest_certificate(entries).is_none());
        if let Some(fault) = self.proposal_fault(&proposal.block, author, fresh) {
            self.height_seen(&proposal);
            if self.is_connection_of(peer, &author) {
                self.report(Report::AuthorFault { author, fault });
            }
            return;
        }
        if id.round > self.height.round.number {
            self.enter_round(id.round, RoundCause::Proposal);
        }
        self.height_seen(&proposal);
        self.height.round.justified = true;
        for entry in proposal.round_changes.iter().flatten() {
            // Valid entries, as the proposal is.
            if let Some(entry_author) = entry.author(&self.crypto, &self.domain) {
                self.height.inbox.note_reached(entry_author, id.round);
            }
        }
        self.relay(peer, author, &Message::Proposal(proposal.clone()));
        if self.height.round.accepted.is_some() {
            return;
        }
        let direct = self.is_connection_of(peer, &author);
        let key = CheckKey::new(&proposal.block, fresh);
        let candidate = Candidate { author, proposal, key, fresh, direct };
        let candidates = &mut self.height.round.candidates;
        // The author's own copy goes before those that others may have spoiled.
        candidates.insert(if direct { 0 } else { candidates.len() }, candidate);
        candidates.truncate(KEPT_COPIES);
    }

    /// Remembers the first proposal of the running round.
    fn height_seen(&mut self, proposal: &Proposal) {
        if proposal.signed.payload.id == self.height.id() && self.height.round.seen.is_none() {
            self.height.round.seen = Some(proposal.signed);
        }
    }

    /// Whether exactly this proposal has been looked at already.
    fn is_known_proposal(&self, proposal: &Proposal) -> bool {
        let round = &self.height.round;
        round.accepted.as_ref().is_some_and(|accepted| accepted.proposal == *proposal)
            || round.candidates.iter().any(|known| known.proposal == *proposal)
    }

    /// The rules for blocks that need no execution. A block that a certificate forces has passed
    /// those for fresh ones already.
    fn proposal_fault(&self, block: &Block, author: Address, fresh: bool) -> Option<AuthorFault> {
        let Ok(extra) = block.extra_data() else { return Some(AuthorFault::Parent) };
        let on_head = block.header.parent_hash == self.head.hash.0
            && extra.validators == self.height.validators.as_slice();
        if !on_head {
            return Some(AuthorFault::Parent);
        }
        if !fresh {
            return None;
        }
        // The creator decides over votes, rewards and the next turn: it has to be the author.
        if block.header.beneficiary != author && !mutated!(self, CoinbaseUnbound) {
            return Some(AuthorFault::Coinbase);
        }
        let bound = self.config.schedule.config().chain_bound_signatures;
        if bound && extra.vanity.as_ref() != self.config.genesis_hash.as_slice() {
            return Some(AuthorFault::Vanity);
        }
        self.is_too_long(block).then_some(AuthorFault::TooLong)
    }

    /// Looks at the copies of the proposal in turn: the first with a valid block is accepted.
    pub(super) fn accept(&mut self) -> bool {
        let round = &self.height.round;
        if round.accepted.is_some() || round.candidates.is_empty() {
            return false;
        }
        if self.height.finalising.is_some() {
            return false;
        }
        for candidate in round.candidates.clone() {
            let key = candidate.key;
            let known = if mutated!(self, BlockUnchecked) {
                Known::Valid
            } else {
                self.height.checks.get(&key)
            };
            match known {
                Known::Valid => {
                    let Candidate { author, proposal, .. } = candidate;
                    self.height.round.accepted =
                        Some(Accepted { author, proposal, hash: key.hash() });
                    self.height.round.candidates.clear();
                    return true;
                }
                Known::Unknown if self.height.checks.is_busy() => return false,
                Known::Unknown => {
                    let Candidate { proposal, fresh, .. } = candidate;
                    self.check_block(key, proposal.block, fresh);
                    return false;
                }
                Known::Pending => return false,
                Known::Invalid => {
                    self.height.round.candidates.retain(|other| other.key != key);
                }
            }
        }
        false
    }

    /// Asks the driver about a block.
    pub(super) fn check_block(&mut self, key: CheckKey, block: Arc<Block>, fresh: bool) {
        let request = self.next_request();
        self.height.checks.asked(request, key);
        #[cfg(feature = "mutants")]
        let fresh = match self.config.mutant {
            Some(super::Mutant::AlwaysFresh) => true,
            Some(super::Mutant::NeverFresh) => false,
            _ => fresh,
        };
        self.effects.push(Effect::CheckBlock { request, block, fresh });
    }

    /// The driver's answer.
    pub(super) fn on_block_checked(&mut self, request: RequestId, verdict: Verdict) {
        let Some(key) = self.height.checks.answered(request, verdict) else { return };
        if verdict != Verdict::Invalid {
            return;
        }
        // Who relays a proposal can spoil its body, so the author is blamed only for its own copy.
        let mut candidates = self.height.round.candidates.iter();
        let blamed = candidates.find(|candidate| candidate.direct && candidate.key == key);
        if let Some(author) = blamed.map(|candidate| candidate.author) {
            self.report(Report::AuthorFault { author, fault: AuthorFault::Block });
        }
    }

    /// IBFT 2.0: a round is prepared when, besides the proposal, Prepares of `quorum - 1` other
    /// validators for its digest are there. They make a certificate, which is kept for the height.
    pub(super) fn become_prepared(&mut self) -> bool {
        let round = &self.height.round;
        let Some(accepted) = round.accepted.as_ref() else { return false };
        if round.prepared {
            return false;
        }
        let proposer = accepted.author;
        let digest = accepted.digest();
        let counts = |author: &Address, signed: &Signed<PreparePayload>| {
            let by_other = *author != proposer || mutated!(self, ProposerPrepareCounts);
            let fits = signed.payload.digest == digest || mutated!(self, DigestIgnored);
            by_other && fits
        };
        let needed = if mutated!(self, PrepareQuorumMinusOne) {
            self.height.prepare_quorum().saturating_sub(1)
        } else {
            self.height.prepare_quorum()
        };
        let prepares: Vec<_> = self
            .height
            .inbox
            .prepares
            .of_round(round.number)
            .into_iter()
            .filter(|(author, signed)| counts(author, signed))
            .map(|(_, signed)| *signed)
            .collect();
        if prepares.len() < needed {
            return false;
        }
        let certificate =
            Arc::new(PreparedCertificate { proposal: accepted.proposal.signed, prepares });
        let (block, hash) = (accepted.block().clone(), accepted.hash);
        self.height.certificate = Some(Held { certificate, block, hash });
        self.height.round.prepared = true;
        self.release_own_commit();
        true
    }
}
