//! C9 consensus: decoding and verifying a Proposal with a full certificate of 10 validators, against
//! the bare signature recoveries that this needs.
//!
//! Every validator was prepared in round 0 and every other validator's Prepare is in its certificate:
//! 111 signatures, 21 of them different. The certificates repeat the same Proposal and Prepares, so
//! 21 recoveries are what the verification cannot do without.

#![allow(missing_docs)]

use alloy_consensus::{Header, crypto::secp256k1::sign_message};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use criterion::{Criterion, criterion_group, criterion_main};
use peruri_ibft2::{
    Block, Crypto, DecodeLimits, Dialect, HeightContext, Message, Payload, PreparePayload,
    PreparedCertificate, Proposal, ProposalPayload, RoundChangePayload, RoundId, Seal, SealDigest,
    Secp256k1Crypto, Signature65, Signed, SigningDomain, ValidatorSet,
    certificates::validate_proposal,
    sealing::{prepare_header, unsealed_extra_data},
};
use std::{cell::RefCell, collections::BTreeSet, hint::black_box, sync::Arc};

const VALIDATORS: u8 = 10;
const HEIGHT: u64 = 100;
const DOMAIN: SigningDomain =
    SigningDomain::ChainBound { chain_id: 7251, genesis_hash: B256::repeat_byte(9) };

fn sign(key: B256, hash: B256) -> Signature65 {
    Seal::try_from(sign_message(key, hash).expect("signed")).expect("in range").into()
}

fn signed<P: Payload>(key: B256, payload: P) -> Signed<P> {
    let signature = sign(key, DOMAIN.signing_hash(&payload));
    Signed::new(payload, signature)
}

fn address(key: B256) -> Address {
    Secp256k1Crypto.recover(&key, &sign(key, key)).expect("a key")
}

/// The keys in the order of their addresses, so that key `r` proposes round `r` on a parent with the
/// coinbase zero.
fn keys() -> Vec<B256> {
    let mut keys: Vec<B256> = (0..VALIDATORS).map(|byte| keccak256([byte])).collect();
    keys.sort_by_key(|key| address(*key));
    keys
}

fn block(set: &ValidatorSet, round: u32) -> (Arc<Block>, SealDigest) {
    let header = Header {
        number: HEIGHT,
        gas_limit: 30_000_000,
        timestamp: 1_700_000_000,
        beneficiary: set.as_slice()[0],
        base_fee_per_gas: Some(0),
        ..Header::default()
    };
    let header = prepare_header(header, unsealed_extra_data(B256::ZERO, set, None, round));
    let block = Block { header, body: Block::EMPTY_BODY };
    let digest = block.digest().expect("extra data");
    (Arc::new(block), digest)
}

/// The Proposal of round 1 in which all were prepared in round 0.
fn proposal(keys: &[B256], set: &ValidatorSet) -> Message {
    let (prepared, next) = (RoundId::new(HEIGHT, 0), RoundId::new(HEIGHT, 1));
    let (_, digest) = block(set, 0);
    let certificate = Arc::new(PreparedCertificate {
        proposal: signed(keys[0], ProposalPayload { id: prepared, digest }),
        prepares: keys[1..]
            .iter()
            .map(|key| signed(*key, PreparePayload { id: prepared, digest }))
            .collect(),
    });
    let round_changes = keys
        .iter()
        .map(|key| {
            let certificate = Some(Arc::clone(&certificate));
            signed(*key, RoundChangePayload { id: next, certificate })
        })
        .collect();
    let (block, digest) = block(set, 1);
    Message::Proposal(Proposal {
        signed: signed(keys[1], ProposalPayload { id: next, digest }),
        block,
        round_changes: Some(round_changes),
    })
}

/// Recovers, and writes down what.
#[derive(Default)]
struct Recording(RefCell<BTreeSet<(B256, [u8; 65])>>);

impl Crypto for Recording {
    fn recover(&self, hash: &B256, signature: &Signature65) -> Option<Address> {
        self.0.borrow_mut().insert((*hash, *signature.as_bytes()));
        Secp256k1Crypto.recover(hash, signature)
    }
}

fn decode_and_verify(wire: &Bytes, set: &ValidatorSet, crypto: &impl Crypto) -> Address {
    let limits = DecodeLimits::for_validators(set.len());
    let message = Message::from_wire(wire, &limits).expect("decodes");
    let Message::Proposal(proposal) = message else { panic!("a Proposal") };
    let ctx = HeightContext::new(HEIGHT, set, Address::ZERO, &DOMAIN);
    validate_proposal(&proposal, &ctx, crypto).expect("valid")
}

fn full_certificate(criterion: &mut Criterion) {
    assert_eq!(peruri_primitives::assert_libsecp256k1(), Ok(()), "the implementation measured");
    let keys = keys();
    let set: ValidatorSet = keys.iter().map(|key| address(*key)).collect();
    let wire = proposal(&keys, &set).to_wire(Dialect::V26);
    let recording = Recording::default();
    decode_and_verify(&wire, &set, &recording);
    let needed: Vec<(B256, Signature65)> = recording
        .0
        .into_inner()
        .into_iter()
        .map(|(hash, bytes)| (hash, Signature65::new(bytes).expect("in range")))
        .collect();
    assert_eq!(needed.len(), 21);

    let name = format!("C9 Proposal with a full certificate of 10, {} bytes", wire.len());
    let mut group = criterion.benchmark_group(name);
    group.bench_function("bare recoveries (21)", |bencher| {
        bencher.iter(|| {
            for (hash, signature) in &needed {
                black_box(Secp256k1Crypto.recover(hash, signature).expect("a signer"));
            }
        });
    });
    group.bench_function("decode and verify", |bencher| {
        bencher.iter(|| black_box(decode_and_verify(&wire, &set, &Secp256k1Crypto)));
    });
    group.bench_function("decode", |bencher| {
        let limits = DecodeLimits::for_validators(set.len());
        bencher.iter(|| black_box(Message::from_wire(&wire, &limits).expect("decodes")));
    });
    group.finish();
}

criterion_group!(benches, full_certificate);
criterion_main!(benches);
