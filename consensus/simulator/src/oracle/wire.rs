//! The oracles' own reading of consensus messages.

use alloy_primitives::{B256, keccak256};

use super::{
    header::View,
    rlp::{self, Item},
};

/// What a message says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A block for a round.
    Proposal,
    /// A validator has seen and checked it.
    Prepare,
    /// A validator knows that a quorum has.
    Commit,
    /// A validator gives up the rounds below the target.
    RoundChange,
}

impl Kind {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Proposal,
            1 => Self::Prepare,
            2 => Self::Commit,
            3 => Self::RoundChange,
            _ => return None,
        })
    }

    /// The code byte.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// A payload with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Which of the four payloads.
    pub kind: Kind,
    /// Height.
    pub height: u64,
    /// Round, or the target of a round change.
    pub round: u32,
    /// Digest; none in a round change.
    pub digest: Option<B256>,
    /// Seal of a commit.
    pub seal: Option<[u8; 65]>,
    /// Certificate of a round change.
    pub certificate: Option<Box<Certificate>>,
    /// RLP of the payload.
    pub payload: Vec<u8>,
    /// Signature over it.
    pub signature: [u8; 65],
}

impl Signed {
    /// What the signature covers; `domain` is appended on chains with bound signatures.
    pub fn signing_hash(&self, domain: &[u8]) -> B256 {
        keccak256([&[self.kind.code()], self.payload.as_slice(), domain].concat())
    }

    /// Reads a code byte and the RLP of payload and signature.
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        let (code, rest) = bytes.split_first()?;
        Self::read(Kind::from_code(*code)?, &rlp::whole(rest)?)
    }

    /// Reads the signed payload of a message, whatever else is in it.
    pub fn in_message(bytes: &[u8]) -> Option<Self> {
        let (code, rest) = bytes.split_first()?;
        let kind = Kind::from_code(*code)?;
        let item = rlp::whole(rest)?;
        match kind {
            Kind::Prepare | Kind::Commit => Self::read(kind, &item),
            Kind::Proposal | Kind::RoundChange => Self::read(kind, item.items()?.first()?),
        }
    }

    fn read(kind: Kind, item: &Item<'_>) -> Option<Self> {
        let parts = item.items()?;
        let [payload, signature] = parts.as_slice() else { return None };
        let fields = payload.items()?;
        let height = u64::from_be_bytes(fields.first()?.fixed()?);
        let round = u32::from_be_bytes(fields.get(1)?.fixed()?);
        let third = fields.get(2)?;
        let (digest, certificate) = match kind {
            Kind::RoundChange if third.list => (None, Some(Box::new(Certificate::read(third)?))),
            Kind::RoundChange => (None, None),
            _ => (Some(B256::new(third.fixed()?)), None),
        };
        let seal = match kind {
            Kind::Commit => Some(fields.get(3)?.fixed()?),
            _ => None,
        };
        Some(Self {
            kind,
            height,
            round,
            digest,
            seal,
            certificate,
            payload: payload.raw.to_vec(),
            signature: signature.fixed()?,
        })
    }
}

/// A proposal and the prepares for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The proposal.
    pub proposal: Signed,
    /// The prepares.
    pub prepares: Vec<Signed>,
}

impl Certificate {
    fn read(item: &Item<'_>) -> Option<Self> {
        let parts = item.items()?;
        let [proposal, prepares] = parts.as_slice() else { return None };
        Some(Self {
            proposal: Signed::read(Kind::Proposal, proposal)?,
            prepares: prepares
                .items()?
                .iter()
                .map(|item| Signed::read(Kind::Prepare, item))
                .collect::<Option<_>>()?,
        })
    }
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The payload that its author signed.
    pub signed: Signed,
    /// The block of a proposal or round change.
    pub block: Option<View>,
    /// RLP of that block's header.
    pub header: Option<Vec<u8>>,
    /// The round changes that justify a proposal.
    pub round_changes: Option<Vec<Signed>>,
}

impl Message {
    /// Reads a code byte and the RLP that follows.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (code, rest) = bytes.split_first()?;
        let kind = Kind::from_code(*code)?;
        let item = rlp::whole(rest)?;
        match kind {
            Kind::Prepare | Kind::Commit => Some(Self {
                signed: Signed::read(kind, &item)?,
                block: None,
                header: None,
                round_changes: None,
            }),
            Kind::Proposal => {
                let parts = item.items()?;
                let block = parts.get(1)?.items()?;
                let header = block.first()?;
                Some(Self {
                    signed: Signed::read(kind, parts.first()?)?,
                    block: Some(View::from_item(header)?),
                    header: Some(header.raw.to_vec()),
                    round_changes: read_round_changes(parts.get(2)?)?,
                })
            }
            Kind::RoundChange => {
                let parts = item.items()?;
                let block = parts.get(1)?;
                let block = if block.list { Some(block.items()?) } else { None };
                let header = block.as_ref().and_then(|block| block.first());
                Some(Self {
                    signed: Signed::read(kind, parts.first()?)?,
                    block: header.and_then(View::from_item),
                    header: header.map(|item| item.raw.to_vec()),
                    round_changes: None,
                })
            }
        }
    }
}

fn read_round_changes(item: &Item<'_>) -> Option<Option<Vec<Signed>>> {
    if !item.list {
        return Some(None);
    }
    let parts = item.items()?;
    let [entries] = parts.as_slice() else { return None };
    entries
        .items()?
        .iter()
        .map(|entry| Signed::read(Kind::RoundChange, entry))
        .collect::<Option<Vec<_>>>()
        .map(Some)
}
