//! Any bytes: no panic, no memory beyond twice the input, and what decodes encodes to the same.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

mod common;

use std::sync::LazyLock;

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Encodable, Header};
use common::{
    Network,
    decoding::{CODES, Counting, check_payload, check_wire, mutate},
};
use peruri_ibft2::{
    DecodeError, DecodeLimits, Dialect, Message, MessageKind, Proposal, Secp256k1Crypto, Signed,
    SignedPayload, SigningDomain,
};
use proptest::{prelude::*, sample::Index};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Encoded messages of all shapes, in both dialects.
static CORPUS: LazyLock<Vec<Bytes>> = LazyLock::new(|| {
    let mut corpus = Vec::new();
    for n in [1, 2, 4, 7] {
        let network = Network::new(n, SigningDomain::Besu);
        for message in network.messages() {
            corpus.extend([Dialect::V25, Dialect::V26].map(|dialect| message.to_wire(dialect)));
        }
    }
    corpus
});

fn pick(index: &Index) -> &'static Bytes {
    index.get(CORPUS.as_slice())
}

fn limits() -> DecodeLimits {
    DecodeLimits::DEFAULT
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes(code in 0u8..5, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut wire = vec![code];
        wire.extend(bytes);
        check_wire(&wire);
    }

    /// Lists in lists with true lengths come further than random bytes.
    #[test]
    fn any_rlp(code in 0u8..4, rlp in rlp_item()) {
        let mut wire = vec![code];
        wire.extend(rlp);
        check_wire(&wire);
    }

    #[test]
    fn mutated_messages(which in any::<Index>(), with in any::<Index>(), seed in any::<u64>()) {
        let other = pick(&with);
        check_wire(&mutate(pick(&which), other, seed));
    }

    #[test]
    fn mutated_payloads(which in any::<Index>(), with in any::<Index>(), seed in any::<u64>()) {
        let payload = |index: &Index| {
            Message::from_wire(pick(index), &limits()).unwrap().signed_payload().encode()
        };
        check_payload(&mutate(&payload(&which), &payload(&with), seed));
    }

    #[test]
    fn truncated_messages(which in any::<Index>(), at in any::<Index>()) {
        let wire = pick(&which);
        let cut = &wire[..at.index(wire.len())];
        prop_assert!(Message::from_wire(cut, &limits()).is_err());
        check_wire(cut);
    }
}

/// RLP with at most four levels.
fn rlp_item() -> impl Strategy<Value = Vec<u8>> {
    let string = prop_oneof![
        Just(0usize),
        Just(1),
        Just(4),
        Just(8),
        Just(20),
        Just(32),
        Just(65),
        Just(256),
        0usize..70
    ]
    .prop_flat_map(|length| proptest::collection::vec(any::<u8>(), length))
    .prop_map(|bytes| alloy_rlp::encode(bytes.as_slice()));
    string.prop_recursive(4, 64, 8, |item| {
        proptest::collection::vec(item, 0..8).prop_map(|items| list(&items.concat()))
    })
}

fn list(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(payload);
    out
}

#[test]
fn the_corpus_decodes_within_bounds() {
    for wire in CORPUS.iter() {
        assert!(Message::from_wire(wire, &limits()).is_ok());
        check_wire(wire);
    }
    assert_eq!(CODES, [0, 1, 2, 3].map(|code| MessageKind::from_code(code).unwrap().code()));
}

#[test]
fn many_small_entries_stay_within_twice_the_input() {
    // The entries with the least bytes for their memory, as many as are allowed.
    let network = Network::new(4, SigningDomain::Besu);
    let mut proposal = network.proposal(1, None);
    let entry = network.round_change_payload(1, 1, None);
    proposal.round_changes = Some(vec![entry; limits().entries]);
    check_wire(&Message::Proposal(proposal.clone()).to_wire(Dialect::V26));
    let mut certificate = network.prepared(0);
    certificate.prepares = vec![certificate.prepares[0]; limits().entries];
    let entry = network.round_change_payload(1, 1, Some(certificate));
    proposal.round_changes = Some(vec![entry; 20]);
    check_wire(&Message::Proposal(proposal).to_wire(Dialect::V26));
}

#[test]
fn lists_of_tiny_items_allocate_nothing() {
    // 1,000 items of a byte in the place of RoundChanges, and of Prepares.
    let network = Network::new(4, SigningDomain::Besu);
    let tiny = list(&[0x80; 1_000]);
    let mut proposal = network.first_proposal();
    proposal.round_changes = Some(Vec::new());
    let wire = Message::Proposal(proposal).to_wire(Dialect::V25);
    // The certificate, a list of an empty list, is the last element.
    let (code, rlp) = wire.split_first().unwrap();
    let mut content = rlp;
    let mut payload = Header::decode_bytes(&mut content, true).unwrap().to_vec();
    assert_eq!(payload.split_off(payload.len() - 2), [0xc1, 0xc0]);
    payload.extend(list(&tiny));
    assert!(!check_wire(&[&[*code][..], &list(&payload)].concat()));

    let proposal = alloy_rlp::encode(network.signed_proposal(0, &network.block(0, 0)));
    let certificate = list(&[proposal, tiny].concat());
    let mut payload = vec![0x88, 0, 0, 0, 0, 0, 0, 0, 7, 0x84, 0, 0, 0, 1];
    payload.extend(certificate);
    let signature = alloy_rlp::encode([1u8; 65].as_slice());
    assert!(!check_payload(&[&[3][..], &list(&[list(&payload), signature].concat())].concat()));
}

