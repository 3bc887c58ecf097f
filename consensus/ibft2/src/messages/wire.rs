//! Messages as they are sent.

use core::num::NonZeroUsize;
use std::sync::Arc;

use alloy_primitives::{Address, Bytes};
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable, Header};

use super::{
    block::Block,
    error::DecodeError,
    payload::{
        CommitPayload, MessageKind, PreparePayload, ProposalPayload, RoundChangePayload, RoundId,
    },
    rlp,
    signed::{Signed, SigningDomain},
    signed_payload::SignedPayload,
};
use crate::crypto::Crypto;

/// The form of Proposal and RoundChange: without or with a last element for a block access list,
/// which is always empty here.
pub use crate::config::BesuDialect as Dialect;

/// Bytes of a signed RoundChange without a certificate.
const LEAST_ROUND_CHANGE: NonZeroUsize = NonZeroUsize::new(85).expect("not zero");

/// Bounds of decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of a message, its code included.
    pub message_bytes: usize,
    /// RoundChanges in a Proposal, and Prepares in each certificate. A valid message has at most as
    /// many as there are validators.
    pub entries: usize,
}

impl DecodeLimits {
    /// 16 MiB and 1,024 entries.
    pub const DEFAULT: Self = Self { message_bytes: 16 * 1024 * 1024, entries: 1_024 };

    /// The default length with at most `validators` entries.
    pub const fn for_validators(validators: usize) -> Self {
        Self { entries: validators, ..Self::DEFAULT }
    }

    pub(super) const fn check_length(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        if bytes.len() > self.message_bytes {
            return Err(DecodeError::TooLong { limit: self.message_bytes, got: bytes.len() });
        }
        Ok(())
    }
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The proposal of a block.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Proposal {
    /// What the proposer signed.
    pub signed: Signed<ProposalPayload>,
    /// The block; its `extraData` has the round of the message. Seals in it mean nothing.
    pub block: Arc<Block>,
    /// From round 1 on: the RoundChanges of a quorum, in the order in which the proposer got them.
    pub round_changes: Option<Vec<Signed<RoundChangePayload>>>,
}

/// The wish to enter a higher round.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoundChange {
    /// What the author signed.
    pub signed: Signed<RoundChangePayload>,
    /// The block of the certificate, with the round of the certificate in its `extraData`.
    pub block: Option<Arc<Block>>,
}

/// A consensus message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// Code 0.
    Proposal(Proposal),
    /// Code 1.
    Prepare(Signed<PreparePayload>),
    /// Code 2.
    Commit(Signed<CommitPayload>),
    /// Code 3.
    RoundChange(RoundChange),
}

impl Message {
    /// Which of the four it is.
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Proposal(_) => MessageKind::Proposal,
            Self::Prepare(_) => MessageKind::Prepare,
            Self::Commit(_) => MessageKind::Commit,
            Self::RoundChange(_) => MessageKind::RoundChange,
        }
    }

    /// Height and round; of a RoundChange the round it wants to enter.
    pub const fn id(&self) -> RoundId {
        match self {
            Self::Proposal(proposal) => proposal.signed.payload.id,
            Self::Prepare(signed) => signed.payload.id,
            Self::Commit(signed) => signed.payload.id,
            Self::RoundChange(round_change) => round_change.signed.payload.id,
        }
    }

    /// Recovers the author; see [`Signed::author`].
    pub fn author(&self, crypto: &impl Crypto, domain: &SigningDomain) -> Option<Address> {
        match self {
            Self::Proposal(proposal) => proposal.signed.author(crypto, domain),
            Self::Prepare(signed) => signed.author(crypto, domain),
            Self::Commit(signed) => signed.author(crypto, domain),
            Self::RoundChange(round_change) => round_change.signed.author(crypto, domain),
        }
    }

    /// What was signed, without the block.
    pub fn signed_payload(&self) -> SignedPayload {
        match self {
            Self::Proposal(proposal) => SignedPayload::Proposal(proposal.signed),
            Self::Prepare(signed) => SignedPayload::Prepare(*signed),
            Self::Commit(signed) => SignedPayload::Commit(*signed),
            Self::RoundChange(round_change) => {
                SignedPayload::RoundChange(round_change.signed.clone())
            }
        }
    }

    /// The block that the message carries.
    pub const fn block(&self) -> Option<&Arc<Block>> {
        match self {
            Self::Proposal(proposal) => Some(&proposal.block),
            Self::RoundChange(round_change) => round_change.block.as_ref(),
            Self::Prepare(_) | Self::Commit(_) => None,
        }
    }

    /// The RLP of the message, without its code.
    pub fn encode(&self, dialect: Dialect) -> Bytes {
        let mut out = Vec::with_capacity(self.length(dialect));
        self.encode_rlp(dialect, &mut out);
        out.into()
    }

    /// The message as one byte string: its code, then its RLP.
    pub fn to_wire(&self, dialect: Dialect) -> Bytes {
        let mut out = Vec::with_capacity(self.length(dialect).saturating_add(1));
        out.push(self.kind().code());
        self.encode_rlp(dialect, &mut out);
        out.into()
    }

    /// Reads what [`Self::encode`] wrote in either dialect.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that does not encode to the same bytes or exceeds `limits`.
    pub fn decode(code: u8, bytes: &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        Self::decode_with_dialect(code, bytes, limits).map(|(message, _)| message)
    }

    /// [`Self::decode`] that also tells the dialect; `None` for Prepare and Commit, which are the
    /// same in both.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_with_dialect(
        code: u8,
        bytes: &[u8],
        limits: &DecodeLimits,
    ) -> Result<(Self, Option<Dialect>), DecodeError> {
        limits.check_length(bytes)?;
        let mut rest = bytes;
        let buf = &mut rest;
        let decoded = match MessageKind::from_code(code)? {
            MessageKind::Proposal => {
                let (proposal, dialect) = Proposal::decode(buf, limits)?;
                (Self::Proposal(proposal), Some(dialect))
            }
            MessageKind::Prepare => (Self::Prepare(Signed::decode(buf, limits)?), None),
            MessageKind::Commit => (Self::Commit(Signed::decode(buf, limits)?), None),
            MessageKind::RoundChange => {
                let (round_change, dialect) = RoundChange::decode(buf, limits)?;
                (Self::RoundChange(round_change), Some(dialect))
            }
        };
        rlp::end(rest, "message")?;
        Ok(decoded)
    }

    /// Reads what [`Self::to_wire`] wrote in either dialect.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn from_wire(bytes: &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        limits.check_length(bytes)?;
        let (&code, rlp) = bytes.split_first().ok_or(DecodeError::Empty)?;
        Self::decode(code, rlp, limits)
    }

    fn length(&self, dialect: Dialect) -> usize {
        match self {
            Self::Proposal(proposal) => rlp::list_length(proposal.payload_length(dialect)),
            Self::Prepare(signed) => signed.length(),
            Self::Commit(signed) => signed.length(),
            Self::RoundChange(change) => rlp::list_length(change.payload_length(dialect)),
        }
    }

    fn encode_rlp(&self, dialect: Dialect, out: &mut dyn BufMut) {
        match self {
            Self::Proposal(proposal) => proposal.encode(dialect, out),
            Self::Prepare(signed) => signed.encode(out),
            Self::Commit(signed) => signed.encode(out),
            Self::RoundChange(round_change) => round_change.encode(dialect, out),
        }
    }
}

