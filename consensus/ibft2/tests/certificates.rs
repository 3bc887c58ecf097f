//! Which messages are valid in a height: one test per rule, each with what breaks only that rule.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod common;

use std::{cell::Cell, sync::Arc};

use alloy_primitives::{Address, B256, keccak256};
use common::{HEIGHT, Network, bound, flip, id, sign_as};
use peruri_ibft2::{
    Block, CertificateError, Crypto, PreparePayload, PreparedCertificate, Proposal,
    ProposalPayload, RoundChange, RoundId, SealDigest, Secp256k1Crypto, Signature65, Signed,
    SigningDomain,
    certificates::{
        highest_certificate, validate_commit_seal, validate_justification, validate_prepared,
        validate_proposal, validate_round_change, validate_round_change_certificate,
    },
    prepare_quorum, quorum,
};

const CRYPTO: Secp256k1Crypto = Secp256k1Crypto;

fn four() -> Network {
    Network::new(4, SigningDomain::Besu)
}

fn outsider() -> B256 {
    keccak256(b"outsider")
}

fn prepared(network: &Network, certificate: &PreparedCertificate) -> Result<(), CertificateError> {
    validate_prepared(certificate, 3, &network.context(), &CRYPTO)
}

fn changed(network: &Network, message: &RoundChange) -> Result<Address, CertificateError> {
    validate_round_change(message, &network.context(), &CRYPTO)
}

fn proposed(network: &Network, proposal: &Proposal) -> Result<Address, CertificateError> {
    validate_proposal(proposal, &network.context(), &CRYPTO)
}

// Prepared certificates.

#[test]
fn a_prepare_quorum_is_enough_for_every_size() {
    for n in 1..=10 {
        let network = Network::new(n, SigningDomain::Besu);
        let needed = prepare_quorum(network.len());
        for prepares in needed..network.len() {
            let certificate = network.certificate(1, 1, prepares);
            assert_eq!(prepared(&network, &certificate), Ok(()), "{n} {prepares}");
        }
        if let Some(few) = needed.checked_sub(1) {
            assert_eq!(
                prepared(&network, &network.certificate(1, 1, few)),
                Err(CertificateError::TooFew { what: "Prepares", needed, got: few })
            );
        }
    }
}

#[test]
fn no_prepares_beyond_the_other_members() {
    let network = four();
    let error = prepared(&network, &network.certificate(1, 1, 4)).unwrap_err();
    assert_eq!(error, CertificateError::TooMany { what: "Prepares", limit: 3, got: 4 });
}

#[test]
fn prepared_round_is_below_the_target() {
    let network = four();
    let check =
        |target| validate_prepared(&network.prepared(2), target, &network.context(), &CRYPTO);
    assert_eq!(check(3), Ok(()));
    assert_eq!(check(2), Err(CertificateError::PreparedRound { target: 2, got: 2 }));
    assert_eq!(check(1), Err(CertificateError::PreparedRound { target: 1, got: 2 }));
}

#[test]
fn prepares_are_of_distinct_authors_not_signatures() {
    let network = four();
    let mut certificate = network.prepared(1);
    certificate.prepares[1] = certificate.prepares[0];
    let author = network.address(2);
    assert_eq!(prepared(&network, &certificate), Err(CertificateError::Twice { author }));

    // The other form of the signature recovers the same author. The decoder refuses it already.
    let high = flip(certificate.prepares[0].signature.into());
    certificate.prepares[1].signature = Signature65::from(high);
    assert_ne!(certificate.prepares[0], certificate.prepares[1]);
    assert_eq!(prepared(&network, &certificate), Err(CertificateError::Twice { author }));
}

#[test]
fn the_proposers_prepare_does_not_count() {
    let network = four();
    let mut certificate = network.prepared(1);
    certificate.prepares[1] = network.prepare(1, 1, certificate.digest());
    let author = network.address(1);
    assert_eq!(
        prepared(&network, &certificate),
        Err(CertificateError::PrepareOfProposer { author })
    );
}

#[test]
fn prepares_are_of_members() {
    let network = four();
    let mut certificate = network.prepared(1);
    let payload = PreparePayload { id: id(1), digest: certificate.digest() };
    certificate.prepares[1] = sign_as(outsider(), &network.domain, payload);
    assert!(matches!(prepared(&network, &certificate), Err(CertificateError::Outsider { .. })));
}

#[test]
fn prepares_are_for_the_round_height_and_digest_of_the_proposal() {
    let network = four();
    let whole = network.prepared(1);
    for other in [id(0), id(2), RoundId::new(HEIGHT + 1, 1), RoundId::new(HEIGHT - 1, 1)] {
        let mut certificate = whole.clone();
        let payload = PreparePayload { id: other, digest: whole.digest() };
        certificate.prepares[1] = network.sign(3, payload);
        assert_eq!(
            prepared(&network, &certificate),
            Err(CertificateError::Round { expected: id(1), got: other })
        );
    }
    let mut certificate = whole.clone();
    let digest = SealDigest(B256::repeat_byte(5));
    certificate.prepares[1] = network.prepare(3, 1, digest);
    assert_eq!(
        prepared(&network, &certificate),
        Err(CertificateError::Digest { expected: whole.digest(), got: digest })
    );
}

