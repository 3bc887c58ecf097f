//! What validators sign.

use std::sync::Arc;

use alloy_primitives::B256;
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable};

use super::{certificate::PreparedCertificate, error::DecodeError, rlp, wire::DecodeLimits};
use crate::{
    hash::SealDigest,
    seal::{SEAL_LENGTH, Seal},
};

/// Bytes of a height in RLP: prefix and 8 bytes.
const HEIGHT_LENGTH: usize = 9;
/// Bytes of a round in RLP: prefix and 4 bytes.
const ROUND_LENGTH: usize = 5;
/// Bytes of a digest in RLP: prefix and 32 bytes.
const DIGEST_LENGTH: usize = 33;

/// A round of a height, ordered by height, then round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RoundId {
    /// Number of the block that is agreed on.
    pub height: u64,
    /// Number of the attempt, from 0.
    pub round: u32,
}

impl RoundId {
    /// The round `round` of `height`.
    pub const fn new(height: u64, round: u32) -> Self {
        Self { height, round }
    }

    fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        Ok(Self {
            height: u64::from_be_bytes(rlp::fixed(buf, "height")?),
            round: u32::from_be_bytes(rlp::fixed(buf, "round")?),
        })
    }

    fn encode_fields(self, out: &mut dyn BufMut) {
        self.height.to_be_bytes().as_slice().encode(out);
        self.round.to_be_bytes().as_slice().encode(out);
    }
}

impl core::fmt::Display for RoundId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.height, self.round)
    }
}

/// The four kinds of consensus messages, ordered by code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MessageKind {
    /// Code 0.
    Proposal = 0,
    /// Code 1.
    Prepare = 1,
    /// Code 2.
    Commit = 2,
    /// Code 3.
    RoundChange = 3,
}

impl MessageKind {
    /// All kinds in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Proposal, Self::Prepare, Self::Commit, Self::RoundChange];

    /// The code on the wire, which is also the type byte that a signature covers.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this code.
    ///
    /// # Errors
    /// [`DecodeError::Code`] for a code above 3.
    pub const fn from_code(code: u8) -> Result<Self, DecodeError> {
        match code {
            0 => Ok(Self::Proposal),
            1 => Ok(Self::Prepare),
            2 => Ok(Self::Commit),
            3 => Ok(Self::RoundChange),
            got => Err(DecodeError::Code { got }),
        }
    }
}

/// Something that validators sign.
pub trait Payload: Encodable + Clone + Eq + core::fmt::Debug {
    /// Which message carries it.
    const KIND: MessageKind;

    /// Height and round; of a RoundChange the round it wants to enter.
    fn id(&self) -> RoundId;

    /// The digest of the block it is about. A RoundChange has none.
    fn digest(&self) -> Option<SealDigest>;

    /// Reads a payload from the start of `buf`, which is moved behind it.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that does not encode to the same bytes or exceeds `limits`.
    fn decode(buf: &mut &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError>;
}

/// Payloads that consist of height, round and digest.
macro_rules! digest_payload {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $element:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name {
            /// Height and round.
            pub id: RoundId,
            /// Seal digest of the block with this round in it.
            pub digest: SealDigest,
        }

        impl Encodable for $name {
            fn encode(&self, out: &mut dyn BufMut) {
                rlp::list_header(rlp::sum([HEIGHT_LENGTH, ROUND_LENGTH, DIGEST_LENGTH]), out);
                self.id.encode_fields(out);
                self.digest.0.encode(out);
            }

            fn length(&self) -> usize {
                rlp::list_length(rlp::sum([HEIGHT_LENGTH, ROUND_LENGTH, DIGEST_LENGTH]))
            }
        }

        impl Payload for $name {
            const KIND: MessageKind = MessageKind::$kind;

            fn id(&self) -> RoundId {
                self.id
            }

            fn digest(&self) -> Option<SealDigest> {
                Some(self.digest)
            }

            fn decode(buf: &mut &[u8], _: &DecodeLimits) -> Result<Self, DecodeError> {
                let mut fields = rlp::list(buf, $element)?;
                let id = RoundId::decode(&mut fields)?;
                let digest = decode_digest(&mut fields)?;
                rlp::end(fields, $element)?;
                Ok(Self { id, digest })
            }
        }
    };
}