impl Proposal {
    fn decode(buf: &mut &[u8], limits: &DecodeLimits) -> Result<(Self, Dialect), DecodeError> {
        let mut fields = rlp::list(buf, "Proposal")?;
        let signed = Signed::decode(&mut fields, limits)?;
        let block = Arc::new(Block::decode(&mut fields)?);
        let round_changes = if rlp::absent(&mut fields) {
            None
        } else {
            let mut certificate = rlp::list(&mut fields, "RoundChangeCertificate")?;
            let entries = rlp::entries(
                &mut certificate,
                "RoundChanges",
                limits.entries,
                LEAST_ROUND_CHANGE,
                |entry| Signed::decode(entry, limits),
            )?;
            rlp::end(certificate, "RoundChangeCertificate")?;
            Some(entries)
        };
        let dialect = decode_tail(&mut fields, "Proposal")?;
        Ok((Self { signed, block, round_changes }, dialect))
    }

    fn encode(&self, dialect: Dialect, out: &mut dyn BufMut) {
        rlp::list_header(self.payload_length(dialect), out);
        self.signed.encode(out);
        self.block.encode(out);
        match &self.round_changes {
            Some(entries) => {
                rlp::list_header(rlp::entries_length(entries), out);
                rlp::write_entries(entries, out);
            }
            None => out.put_u8(EMPTY_STRING_CODE),
        }
        encode_tail(dialect, out);
    }

    fn payload_length(&self, dialect: Dialect) -> usize {
        let certificate = self
            .round_changes
            .as_ref()
            .map_or(1, |entries| rlp::list_length(rlp::entries_length(entries)));
        let tail = tail_length(dialect);
        rlp::sum([self.signed.length(), self.block.length(), certificate, tail])
    }
}

impl RoundChange {
    fn decode(buf: &mut &[u8], limits: &DecodeLimits) -> Result<(Self, Dialect), DecodeError> {
        let mut fields = rlp::list(buf, "RoundChange")?;
        let signed = Signed::decode(&mut fields, limits)?;
        let block = if rlp::absent(&mut fields) {
            None
        } else {
            Some(Arc::new(Block::decode(&mut fields)?))
        };
        let dialect = decode_tail(&mut fields, "RoundChange")?;
        Ok((Self { signed, block }, dialect))
    }

    fn encode(&self, dialect: Dialect, out: &mut dyn BufMut) {
        rlp::list_header(self.payload_length(dialect), out);
        self.signed.encode(out);
        match &self.block {
            Some(block) => block.encode(out),
            None => out.put_u8(EMPTY_STRING_CODE),
        }
        encode_tail(dialect, out);
    }

    fn payload_length(&self, dialect: Dialect) -> usize {
        let block = self.block.as_ref().map_or(1, |block| block.length());
        rlp::sum([self.signed.length(), block, tail_length(dialect)])
    }
}

/// Reads the last element that only the newer dialect has.
fn decode_tail(fields: &mut &[u8], element: &'static str) -> Result<Dialect, DecodeError> {
    if fields.is_empty() {
        return Ok(Dialect::V25);
    }
    if rlp::absent(fields) {
        rlp::end(fields, element)?;
        return Ok(Dialect::V26);
    }
    let header = Header::decode(fields).map_err(|source| DecodeError::Rlp { element, source })?;
    Err(DecodeError::AccessList { bytes: header.payload_length })
}

fn encode_tail(dialect: Dialect, out: &mut dyn BufMut) {
    if dialect == Dialect::V26 {
        out.put_u8(EMPTY_STRING_CODE);
    }
}

const fn tail_length(dialect: Dialect) -> usize {
    match dialect {
        Dialect::V25 => 0,
        Dialect::V26 => 1,
    }
}
