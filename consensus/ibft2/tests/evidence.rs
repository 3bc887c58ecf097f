//! What contradicts what.

#![allow(clippy::unwrap_used)]

mod common;

use alloy_primitives::B256;
use common::{HEIGHT, Network, bound, flip, id};
use peruri_ibft2::{
    CommitPayload, Equivocation, PreparePayload, ProposalPayload, RoundId, SealDigest,
    Secp256k1Crypto, SignedPayload, SigningDomain,
};

const A: SealDigest = SealDigest(B256::repeat_byte(1));
const B: SealDigest = SealDigest(B256::repeat_byte(2));

/// Validator 1 says something about a digest in every way.
fn said(network: &Network, id: RoundId, digest: SealDigest) -> [SignedPayload; 3] {
    let seal = common::seal(network.keys[1], digest);
    [
        SignedPayload::Proposal(network.sign(1, ProposalPayload { id, digest })),
        SignedPayload::Prepare(network.sign(1, PreparePayload { id, digest })),
        SignedPayload::Commit(network.sign(1, CommitPayload { id, digest, seal })),
    ]
}

fn between(
    network: &Network,
    first: &SignedPayload,
    second: &SignedPayload,
) -> Option<Equivocation> {
    Equivocation::between(network.address(1), first, second)
}

#[test]
fn two_digests_in_one_round_contradict_each_other() {
    let network = Network::new(4, bound());
    for first in said(&network, id(1), A) {
        for second in said(&network, id(1), B) {
            let evidence = between(&network, &first, &second).unwrap();
            assert!(evidence.verify(&Secp256k1Crypto, &network.domain));
        }
        for same in said(&network, id(1), A) {
            assert_eq!(between(&network, &first, &same), None);
        }
    }
}

#[test]
fn other_rounds_and_heights_are_no_contradiction() {
    let network = Network::new(4, bound());
    for first in said(&network, id(1), A) {
        for other in [id(0), id(2), RoundId::new(HEIGHT + 1, 1)] {
            for second in said(&network, other, B) {
                assert_eq!(between(&network, &first, &second), None);
            }
        }
    }
}

#[test]
fn a_flipped_seal_is_no_contradiction() {
    let network = Network::new(4, bound());
    let commit = network.commit(1, 0, A);
    let payload = CommitPayload { seal: flip(commit.payload.seal), ..commit.payload };
    let flipped = network.sign(1, payload);
    assert_ne!(commit, flipped);
    let [first, second] = [commit, flipped].map(SignedPayload::Commit);
    assert_eq!(between(&network, &first, &second), None);
}

#[test]
fn two_round_changes_contradict_each_other_by_what_was_prepared() {
    let network = Network::new(4, bound());
    let change = |target, certificate| {
        SignedPayload::RoundChange(network.round_change_payload(1, target, certificate))
    };
    let none = change(2, None);
    let in_0 = change(2, Some(network.certificate(0, 0, 2)));
    let more = change(2, Some(network.certificate(0, 0, 3)));
    let in_1 = change(2, Some(network.certificate(1, 1, 2)));
    assert!(between(&network, &none, &in_0).is_some());
    assert!(between(&network, &in_0, &in_1).is_some());
    assert_ne!(in_0, more);
    assert_eq!(between(&network, &in_0, &more), None);
    assert_eq!(between(&network, &none, &change(3, Some(network.prepared(0)))), None);
    // A RoundChange enters the round in which the others are said.
    for said in said(&network, id(2), A) {
        assert_eq!(between(&network, &none, &said), None);
    }
}

#[test]
fn evidence_needs_both_signatures_of_the_author() {
    let network = Network::new(4, bound());
    let [first, ..] = said(&network, id(1), A);
    let [second, ..] = said(&network, id(1), B);
    let evidence = between(&network, &first, &second).unwrap();
    let crypto = Secp256k1Crypto;

    let accused = Equivocation { author: network.address(2), ..evidence.clone() };
    assert!(!accused.verify(&crypto, &network.domain));
    assert!(!evidence.verify(&crypto, &SigningDomain::Besu));
    let same = Equivocation { second: evidence.first.clone(), ..evidence.clone() };
    assert!(!same.verify(&crypto, &network.domain));
    let foreign = SignedPayload::Prepare(network.prepare(2, 1, B));
    let mixed = Equivocation { second: foreign, ..evidence };
    assert!(!mixed.verify(&crypto, &network.domain));
}

#[test]
fn only_chain_bound_signatures_are_proof() {
    assert!(Equivocation::is_proof(&bound()));
    assert!(!Equivocation::is_proof(&SigningDomain::Besu));
}
