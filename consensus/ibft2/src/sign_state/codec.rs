//! The bytes of a record.
//!
//! One RLP list: sequence, genesis hash, validator, height, round, released height; then, each as a
//! byte string that is empty if there is none: Proposal (list of signed payload, list of
//! RoundChanges or empty string, block hash), Prepare, Commit, RoundChange, certificate (list of
//! certificate and block hash); then the list of marks (validator, signed payload). Signed payloads
//! are byte strings of code and RLP. Sequence number and checksum of the slot are the store's.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};

use super::{
    mark::Mark,
    record::{SignRecord, StoredCertificate, StoredProposal},
};
use crate::{
    hash::BlockHash,
    messages::{
        CommitPayload, DecodeError, DecodeLimits, PreparePayload, PreparedCertificate,
        RoundChangePayload, RoundId, Signed, SignedPayload,
    },
};

/// A record is no message: its length is bounded by what was signed.
const LIMITS: DecodeLimits = DecodeLimits::DEFAULT;

#[derive(RlpEncodable, RlpDecodable)]
struct RecordRlp {
    sequence: u64,
    genesis_hash: B256,
    validator: Address,
    height: u64,
    round: u32,
    released: u64,
    proposal: Bytes,
    prepare: Bytes,
    commit: Bytes,
    round_change: Bytes,
    certificate: Bytes,
    marks: Vec<MarkRlp>,
}

#[derive(RlpEncodable, RlpDecodable)]
struct MarkRlp {
    validator: Address,
    message: Bytes,
}

#[derive(RlpEncodable, RlpDecodable)]
struct ProposalRlp {
    signed: Bytes,
    has_round_changes: bool,
    round_changes: Vec<Bytes>,
    block: B256,
}

#[derive(RlpEncodable, RlpDecodable)]
struct CertificateRlp {
    certificate: Bytes,
    block: B256,
}

impl SignRecord {
    /// The bytes of the record.
    pub fn encode(&self) -> Bytes {
        let optional = |message: Option<SignedPayload>| {
            message.map(|message| message.encode()).unwrap_or_default()
        };
        let marks = self
            .marks
            .iter()
            .map(|(validator, mark)| MarkRlp {
                validator: *validator,
                message: mark.message().encode(),
            })
            .collect();
        let rlp = RecordRlp {
            sequence: self.sequence,
            genesis_hash: self.genesis_hash,
            validator: self.validator,
            height: self.position.height,
            round: self.position.round,
            released: self.released,
            proposal: self.proposal.as_ref().map(encode_proposal).unwrap_or_default(),
            prepare: optional(self.prepare.map(SignedPayload::Prepare)),
            commit: optional(self.commit.map(SignedPayload::Commit)),
            round_change: optional(self.round_change.clone().map(SignedPayload::RoundChange)),
            certificate: self.certificate.as_ref().map(encode_certificate).unwrap_or_default(),
            marks,
        };
        alloy_rlp::encode(rlp).into()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`RecordError`] for anything else: the record is damaged.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, RecordError> {
        let rlp: RecordRlp = whole(&mut bytes)?;
        let mut this = Self::first(rlp.genesis_hash, rlp.validator);
        this.sequence = rlp.sequence;
        this.position = RoundId::new(rlp.height, rlp.round);
        this.released = rlp.released;
        this.proposal = decode_optional(&rlp.proposal, decode_proposal)?;
        this.prepare = decode_optional(&rlp.prepare, decode_prepare)?;
        this.commit = decode_optional(&rlp.commit, decode_commit)?;
        this.round_change = decode_optional(&rlp.round_change, decode_round_change)?;
        this.certificate = decode_optional(&rlp.certificate, decode_certificate)?;
        let mut marks = BTreeMap::new();
        for mark in rlp.marks {
            let message = SignedPayload::decode(&mark.message, &LIMITS)?;
            marks.insert(mark.validator, Mark::new(message));
        }
        this.marks = marks;
        this.check_positions()?;
        Ok(this)
    }