#[test]
fn lists_are_counted_before_they_are_read() {
    let network = Network::new(4, SigningDomain::Besu);
    let proposal = |entries: usize| -> Proposal { network.proposal_of(2, Some(1), entries, 3) };
    let decode = |message: Message, entries| {
        let limits = DecodeLimits { entries, ..DecodeLimits::DEFAULT };
        Message::from_wire(&message.to_wire(Dialect::V26), &limits)
    };
    assert!(decode(Message::Proposal(proposal(4)), 4).is_ok());
    assert_eq!(
        decode(Message::Proposal(proposal(4)), 3),
        Err(DecodeError::TooMany { element: "RoundChanges", limit: 3, got: 4 })
    );
    assert_eq!(
        decode(Message::RoundChange(network.round_change(0, 1, Some(0))), 1),
        Err(DecodeError::TooMany { element: "Prepares", limit: 1, got: 2 })
    );
}

#[test]
fn long_messages_are_refused_by_their_length() {
    let wire = &CORPUS[0];
    let limits = DecodeLimits { message_bytes: wire.len() - 1, ..DecodeLimits::DEFAULT };
    let error = DecodeError::TooLong { limit: wire.len() - 1, got: wire.len() };
    assert_eq!(Message::from_wire(wire, &limits), Err(error.clone()));
    assert_eq!(SignedPayload::decode(wire, &limits), Err(error));
}

#[test]
fn a_block_access_list_is_refused_by_name() {
    let network = Network::new(4, SigningDomain::Besu);
    for message in [
        Message::Proposal(network.first_proposal()),
        Message::RoundChange(network.round_change(1, 1, Some(0))),
    ] {
        let rlp = message.encode(Dialect::V25);
        let mut content = rlp.as_ref();
        let mut payload = Header::decode_bytes(&mut content, true).unwrap().to_vec();
        [1u8, 2, 3].as_slice().encode(&mut payload);
        let error = Message::decode(message.kind().code(), &list(&payload), &limits());
        assert_eq!(error, Err(DecodeError::AccessList { bytes: 3 }));
    }
}

#[test]
fn names_of_refusals() {
    let decode = |bytes: &[u8]| Message::from_wire(bytes, &limits()).unwrap_err();
    assert_eq!(decode(&[]), DecodeError::Empty);
    assert_eq!(decode(&[4, 0xc0]), DecodeError::Code { got: 4 });
    assert!(matches!(decode(&[1]), DecodeError::Rlp { .. }));
    let wire = CORPUS.iter().find(|wire| wire[0] == 1).unwrap();
    let mut longer = wire.to_vec();
    longer.push(0x80);
    assert_eq!(decode(&longer), DecodeError::Trailing { element: "message", bytes: 1 });
}

#[test]
fn blocks_need_two_or_three_lists_after_the_header() {
    let network = Network::new(1, SigningDomain::Besu);
    let body = |body: &[u8]| {
        let mut proposal = network.first_proposal();
        std::sync::Arc::make_mut(&mut proposal.block).body = Bytes::copy_from_slice(body);
        Message::from_wire(&Message::Proposal(proposal).to_wire(Dialect::V26), &limits())
    };
    assert!(body(&[0xc0, 0xc0]).is_ok());
    assert!(body(&[0xc1, 0x80, 0xc0, 0xc0]).is_ok());
    assert_eq!(body(&[0xc0]), Err(DecodeError::Body { got: 1 }));
    assert_eq!(body(&[0xc0; 4]), Err(DecodeError::Body { got: 4 }));
    assert!(matches!(body(&[0xc0, 0x80]), Err(DecodeError::Rlp { element: "block body", .. })));
}

#[test]
fn signed_payloads_round_trip() {
    let network = Network::new(4, SigningDomain::Besu);
    for (index, message) in network.messages().iter().enumerate() {
        let payload = message.signed_payload();
        assert_eq!(payload.kind(), message.kind(), "{index}");
        assert_eq!(payload.id(), message.id());
        let author = message.author(&Secp256k1Crypto, &network.domain);
        assert_eq!(payload.author(&Secp256k1Crypto, &network.domain), author);
        assert_eq!(SignedPayload::decode(&payload.encode(), &limits()), Ok(payload));
    }
}

#[test]
fn high_s_is_normalised_when_signing_and_refused_when_read() {
    let network = Network::new(4, SigningDomain::Besu);
    let low = network.prepare(1, 0, Default::default());
    let high = common::flip(low.signature.into());
    assert_eq!(Signed::new(low.payload, high.into()), low);
    let signed = Signed { signature: high.into(), ..low };
    assert_eq!(signed.author(&Secp256k1Crypto, &network.domain), Some(network.address(1)));
    let wire = Message::Prepare(signed).to_wire(Dialect::V26);
    assert_eq!(Message::from_wire(&wire, &limits()), Err(DecodeError::HighS));
}

#[test]
fn domains_differ_in_every_part() {
    let payload = Network::new(1, SigningDomain::Besu).prepare(0, 0, Default::default()).payload;
    let mut hashes: Vec<B256> = [(1, 1), (1, 2), (2, 1)]
        .map(|(chain_id, byte)| SigningDomain::ChainBound {
            chain_id,
            genesis_hash: B256::repeat_byte(byte),
        })
        .iter()
        .chain([&SigningDomain::Besu])
        .map(|domain| domain.signing_hash(&payload))
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 4);
}