#[test]
fn the_proposal_of_a_certificate_is_by_the_proposer_of_its_round() {
    let network = four();
    let mut certificate = network.prepared(1);
    let payload = ProposalPayload { id: id(1), digest: certificate.digest() };
    certificate.proposal = network.sign(0, payload);
    assert_eq!(
        prepared(&network, &certificate),
        Err(CertificateError::Proposer {
            expected: Some(network.address(1)),
            got: network.address(0)
        })
    );
    certificate.proposal = sign_as(outsider(), &network.domain, payload);
    assert!(matches!(prepared(&network, &certificate), Err(CertificateError::Outsider { .. })));
}

#[test]
fn certificates_of_other_heights_do_not_count() {
    let network = four();
    let ctx = network.context();
    for height in [HEIGHT - 1, HEIGHT + 1] {
        let ctx = peruri_ibft2::HeightContext { height, ..ctx };
        assert_eq!(
            validate_prepared(&network.prepared(1), 3, &ctx, &CRYPTO),
            Err(CertificateError::Height { expected: height, got: HEIGHT })
        );
    }
}

// RoundChanges.

#[test]
fn round_changes_with_and_without_certificate() {
    let network = four();
    for prepared in [None, Some(0), Some(1)] {
        let message = network.round_change(3, 2, prepared);
        assert_eq!(changed(&network, &message), Ok(network.address(3)));
    }
}

#[test]
fn certificate_and_block_come_together() {
    let network = four();
    let mut message = network.round_change(3, 1, Some(0));
    let block = message.block.take();
    assert_eq!(
        changed(&network, &message),
        Err(CertificateError::BlockPresence { certificate: true })
    );
    let mut message = network.round_change(3, 1, None);
    message.block = block;
    assert_eq!(
        changed(&network, &message),
        Err(CertificateError::BlockPresence { certificate: false })
    );
}

#[test]
fn the_block_of_a_round_change_is_that_of_its_certificate() {
    let network = four();
    let with_block = |block: Block| {
        let mut message = network.round_change(3, 2, Some(0));
        message.block = Some(Arc::new(block));
        changed(&network, &message)
    };
    assert!(with_block(network.block(0, 0)).is_ok());
    // The round of the certificate, not the target.
    assert!(matches!(with_block(network.block(0, 2)), Err(CertificateError::Round { .. })));
    assert!(matches!(with_block(network.block(1, 0)), Err(CertificateError::Digest { .. })));
    let mut block = network.block(0, 0);
    block.header.number += 1;
    assert!(matches!(with_block(block), Err(CertificateError::Height { .. })));
    let mut block = network.block(0, 0);
    block.header.extra_data = B256::ZERO.into();
    assert!(matches!(with_block(block), Err(CertificateError::ExtraData(_))));
}

#[test]
fn round_changes_are_of_members_for_this_height_above_round_0() {
    let network = four();
    let error = changed(&network, &network.round_change(3, 0, None)).unwrap_err();
    assert_eq!(error, CertificateError::TargetZero);

    let mut message = network.round_change(3, 1, None);
    message.signed = sign_as(outsider(), &network.domain, message.signed.payload);
    assert!(matches!(changed(&network, &message), Err(CertificateError::Outsider { .. })));

    let mut message = network.round_change(3, 1, None);
    message.signed.payload.id.height += 1;
    message.signed = network.sign(3, message.signed.payload);
    assert!(matches!(changed(&network, &message), Err(CertificateError::Height { .. })));
}

// Proposals.

#[test]
fn proposals_of_every_shape_are_valid_for_every_size() {
    for n in 1..=10 {
        let network = Network::new(n, SigningDomain::Besu);
        assert_eq!(proposed(&network, &network.first_proposal()), Ok(network.address(0)));
        for round in 1..4 {
            for prepared in [None, Some(0), Some(round - 1)] {
                let proposal = network.proposal(round, prepared);
                let proposer = network.address(network.proposer(round));
                assert_eq!(proposed(&network, &proposal), Ok(proposer), "{n} {round} {prepared:?}");
            }
        }
    }
}

#[test]
fn round_0_needs_no_round_changes_and_later_rounds_do() {
    let network = four();
    let mut proposal = network.first_proposal();
    proposal.round_changes = network.proposal(1, None).round_changes;
    assert_eq!(proposed(&network, &proposal), Err(CertificateError::RoundChangesInRoundZero));
    let mut proposal = network.proposal(1, None);
    proposal.round_changes = None;
    assert_eq!(proposed(&network, &proposal), Err(CertificateError::NoRoundChanges { round: 1 }));
}

