//! No validator signed two different things.
//!
//! Every signed payload that any node sent or received counts, also those inside certificates. For one
//! author, height and round, Proposal, Prepare and Commit carry one digest, and all RoundChanges for one
//! target carry the same prepared round and digest ([`Equivocation`]).

use alloy_primitives::{Address, B256};
use peruri_ibft2::{
    Equivocation, Message, PreparedCertificate, RoundChangePayload, RoundId, Secp256k1Crypto,
    Signed, SignedPayload, SigningDomain,
};
use std::collections::{BTreeMap, HashSet};

/// The domain of networks made by this crate: signatures are bound to chain and genesis block.
pub const fn signing_domain(chain_id: u64, genesis_hash: B256) -> SigningDomain {
    SigningDomain::ChainBound { chain_id, genesis_hash }
}

/// Everything that the validators are known to have signed.
#[derive(Debug)]
pub struct SignatureLedger {
    domain: SigningDomain,
    validators: Vec<Address>,
    /// Whole payloads seen, so that copies cost no signature check.
    known: HashSet<SignedPayload>,
    /// Distinct statements by author and round.
    signed: BTreeMap<(Address, u64, u32), Vec<SignedPayload>>,
    conflicts: Vec<String>,
}

impl SignatureLedger {
    /// An empty ledger; authors other than `validators` are strangers and do not count.
    pub fn new(domain: SigningDomain, validators: Vec<Address>) -> Self {
        Self {
            domain,
            validators,
            known: HashSet::new(),
            signed: BTreeMap::new(),
            conflicts: Vec::new(),
        }
    }

    /// Notes a message with all that lies inside.
    pub fn note(&mut self, message: &Message) {
        self.note_payload(message.signed_payload());
        if let Message::RoundChange(change) = message {
            self.note_certificate(change.signed.payload.certificate.as_deref());
        }
        let Message::Proposal(proposal) = message else { return };
        for change in proposal.round_changes.iter().flatten() {
            self.note_round_change(change);
        }
    }

    /// Contradictions found so far.
    pub fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    /// Number of distinct statements of validators.
    pub fn statements(&self) -> usize {
        self.signed.values().map(Vec::len).sum()
    }

    fn note_round_change(&mut self, change: &Signed<RoundChangePayload>) {
        self.note_payload(SignedPayload::RoundChange(change.clone()));
        self.note_certificate(change.payload.certificate.as_deref());
    }

    fn note_certificate(&mut self, certificate: Option<&PreparedCertificate>) {
        let Some(certificate) = certificate else { return };
        self.note_payload(SignedPayload::Proposal(certificate.proposal));
        for prepare in &certificate.prepares {
            self.note_payload(SignedPayload::Prepare(*prepare));
        }
    }

    fn note_payload(&mut self, payload: SignedPayload) {
        if !self.known.insert(payload.clone()) {
            return;
        }
        let author = payload.author(&Secp256k1Crypto, &self.domain);
        let Some(author) = author.filter(|author| self.validators.contains(author)) else { return };
        let RoundId { height, round } = payload.id();
        let before = self.signed.entry((author, height, round)).or_default();
        for other in before.iter() {
            if Equivocation::between(author, other, &payload).is_some() {
                self.conflicts.push(format!(
                    "{author} signed {:?} and {:?} with different content at height {height}, round \
                     {round}",
                    other.kind(),
                    payload.kind(),
                ));
            }
        }
        // Copies with another signature or another choice of Prepares say nothing new.
        let same = |other: &SignedPayload| {
            other.kind() == payload.kind()
                && Equivocation::between(author, other, &payload).is_none()
        };
        if !before.iter().any(same) {
            before.push(payload);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use alloy_signer::SignerSync;
    use alloy_signer_local::PrivateKeySigner;
    use peruri_ibft2::{Payload, PreparePayload, ProposalPayload, RoundChange, Seal, SealDigest};
    use std::sync::Arc;

    const DOMAIN: SigningDomain = signing_domain(7, B256::ZERO);

    fn signer(byte: u8) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(byte)).expect("key")
    }

    fn sign<P: Payload>(key: u8, payload: P) -> Signed<P> {
        let signature = signer(key).sign_hash_sync(&DOMAIN.signing_hash(&payload)).expect("signed");
        Signed::new(payload, Seal::try_from(signature).expect("seal").into())
    }

    const fn digest(byte: u8) -> SealDigest {
        SealDigest(B256::repeat_byte(byte))
    }

    fn signed_prepare(key: u8, height: u64, round: u32, said: u8) -> Signed<PreparePayload> {
        sign(key, PreparePayload { id: RoundId::new(height, round), digest: digest(said) })
    }

    pub(in crate::check) fn prepare(key: u8, height: u64, round: u32, said: u8) -> Message {
        Message::Prepare(signed_prepare(key, height, round, said))
    }

    /// A RoundChange to round 2 by key 1 with a certificate of round 1, prepared by these keys.
    fn round_change(said: u8, prepares: &[u8]) -> Message {
        let id = RoundId::new(5, 1);
        let certificate = PreparedCertificate {
            proposal: sign(1, ProposalPayload { id, digest: digest(said) }),
            prepares: prepares.iter().map(|key| signed_prepare(*key, 5, 1, said)).collect(),
        };
        let payload =
            RoundChangePayload { id: RoundId::new(5, 2), certificate: Some(Arc::new(certificate)) };
        Message::RoundChange(RoundChange { signed: sign(1, payload), block: None })
    }

    fn ledger() -> SignatureLedger {
        SignatureLedger::new(DOMAIN, (1..=4).map(|byte| signer(byte).address()).collect())
    }

    #[test]
    fn two_digests_in_one_round_are_a_conflict() {
        let mut ledger = ledger();
        for message in [prepare(1, 5, 0, 7), prepare(1, 5, 0, 7), prepare(2, 5, 0, 8)] {
            ledger.note(&message);
        }
        for message in [prepare(1, 5, 1, 8), prepare(1, 6, 0, 8)] {
            ledger.note(&message);
        }
        assert_eq!((ledger.conflicts(), ledger.statements()), ([].as_slice(), 4));
        ledger.note(&prepare(1, 5, 0, 8));
        assert_eq!(ledger.conflicts().len(), 1);
        assert!(ledger.conflicts()[0].contains("height 5, round 0"), "{:?}", ledger.conflicts());
    }

    #[test]
    fn what_lies_in_a_certificate_counts() {
        let mut ledger = ledger();
        ledger.note(&prepare(2, 5, 1, 8));
        ledger.note(&round_change(7, &[2, 3]));
        assert_eq!(ledger.conflicts().len(), 1, "{:?}", ledger.conflicts());
    }

    #[test]
    fn another_choice_of_prepares_is_none() {
        let mut ledger = ledger();
        ledger.note(&round_change(7, &[2, 3]));
        ledger.note(&round_change(7, &[3, 4]));
        assert!(ledger.conflicts().is_empty());
        ledger.note(&round_change(8, &[]));
        // The Proposal of the certificate, and the RoundChange itself.
        assert_eq!(ledger.conflicts().len(), 2, "{:?}", ledger.conflicts());
    }

    #[test]
    fn strangers_do_not_count() {
        let mut ledger = ledger();
        ledger.note(&prepare(9, 5, 0, 7));
        ledger.note(&prepare(9, 5, 0, 8));
        assert_eq!((ledger.conflicts().len(), ledger.statements()), (0, 0));
    }
}
