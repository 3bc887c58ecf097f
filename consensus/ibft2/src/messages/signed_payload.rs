//! A signed payload of any kind.

use alloy_primitives::{Address, Bytes};
use alloy_rlp::Encodable;

use super::{
    error::DecodeError,
    payload::{
        CommitPayload, MessageKind, Payload, PreparePayload, ProposalPayload, RoundChangePayload,
        RoundId,
    },
    rlp,
    signed::{Signed, SigningDomain},
    wire::DecodeLimits,
};
use crate::{crypto::Crypto, hash::SealDigest};

/// A signed payload of any kind, without the block that its message may carry: what evidence and
/// marks consist of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SignedPayload {
    /// Code 0.
    Proposal(Signed<ProposalPayload>),
    /// Code 1.
    Prepare(Signed<PreparePayload>),
    /// Code 2.
    Commit(Signed<CommitPayload>),
    /// Code 3.
    RoundChange(Signed<RoundChangePayload>),
}

/// Does the same with whichever signed payload there is.
macro_rules! each {
    ($value:expr, $signed:ident => $body:expr) => {
        match $value {
            Self::Proposal($signed) => $body,
            Self::Prepare($signed) => $body,
            Self::Commit($signed) => $body,
            Self::RoundChange($signed) => $body,
        }
    };
}

impl SignedPayload {
    /// The kind of message that carries this payload.
    pub const fn kind(&self) -> MessageKind {
        match self {
            Self::Proposal(_) => MessageKind::Proposal,
            Self::Prepare(_) => MessageKind::Prepare,
            Self::Commit(_) => MessageKind::Commit,
            Self::RoundChange(_) => MessageKind::RoundChange,
        }
    }

    /// Height and round; of a RoundChange the round it wants to enter.
    pub fn id(&self) -> RoundId {
        each!(self, signed => signed.payload.id())
    }

    /// The digest of the block it is about. A RoundChange has none.
    pub fn digest(&self) -> Option<SealDigest> {
        each!(self, signed => signed.payload.digest())
    }

    /// Recovers the author; see [`Signed::author`].
    pub fn author(&self, crypto: &impl Crypto, domain: &SigningDomain) -> Option<Address> {
        each!(self, signed => signed.author(crypto, domain))
    }

    /// The code and the RLP of the signed payload.
    pub fn encode(&self) -> Bytes {
        let length = each!(self, signed => signed.length());
        let mut out = Vec::with_capacity(length.saturating_add(1));
        out.push(self.kind().code());
        each!(self, signed => signed.encode(&mut out));
        out.into()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that does not encode to the same bytes or exceeds `limits`.
    pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        limits.check_length(bytes)?;
        let (&code, mut rest) = bytes.split_first().ok_or(DecodeError::Empty)?;
        let buf = &mut rest;
        let this = match MessageKind::from_code(code)? {
            MessageKind::Proposal => Self::Proposal(Signed::decode(buf, limits)?),
            MessageKind::Prepare => Self::Prepare(Signed::decode(buf, limits)?),
            MessageKind::Commit => Self::Commit(Signed::decode(buf, limits)?),
            MessageKind::RoundChange => Self::RoundChange(Signed::decode(buf, limits)?),
        };
        rlp::end(rest, "signed payload")?;
        Ok(this)
    }
}