    /// What was signed is of the record's round, the certificate of its height.
    fn check_positions(&self) -> Result<(), RecordError> {
        if self.messages().iter().any(|message| message.id() != self.position) {
            return Err(RecordError::Position);
        }
        let certificate = self.certificate.as_ref().map(|it| it.certificate.id());
        if certificate.is_some_and(|id| id.height != self.position.height) {
            return Err(RecordError::Position);
        }
        Ok(())
    }
}

fn encode_proposal(proposal: &StoredProposal) -> Bytes {
    let encode =
        |signed: &Signed<RoundChangePayload>| SignedPayload::RoundChange(signed.clone()).encode();
    let rlp = ProposalRlp {
        signed: SignedPayload::Proposal(proposal.signed).encode(),
        has_round_changes: proposal.round_changes.is_some(),
        round_changes: proposal.round_changes.iter().flatten().map(encode).collect(),
        block: proposal.block.0,
    };
    alloy_rlp::encode(rlp).into()
}

fn encode_certificate(certificate: &StoredCertificate) -> Bytes {
    let mut bytes = Vec::with_capacity(certificate.certificate.length());
    certificate.certificate.encode(&mut bytes);
    let rlp = CertificateRlp { certificate: bytes.into(), block: certificate.block.0 };
    alloy_rlp::encode(rlp).into()
}

fn decode_optional<T>(
    bytes: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, RecordError>,
) -> Result<Option<T>, RecordError> {
    if bytes.is_empty() { Ok(None) } else { decode(bytes).map(Some) }
}

/// Reads a value that takes all of the bytes.
fn whole<T: Decodable>(bytes: &mut &[u8]) -> Result<T, RecordError> {
    let value = T::decode(bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(RecordError::Trailing { bytes: bytes.len() }) }
}

fn decode_proposal(mut bytes: &[u8]) -> Result<StoredProposal, RecordError> {
    let rlp: ProposalRlp = whole(&mut bytes)?;
    let SignedPayload::Proposal(signed) = SignedPayload::decode(&rlp.signed, &LIMITS)? else {
        return Err(RecordError::Kind);
    };
    let round_changes = rlp
        .round_changes
        .iter()
        .map(|bytes| decode_round_change(bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let round_changes = rlp.has_round_changes.then_some(round_changes);
    Ok(StoredProposal { signed, round_changes, block: BlockHash(rlp.block) })
}

fn decode_certificate(mut bytes: &[u8]) -> Result<StoredCertificate, RecordError> {
    let rlp: CertificateRlp = whole(&mut bytes)?;
    let mut inner = rlp.certificate.as_ref();
    let certificate = Arc::new(PreparedCertificate::decode(&mut inner, &LIMITS)?);
    if !inner.is_empty() {
        return Err(RecordError::Trailing { bytes: inner.len() });
    }
    Ok(StoredCertificate { certificate, block: BlockHash(rlp.block) })
}

fn decode_prepare(bytes: &[u8]) -> Result<Signed<PreparePayload>, RecordError> {
    match SignedPayload::decode(bytes, &LIMITS)? {
        SignedPayload::Prepare(signed) => Ok(signed),
        _ => Err(RecordError::Kind),
    }
}

fn decode_commit(bytes: &[u8]) -> Result<Signed<CommitPayload>, RecordError> {
    match SignedPayload::decode(bytes, &LIMITS)? {
        SignedPayload::Commit(signed) => Ok(signed),
        _ => Err(RecordError::Kind),
    }
}

fn decode_round_change(bytes: &[u8]) -> Result<Signed<RoundChangePayload>, RecordError> {
    match SignedPayload::decode(bytes, &LIMITS)? {
        SignedPayload::RoundChange(signed) => Ok(signed),
        _ => Err(RecordError::Kind),
    }
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Malformed RLP.
    #[error("record: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    /// A signed payload does not decode.
    #[error("record: {0}")]
    Message(#[from] DecodeError),
    /// A signed payload of another kind than its place is for.
    #[error("record: a message of another kind")]
    Kind,
    /// A signed payload of another round, or a certificate of another height.
    #[error("record: a message of another round or height")]
    Position,
    /// Bytes follow the record.
    #[error("record: {bytes} bytes after the end")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}
