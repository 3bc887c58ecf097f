//! What the sign state lets a validator sign, and its bytes.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use alloy_primitives::{Address, B256};
use common::{HEIGHT, Network, bound, decoding::mutate, id};
use peruri_ibft2::{
    BlockHash, CommitPayload, Equivocation, MessageKind, PreparePayload, ProposalPayload,
    RoundChangePayload, RoundId, SealDigest, Secp256k1Crypto, SignedPayload,
    sign_state::{Mark, SignRecord, SignRefused, StoredCertificate, StoredProposal},
};
use proptest::prelude::*;

const A: SealDigest = SealDigest(B256::repeat_byte(0xa));
const B: SealDigest = SealDigest(B256::repeat_byte(0xb));
const GENESIS: B256 = B256::repeat_byte(9);

static NETWORK: LazyLock<Network> = LazyLock::new(|| Network::new(4, bound()));

fn local() -> Address {
    NETWORK.address(1)
}

fn first() -> SignRecord {
    SignRecord::first(GENESIS, local())
}

fn certificate(round: u32) -> StoredCertificate {
    let certificate = Arc::new(NETWORK.prepared(round));
    StoredCertificate { certificate, block: NETWORK.block(round, round).hash() }
}

/// Has validator 1 sign a message, and puts it into the record.
fn sign(
    record: &mut SignRecord,
    id: RoundId,
    kind: MessageKind,
    digest: SealDigest,
    prepared: Option<u32>,
) -> Result<(), SignRefused> {
    let certificate = prepared.map(certificate);
    match kind {
        MessageKind::Proposal => record.put_proposal(StoredProposal {
            signed: NETWORK.sign(1, ProposalPayload { id, digest }),
            round_changes: (id.round > 0).then(|| vec![NETWORK.round_change_payload(2, 1, None)]),
            block: BlockHash(digest.0),
        }),
        MessageKind::Prepare => record.put_prepare(NETWORK.sign(1, PreparePayload { id, digest })),
        MessageKind::Commit => {
            let seal = common::seal(NETWORK.keys[1], digest);
            record.put_commit(NETWORK.sign(1, CommitPayload { id, digest, seal }), certificate)
        }
        MessageKind::RoundChange => {
            let inner = certificate.as_ref().map(|it| it.certificate.clone());
            let payload = RoundChangePayload { id, certificate: inner };
            record.put_round_change(NETWORK.sign(1, payload), certificate)
        }
    }
}

fn put(record: &mut SignRecord, round: u32, kind: MessageKind) -> Result<(), SignRefused> {
    sign(record, id(round), kind, A, None)
}

#[test]
fn height_and_round_never_fall() {
    let mut record = first();
    put(&mut record, 2, MessageKind::RoundChange).unwrap();
    for kind in MessageKind::ALL {
        let refused = SignRefused::Falls { newest: id(2), got: id(1) };
        assert_eq!(put(&mut record, 1, kind), Err(refused));
        let lower = RoundId::new(HEIGHT - 1, 9);
        let refused = SignRefused::Falls { newest: id(2), got: lower };
        assert_eq!(sign(&mut record, lower, kind, A, None), Err(refused));
    }
    assert_eq!(record.position(), id(2));
    assert_eq!(record.messages().len(), 1);
}

#[test]
fn each_kind_is_signed_once_in_a_round() {
    let mut record = first();
    for kind in MessageKind::ALL {
        put(&mut record, 1, kind).unwrap();
        let refused = SignRefused::Twice { id: id(1), kind };
        assert_eq!(put(&mut record, 1, kind), Err(refused));
    }
    assert_eq!(record.messages().len(), 4);
    put(&mut record, 2, MessageKind::Prepare).unwrap();
    assert_eq!(record.messages().len(), 1);
}

#[test]
fn one_digest_in_a_round_in_whatever_order() {
    use MessageKind::{Commit, Prepare, Proposal};
    for (one, other) in [
        (Proposal, Prepare),
        (Proposal, Commit),
        (Prepare, Proposal),
        (Prepare, Commit),
        (Commit, Proposal),
        (Commit, Prepare),
    ] {
        let mut record = first();
        sign(&mut record, id(1), one, A, None).unwrap();
        assert_eq!(
            sign(&mut record, id(1), other, B, None),
            Err(SignRefused::OtherDigest { id: id(1), signed: A, got: B })
        );
        sign(&mut record, id(1), other, A, None).unwrap();
        sign(&mut record, id(2), other, B, None).unwrap();
    }
}