#[test]
fn round_changes_are_a_quorum_of_distinct_members() {
    for n in 1..=7 {
        let network = Network::new(n, SigningDomain::Besu);
        let proposal = network.proposal_of(1, None, quorum(network.len()) - 1, 0);
        assert!(matches!(proposed(&network, &proposal), Err(CertificateError::TooFew { .. })));
    }
    let network = four();
    let mut proposal = network.proposal(1, None);
    let entries = proposal.round_changes.as_mut().unwrap();
    entries[2] = entries[0].clone();
    let author = network.address(0);
    assert_eq!(proposed(&network, &proposal), Err(CertificateError::Twice { author }));
    proposal.round_changes.as_mut().unwrap()[2] =
        sign_as(outsider(), &network.domain, network.round_change(2, 1, None).signed.payload);
    assert!(matches!(proposed(&network, &proposal), Err(CertificateError::Outsider { .. })));
    let entries = proposal.round_changes.as_mut().unwrap();
    entries.extend(entries.clone());
    assert!(matches!(proposed(&network, &proposal), Err(CertificateError::TooMany { .. })));
}

#[test]
fn round_changes_target_exactly_the_round_of_the_proposal() {
    let network = four();
    for target in [1, 3] {
        let mut proposal = network.proposal(2, None);
        proposal.round_changes.as_mut().unwrap()[1] = network.round_change_payload(1, target, None);
        assert_eq!(
            proposed(&network, &proposal),
            Err(CertificateError::Round { expected: id(2), got: id(target) })
        );
    }
}

#[test]
fn a_bad_certificate_spoils_the_proposal() {
    let network = four();
    let mut proposal = network.proposal(2, Some(1));
    let few = network.certificate(1, 1, 1);
    proposal.round_changes.as_mut().unwrap()[2] = network.round_change_payload(2, 2, Some(few));
    assert!(matches!(
        proposed(&network, &proposal),
        Err(CertificateError::TooFew { what: "Prepares", .. })
    ));
}

#[test]
fn the_highest_certificate_decides() {
    let network = four();
    // Prepared in rounds 0 and 2, in either order; the block of round 2 has to come.
    for order in [[Some(0), Some(2), None], [Some(2), None, Some(0)]] {
        let entries: Vec<_> = order
            .into_iter()
            .enumerate()
            .map(|(who, round)| network.round_change(who, 3, round).signed)
            .collect();
        let id_of = highest_certificate(&entries).map(PreparedCertificate::id);
        assert_eq!(id_of, Some(id(2)));
        let proposal = |creator: u32| {
            let block = network.block(creator, 3);
            Proposal {
                signed: network.signed_proposal(3, &block),
                block: Arc::new(block),
                round_changes: Some(entries.clone()),
            }
        };
        assert!(proposed(&network, &proposal(2)).is_ok());
        for creator in [0, 3] {
            let error = proposed(&network, &proposal(creator)).unwrap_err();
            assert!(matches!(error, CertificateError::Digest { .. }), "{error}");
        }
    }
}

#[test]
fn the_first_of_equally_high_certificates_is_taken() {
    let network = four();
    let entries = [
        network.round_change_payload(0, 3, None),
        network.round_change_payload(1, 3, Some(network.certificate(1, 1, 2))),
        network.round_change_payload(2, 3, Some(network.certificate(1, 1, 3))),
    ];
    assert_eq!(highest_certificate(&entries).map(|it| it.prepares.len()), Some(2));
    assert_eq!(highest_certificate(&entries[..1]), None);
}

#[test]
fn a_reproposed_block_changes_nothing_but_the_round() {
    let network = four();
    type Change = fn(&mut Block);
    let changes: [Change; 4] = [
        |block| block.header.timestamp += 1,
        |block| block.header.beneficiary = Address::repeat_byte(1),
        |block| block.header.transactions_root = B256::repeat_byte(1),
        |block| {
            let mut extra = block.extra_data().unwrap();
            extra.vanity = vec![1; 32].into();
            block.header.extra_data = extra.encode(peruri_ibft2::Form::All);
        },
    ];
    for change in changes {
        let mut proposal = network.proposal(2, Some(1));
        let block = Arc::make_mut(&mut proposal.block);
        change(block);
        proposal.signed = network.signed_proposal(2, block);
        assert!(matches!(proposed(&network, &proposal), Err(CertificateError::Digest { .. })));
    }
}

