//! The kinds that are about payloads and messages.

use std::collections::BTreeMap;

use alloy_consensus::crypto::secp256k1::{recover_signer_unchecked, sign_message};
use alloy_primitives::{Address, B256, Bytes};
use peruri_ibft2::{
    CommitPayload, DecodeLimits, Dialect, HeightContext, Message, MessageKind, Payload,
    PreparePayload, ProposalPayload, RoundChangePayload, Seal, SealDigest, Secp256k1Crypto, Signed,
    SigningDomain, ValidatorSet,
    certificates::{validate_commit_seal, validate_proposal, validate_round_change},
    crypto::Signature65,
    messages::first_codes,
};
use serde_json::Value;

use super::read::{address, bytes, hash, number, text};

fn address_of(key: B256) -> Address {
    let probe = B256::repeat_byte(1);
    recover_signer_unchecked(&sign_message(key, probe).unwrap(), probe).unwrap()
}

fn seal(key: B256, digest: SealDigest) -> Seal {
    Seal::try_from(sign_message(key, digest.0).unwrap()).unwrap()
}

fn sign_as<P: Payload>(key: B256, domain: &SigningDomain, payload: P) -> Signed<P> {
    let made = sign_message(key, domain.signing_hash(&payload)).unwrap();
    let signature = Signature65::from(Seal::try_from(made).unwrap());
    Signed::new(payload, signature)
}

fn kind(vector: &Value) -> MessageKind {
    MessageKind::from_code(u8::try_from(number(&vector["code"])).unwrap()).unwrap()
}

// One function per kind.

pub(super) fn payload(vector: &Value) {
    match kind(vector) {
        MessageKind::Proposal => payload_as::<ProposalPayload>(vector),
        MessageKind::Prepare => payload_as::<PreparePayload>(vector),
        MessageKind::Commit => payload_as::<CommitPayload>(vector),
        MessageKind::RoundChange => payload_as::<RoundChangePayload>(vector),
    }
}

fn payload_as<P: Payload>(vector: &Value) {
    let rlp = bytes(&vector["payload_rlp"]);
    let mut rest = rlp.as_ref();
    let payload = P::decode(&mut rest, &DecodeLimits::DEFAULT).unwrap();
    assert!(rest.is_empty());
    assert_eq!(alloy_rlp::encode(&payload), rlp);
    assert_eq!(payload.length(), rlp.len());
    let mut signed_bytes = vec![P::KIND.code()];
    signed_bytes.extend_from_slice(&rlp);
    assert_eq!(signed_bytes, bytes(&vector["signed_bytes"]));
    assert_eq!(SigningDomain::Besu.signing_hash(&payload), hash(&vector["signing_hash"]));
}

pub(super) fn message(vector: &Value) {
    let rlp = bytes(&vector["rlp"]);
    let code = kind(vector).code();
    let (message, dialect) =
        Message::decode_with_dialect(code, &rlp, &DecodeLimits::DEFAULT).unwrap();
    let expected = vector.get("dialect").map(|name| match text(name) {
        name if name.starts_with("<=25") => Dialect::V25,
        name if name.starts_with("26") => Dialect::V26,
        other => panic!("unknown dialect {other}"),
    });
    assert_eq!(dialect, expected);
    both_dialects(&message, dialect, &rlp);

    let author = address(&vector["author"]);
    assert_eq!(message.author(&Secp256k1Crypto, &SigningDomain::Besu), Some(author));
    assert_eq!(message.id().height, number(&vector["sequence"]));
    assert_eq!(u64::from(message.id().round), number(&vector["round"]));
    check(vector, &message).unwrap();
    fields(vector, &message);
    signed_again(vector, &message);
}

/// The message encodes to the same bytes, and in the other dialect to the same message.
fn both_dialects(message: &Message, dialect: Option<Dialect>, rlp: &Bytes) {
    let code = message.kind().code();
    for other in [Dialect::V25, Dialect::V26] {
        let encoded = message.encode(other);
        assert_eq!(encoded == *rlp, dialect.is_none_or(|dialect| dialect == other));
        assert_eq!(Message::decode(code, &encoded, &DecodeLimits::DEFAULT).as_ref(), Ok(message));
        let wire = message.to_wire(other);
        assert_eq!(Message::from_wire(&wire, &DecodeLimits::DEFAULT).as_ref(), Ok(message));
    }
}