#[test]
fn what_is_permitted_is_what_can_be_put() {
    let mut record = first();
    sign(&mut record, id(1), MessageKind::Prepare, A, None).unwrap();
    for round in [0, 1, 2] {
        for kind in MessageKind::ALL {
            for digest in [A, B] {
                let said = (kind != MessageKind::RoundChange).then_some(digest);
                let permitted = record.permits(id(round), kind, said);
                let put = sign(&mut record.clone(), id(round), kind, digest, None);
                assert_eq!(permitted, put, "{round} {kind:?} {digest}");
            }
        }
    }
}

#[test]
fn the_highest_certificate_of_the_height_is_kept() {
    let mut record = first();
    sign(&mut record, id(1), MessageKind::Commit, A, Some(1)).unwrap();
    sign(&mut record, id(2), MessageKind::RoundChange, A, Some(0)).unwrap();
    assert_eq!(record.certificate(), Some(&certificate(1)));
    sign(&mut record, id(2), MessageKind::Commit, A, Some(2)).unwrap();
    assert_eq!(record.certificate(), Some(&certificate(2)));
    assert_eq!(record.blocks(), [certificate(2).block]);

    let next = RoundId::new(HEIGHT + 1, 0);
    sign(&mut record, next, MessageKind::Prepare, A, None).unwrap();
    assert_eq!((record.certificate(), record.blocks()), (None, vec![]));
    // One of another height is not taken.
    record.put_certificate(Some(certificate(0)));
    assert_eq!(record.certificate(), None);
}

#[test]
fn first_records_and_released_ones() {
    let record = first();
    assert!(record.is_first());
    let released = SignRecord::released(GENESIS, local(), id(3), 17);
    assert!(!released.is_first());
    assert_eq!((released.sequence, released.position()), (17, id(3)));
    assert!(released.permits(id(2), MessageKind::Prepare, Some(A)).is_err());

    // Marks up to the released height are void.
    let mark =
        |id| Mark::new(SignedPayload::Prepare(NETWORK.sign(1, PreparePayload { id, digest: A })));
    assert!(!released.is_below(&mark(id(9))));
    assert!(released.is_below(&mark(RoundId::new(HEIGHT + 1, 0))));
}

#[test]
fn a_record_is_below_what_it_does_not_hold() {
    let mut record = first();
    sign(&mut record, id(1), MessageKind::Prepare, A, None).unwrap();
    sign(&mut record, id(1), MessageKind::RoundChange, A, Some(0)).unwrap();
    let mark = |id, digest| {
        let seal = common::seal(NETWORK.keys[1], digest);
        [
            SignedPayload::Proposal(NETWORK.sign(1, ProposalPayload { id, digest })),
            SignedPayload::Prepare(NETWORK.sign(1, PreparePayload { id, digest })),
            SignedPayload::Commit(NETWORK.sign(1, CommitPayload { id, digest, seal })),
        ]
        .map(Mark::new)
    };
    for old in mark(id(0), B) {
        assert!(!record.is_below(&old));
    }
    for new in mark(id(2), A).into_iter().chain(mark(RoundId::new(HEIGHT + 1, 0), A)) {
        assert!(record.is_below(&new));
    }
    // Of the own round only the Prepare for A is there: a record of before the Commit was restored.
    assert_eq!(mark(id(1), A).map(|mark| record.is_below(&mark)), [true, false, true]);
    assert_eq!(mark(id(1), B).map(|mark| record.is_below(&mark)), [true; 3]);
    let changed = |prepared: Option<u32>| {
        let certificate = prepared.map(|round| NETWORK.certificate(round, round, 3));
        let signed = NETWORK.round_change_payload(1, 1, certificate);
        record.is_below(&Mark::new(SignedPayload::RoundChange(signed)))
    };
    // Which Prepares stand in a certificate does not matter.
    assert_eq!([changed(Some(0)), changed(None)], [false, true]);
}