#[test]
fn payload_and_block_of_a_proposal_fit() {
    let network = four();
    let sound = network.first_proposal();

    let mut proposal = sound.clone();
    proposal.block = Arc::new(network.block(1, 0));
    assert!(matches!(proposed(&network, &proposal), Err(CertificateError::Digest { .. })));

    let mut proposal = sound.clone();
    let block = network.block(0, 1);
    proposal.signed = network.signed_proposal(0, &block);
    proposal.block = Arc::new(block);
    assert!(matches!(proposed(&network, &proposal), Err(CertificateError::Round { .. })));

    let mut proposal = sound.clone();
    Arc::make_mut(&mut proposal.block).header.number += 1;
    assert!(matches!(proposed(&network, &proposal), Err(CertificateError::Height { .. })));

    let mut proposal = sound;
    proposal.signed = network.sign(1, proposal.signed.payload);
    assert!(matches!(proposed(&network, &proposal), Err(CertificateError::Proposer { .. })));
}

#[test]
fn seals_in_a_proposed_block_mean_nothing() {
    let network = four();
    let mut proposal = network.first_proposal();
    let digest = proposal.signed.payload.digest;
    let seals = vec![common::seal(network.keys[0], digest)];
    proposal.block = Arc::new(proposal.block.sealed(0, seals).unwrap());
    assert!(proposed(&network, &proposal).is_ok());
}

// Commits.

#[test]
fn the_seal_of_a_commit_is_its_authors() {
    let network = four();
    let digest = network.block(0, 0).digest().unwrap();
    let commit = network.commit(1, 0, digest);
    let author = network.context().member(&commit, &CRYPTO).unwrap();
    assert_eq!(validate_commit_seal(&commit.payload, author, &CRYPTO), Ok(()));

    let other = network.address(2);
    let error = validate_commit_seal(&commit.payload, other, &CRYPTO).unwrap_err();
    assert_eq!(error, CertificateError::SealOfOther { author: other, signer: author });

    // Over another digest it is the seal of some other key.
    let mut payload = commit.payload;
    payload.digest = SealDigest(B256::repeat_byte(3));
    assert!(validate_commit_seal(&payload, author, &CRYPTO).is_err());

    // Seals may have a high s.
    let payload = peruri_ibft2::CommitPayload { seal: flip(commit.payload.seal), ..commit.payload };
    assert_eq!(validate_commit_seal(&payload, author, &CRYPTO), Ok(()));
}

// Signing domain.

#[test]
fn signatures_count_in_their_domain_only() {
    let [besu, bound, other] = [
        SigningDomain::Besu,
        bound(),
        SigningDomain::ChainBound { chain_id: 78, genesis_hash: B256::repeat_byte(9) },
    ];
    let proposal = Network::new(4, bound).proposal(2, Some(1));
    let check = |domain| proposed(&Network::new(4, domain), &proposal);
    assert!(check(bound).is_ok());
    assert!(check(besu).is_err());
    assert!(check(other).is_err());
}

#[test]
fn the_domain_holds_inside_of_certificates() {
    let bound = Network::new(4, bound());
    // Everything but one certificate's Prepares is signed in the right domain.
    let foreign = four().prepared(1);
    let mut certificate = bound.prepared(1);
    certificate.prepares = foreign.prepares;
    let entries: Vec<Signed<_>> =
        (0..3).map(|who| bound.round_change_payload(who, 2, Some(certificate.clone()))).collect();
    let result = validate_round_change_certificate(&entries, id(2), &bound.context(), &CRYPTO);
    assert!(matches!(result, Err(CertificateError::Outsider { .. })), "{result:?}");
}

// Cost.

/// Counts recoveries.
#[derive(Default)]
struct Counting(Cell<usize>);

impl Crypto for Counting {
    fn recover(&self, hash: &B256, signature: &Signature65) -> Option<Address> {
        self.0.set(self.0.get() + 1);
        CRYPTO.recover(hash, signature)
    }
}

#[test]
fn equal_signatures_are_recovered_once() {
    let network = Network::new(10, SigningDomain::Besu);
    let proposal = network.proposal_of(2, Some(1), 10, 9);
    let counting = Counting::default();
    validate_proposal(&proposal, &network.context(), &counting).unwrap();
    // The proposal, 10 RoundChanges, and once the proposal and the 9 Prepares of the certificates.
    assert_eq!(counting.0.get(), 1 + 10 + 1 + 9);
}

#[test]
fn lists_longer_than_the_set_cost_no_recovery() {
    let network = four();
    let mut proposal = network.proposal(1, None);
    let entries = proposal.round_changes.as_mut().unwrap();
    *entries = vec![entries[0].clone(); 1_000];
    let counting = Counting::default();
    assert!(validate_justification(&proposal, &network.context(), &counting).is_err());
    let mut certificate = network.prepared(1);
    certificate.prepares = vec![certificate.prepares[0]; 1_000];
    assert!(validate_prepared(&certificate, 3, &network.context(), &counting).is_err());
    assert_eq!(counting.0.get(), 0);
}