fn fields(vector: &Value, message: &Message) {
    let (digest, signing_hash) = match message {
        Message::Proposal(proposal) => {
            assert_eq!(proposal.block.hash().0, hash(&vector["block_hash"]));
            let payload = &proposal.signed.payload;
            (Some(payload.digest), SigningDomain::Besu.signing_hash(payload))
        }
        Message::Prepare(signed) => {
            (Some(signed.payload.digest), SigningDomain::Besu.signing_hash(&signed.payload))
        }
        Message::Commit(signed) => {
            assert_eq!(signed.payload.seal.as_bytes()[..], bytes(&vector["commit_seal"])[..]);
            (Some(signed.payload.digest), SigningDomain::Besu.signing_hash(&signed.payload))
        }
        Message::RoundChange(change) => {
            let payload = &change.signed.payload;
            assert_eq!(
                payload.prepared_round().map(u64::from),
                vector.get("prepared_round").map(number)
            );
            let digest = payload.certificate.as_ref().map(|certificate| certificate.digest());
            (digest, SigningDomain::Besu.signing_hash(payload))
        }
    };
    assert_eq!(digest.map(|digest| digest.0), vector.get("digest").map(hash));
    assert_eq!(signing_hash, hash(&vector["signing_hash"]));
}

/// Signing with the published test key of the author gives the same message (RFC 6979, low s).
fn signed_again(vector: &Value, message: &Message) {
    let author = address(&vector["author"]);
    let mut keys = vector["keys"].as_array().unwrap().iter().map(hash);
    let key = keys.find(|key| address_of(*key) == author).unwrap();
    let domain = SigningDomain::Besu;
    let mut again = message.clone();
    match &mut again {
        Message::Proposal(it) => it.signed = sign_as(key, &domain, it.signed.payload),
        Message::Prepare(signed) => *signed = sign_as(key, &domain, signed.payload),
        Message::Commit(signed) => {
            let payload =
                CommitPayload { seal: seal(key, signed.payload.digest), ..signed.payload };
            *signed = sign_as(key, &domain, payload);
        }
        Message::RoundChange(it) => {
            it.signed = sign_as(key, &domain, it.signed.payload.clone());
        }
    }
    assert_eq!(&again, message);
}

/// Whether a message is valid on the block 1 of the vectors, whose parent has the coinbase zero.
fn check(vector: &Value, message: &Message) -> Result<Address, String> {
    let validators: ValidatorSet =
        vector["validators"].as_array().unwrap().iter().map(address).collect();
    let ctx = HeightContext::new(1, &validators, Address::ZERO, &SigningDomain::Besu);
    let crypto = &Secp256k1Crypto;
    match message {
        Message::Proposal(proposal) => validate_proposal(proposal, &ctx, crypto),
        Message::Prepare(signed) => ctx.member(signed, crypto),
        Message::Commit(signed) => ctx.member(signed, crypto).and_then(|author| {
            validate_commit_seal(&signed.payload, author, crypto).map(|()| author)
        }),
        Message::RoundChange(change) => validate_round_change(change, &ctx, crypto),
    }
    .map_err(|error| error.to_string())
}

pub(super) fn message_invalid(vector: &Value) {
    assert_eq!(text(&vector["expect"]), "reject");
    let rlp = bytes(&vector["rlp"]);
    let error = Message::decode(kind(vector).code(), &rlp, &DecodeLimits::DEFAULT)
        .map_err(|error| error.to_string())
        .and_then(|message| check(vector, &message))
        .unwrap_err();
    eprintln!("  {}: {error}", text(&vector["why"]));
}

pub(super) fn wire_offsets(vector: &Value) {
    let capabilities: Vec<(&str, u64)> = vector["capabilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|capability| (text(&capability[0]), number(&capability[1])))
        .collect();
    let codes: BTreeMap<String, u64> = first_codes(&capabilities)
        .unwrap()
        .into_iter()
        .map(|((name, version), code)| (format!("{name}/{version}"), code))
        .collect();
    let expected: BTreeMap<String, u64> = vector["first_code"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, code)| (name.clone(), number(code)))
        .collect();
    assert_eq!(codes, expected);
    let ibf = &vector["ibf_codes"];
    for (name, kind) in [
        ("proposal", MessageKind::Proposal),
        ("prepare", MessageKind::Prepare),
        ("commit", MessageKind::Commit),
        ("round_change", MessageKind::RoundChange),
    ] {
        assert_eq!(codes["IBF/1"] + u64::from(kind.code()), number(&ibf[name]));
    }
}