#[test]
fn starting_over_forgets_and_never_falls() {
    let mut record = first();
    sign(&mut record, id(1), MessageKind::Commit, A, Some(1)).unwrap();
    record.start_over(id(0));
    assert_eq!(record.messages().len(), 1);
    let position = RoundId::new(HEIGHT, u32::MAX);
    record.start_over(position);
    assert_eq!(record.position(), position);
    assert!(record.messages().is_empty() && record.certificate().is_none());
    assert!(record.permits(id(7), MessageKind::Commit, Some(A)).is_err());
}

#[test]
fn marks_rise_by_height_round_and_kind() {
    let network = &*NETWORK;
    let who = network.address(2);
    let order = [
        SignedPayload::RoundChange(network.round_change_payload(2, 1, None)),
        SignedPayload::Prepare(network.prepare(2, 1, A)),
        SignedPayload::Commit(network.commit(2, 1, A)),
        SignedPayload::RoundChange(network.round_change_payload(2, 2, None)),
        SignedPayload::Prepare(
            network.sign(2, PreparePayload { id: RoundId::new(HEIGHT + 1, 0), digest: A }),
        ),
    ];
    let mut record = first();
    for message in &order {
        record.note_mark(who, message.clone());
        assert_eq!(record.marks()[&who].message(), message);
        for lower in &order {
            record.note_mark(who, lower.clone());
            if lower == message {
                break;
            }
        }
        assert_eq!(record.marks()[&who].message(), message);
    }
    let mark = &record.marks()[&who];
    assert!(mark.is_signed_by(who, &Secp256k1Crypto, &network.domain));
    assert!(!mark.is_signed_by(local(), &Secp256k1Crypto, &network.domain));
    record.retain_marks(|author| *author != who);
    assert!(record.marks().is_empty());
}

// Any order of attempts.

type Attempt = (u64, u32, usize, bool, Option<u32>);

fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let attempt = (0u64..2, 0u32..4, 0usize..4, any::<bool>(), proptest::option::of(0u32..3));
    proptest::collection::vec(attempt, 0..25)
}

/// Makes the attempts; returns the record and all that was signed in it.
fn attempted(attempts: &[Attempt]) -> (SignRecord, Vec<SignedPayload>) {
    let mut record = first();
    let mut signed = Vec::new();
    for &(height, round, kind, other, prepared) in attempts {
        let id = RoundId::new(HEIGHT + height, round);
        let kind = MessageKind::ALL[kind];
        if sign(&mut record, id, kind, if other { B } else { A }, prepared).is_ok() {
            let newest = record.messages().into_iter().find(|message| message.kind() == kind);
            signed.push(newest.unwrap());
            record.sequence += 1;
        }
    }
    record.note_mark(NETWORK.address(3), SignedPayload::Commit(NETWORK.commit(3, 2, B)));
    (record, signed)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_is_signed_contradicts_anything(attempts in attempts()) {
        let (_, signed) = attempted(&attempts);
        let mut digests: BTreeMap<RoundId, BTreeSet<SealDigest>> = BTreeMap::new();
        for (index, message) in signed.iter().enumerate() {
            digests.entry(message.id()).or_default().extend(message.digest());
            for later in &signed[index + 1..] {
                prop_assert!(message.id() <= later.id());
                prop_assert_eq!(Equivocation::between(local(), message, later), None);
                prop_assert!(message.id() != later.id() || message.kind() != later.kind());
            }
        }
        prop_assert!(digests.values().all(|digests| digests.len() <= 1));
    }

    #[test]
    fn records_round_trip(attempts in attempts()) {
        let (record, _) = attempted(&attempts);
        prop_assert_eq!(SignRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn what_decodes_is_canonical(attempts in attempts(), seeds in any::<[u64; 64]>()) {
        let bytes = attempted(&attempts).0.encode();
        for seed in seeds {
            let mutated = mutate(&bytes, &bytes, seed);
            if let Ok(record) = SignRecord::decode(&mutated) {
                prop_assert_eq!(record.encode().to_vec(), mutated);
            }
        }
    }
}
