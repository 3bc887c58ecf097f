//! Proof that a validator broke a rule that every honest validator keeps.
//!
//! A validator that keeps its sign state never signs two different things for one height, round and
//! kind, and in one round its Proposal, Prepare and Commit carry one digest. Two signed payloads that
//! say otherwise are proof against their author that anybody can check.
//!
//! Under [`SigningDomain::Besu`] they are only a suspicion: the signatures do not name the chain, so
//! messages of another chain whose validators have the same keys, or of an earlier life of a test
//! chain, look like a contradiction of an honest validator. [`Equivocation::is_proof`] tells.

use alloy_primitives::Address;

use crate::{
    crypto::Crypto,
    messages::{SignedPayload, SigningDomain},
};

/// Two payloads of one author that no honest validator signs both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Equivocation {
    /// Who signed both.
    pub author: Address,
    /// The payload that was known first.
    pub first: SignedPayload,
    /// The one that contradicts it.
    pub second: SignedPayload,
}

impl Equivocation {
    /// The contradiction between two payloads that `author` is known to have signed, if there is
    /// one: another digest for the same height and round, or another prepared round in a
    /// RoundChange for the same target.
    ///
    /// Different signatures, seals or selections of Prepares under the same content are no
    /// contradiction, as anybody can flip the `s` of a seal and a certificate may be made of
    /// different Prepares.
    pub fn between(author: Address, first: &SignedPayload, second: &SignedPayload) -> Option<Self> {
        contradict(first, second).then(|| Self {
            author,
            first: first.clone(),
            second: second.clone(),
        })
    }

    /// Whether the contradiction proves a breach, as the signatures name the chain.
    pub const fn is_proof(domain: &SigningDomain) -> bool {
        matches!(domain, SigningDomain::ChainBound { .. })
    }

    /// Whether the evidence holds by itself: both signatures are `author`'s and the payloads
    /// contradict each other.
    pub fn verify(&self, crypto: &impl Crypto, domain: &SigningDomain) -> bool {
        let signed = |payload: &SignedPayload| {
            payload.author(crypto, domain).is_some_and(|author| author == self.author)
        };
        contradict(&self.first, &self.second) && signed(&self.first) && signed(&self.second)
    }
}

fn contradict(first: &SignedPayload, second: &SignedPayload) -> bool {
    if first.id() != second.id() {
        return false;
    }
    match (first, second) {
        (SignedPayload::RoundChange(first), SignedPayload::RoundChange(second)) => {
            let content = |payload: &crate::messages::RoundChangePayload| {
                payload.certificate.as_ref().map(|it| (it.id(), it.digest()))
            };
            content(&first.payload) != content(&second.payload)
        }
        _ => match (first.digest(), second.digest()) {
            (Some(first), Some(second)) => first != second,
            // A RoundChange beside a payload of the round it enters.
            _ => false,
        },
    }
}