digest_payload!(
    /// "I propose the block with this digest."
    ProposalPayload,
    Proposal,
    "Proposal payload"
);
digest_payload!(
    /// "I have accepted the proposal of this round."
    PreparePayload,
    Prepare,
    "Prepare payload"
);

/// "I have seen a quorum of Prepares": carries the seal that goes into the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitPayload {
    /// Height and round.
    pub id: RoundId,
    /// Seal digest of the block with this round in it.
    pub digest: SealDigest,
    /// The author's signature over `digest`.
    pub seal: Seal,
}

impl CommitPayload {
    fn payload_length(&self) -> usize {
        rlp::sum([HEIGHT_LENGTH, ROUND_LENGTH, DIGEST_LENGTH, self.seal.length()])
    }
}

impl Encodable for CommitPayload {
    fn encode(&self, out: &mut dyn BufMut) {
        rlp::list_header(self.payload_length(), out);
        self.id.encode_fields(out);
        self.digest.0.encode(out);
        self.seal.encode(out);
    }

    fn length(&self) -> usize {
        rlp::list_length(self.payload_length())
    }
}

impl Payload for CommitPayload {
    const KIND: MessageKind = MessageKind::Commit;

    fn id(&self) -> RoundId {
        self.id
    }

    fn digest(&self) -> Option<SealDigest> {
        Some(self.digest)
    }

    fn decode(buf: &mut &[u8], _: &DecodeLimits) -> Result<Self, DecodeError> {
        let mut fields = rlp::list(buf, "Commit payload")?;
        let id = RoundId::decode(&mut fields)?;
        let digest = decode_digest(&mut fields)?;
        let seal = Seal::new(rlp::fixed::<SEAL_LENGTH>(&mut fields, "commit seal")?)
            .map_err(|source| DecodeError::Signature { element: "commit seal", source })?;
        rlp::end(fields, "Commit payload")?;
        Ok(Self { id, digest, seal })
    }
}

/// "I want to enter this round, and this is the highest round in which I was prepared."
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoundChangePayload {
    /// Height and the round to enter.
    pub id: RoundId,
    /// The author's highest prepared certificate of this height, if it has one.
    pub certificate: Option<Arc<PreparedCertificate>>,
}

impl RoundChangePayload {
    fn payload_length(&self) -> usize {
        let certificate = self.certificate.as_ref().map_or(1, |certificate| certificate.length());
        rlp::sum([HEIGHT_LENGTH, ROUND_LENGTH, certificate])
    }

    /// The round in which the author was prepared.
    pub fn prepared_round(&self) -> Option<u32> {
        self.certificate.as_ref().map(|certificate| certificate.id().round)
    }
}

impl Encodable for RoundChangePayload {
    fn encode(&self, out: &mut dyn BufMut) {
        rlp::list_header(self.payload_length(), out);
        self.id.encode_fields(out);
        match &self.certificate {
            Some(certificate) => certificate.encode(out),
            None => out.put_u8(EMPTY_STRING_CODE),
        }
    }

    fn length(&self) -> usize {
        rlp::list_length(self.payload_length())
    }
}

impl Payload for RoundChangePayload {
    const KIND: MessageKind = MessageKind::RoundChange;

    fn id(&self) -> RoundId {
        self.id
    }

    fn digest(&self) -> Option<SealDigest> {
        None
    }

    fn decode(buf: &mut &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let mut fields = rlp::list(buf, "RoundChange payload")?;
        let id = RoundId::decode(&mut fields)?;
        let certificate = if rlp::absent(&mut fields) {
            None
        } else {
            Some(Arc::new(PreparedCertificate::decode(&mut fields, limits)?))
        };
        rlp::end(fields, "RoundChange payload")?;
        Ok(Self { id, certificate })
    }
}

fn decode_digest(buf: &mut &[u8]) -> Result<SealDigest, DecodeError> {
    Ok(SealDigest(B256::new(rlp::fixed(buf, "digest")?)))
}
