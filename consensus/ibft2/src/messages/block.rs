//! A block as consensus sees it.

use alloy_primitives::Bytes;
use alloy_rlp::{BufMut, Decodable, Encodable};

use super::{error::DecodeError, rlp};
use crate::{
    extra_data::{ExtraData, ExtraDataError},
    hash::{BlockHash, SealDigest, block_hash, seal_digest},
    header::IbftHeader,
    seal::Seal,
    sealing::{seal_header, with_round},
};

/// A header and an opaque body.
///
/// Consensus looks at the header only; that the body belongs to it, and whether it is valid, is the
/// driver's matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Block {
    /// The header, sealed or not.
    pub header: IbftHeader,
    /// RLP of the elements of the block after the header, without a list around them: the list of
    /// transactions, the (empty) list of ommers and, from Shanghai on, the (empty) list of
    /// withdrawals.
    pub body: Bytes,
}

impl Block {
    /// Body of a block without transactions before Shanghai: two empty lists.
    pub const EMPTY_BODY: Bytes = Bytes::from_static(&[0xc0, 0xc0]);

    /// Number of the block.
    pub fn number(&self) -> u64 {
        self.header.number
    }

    /// The hash that names the block, without round and seals.
    pub fn hash(&self) -> BlockHash {
        block_hash(&self.header)
    }

    /// The digest that messages about this block carry and its seals sign; it covers the round.
    ///
    /// # Errors
    /// [`ExtraDataError`] if `extraData` does not decode.
    pub fn digest(&self) -> Result<SealDigest, ExtraDataError> {
        seal_digest(&self.header)
    }

    /// The decoded `extraData`.
    ///
    /// # Errors
    /// [`ExtraDataError`] if it does not decode.
    pub fn extra_data(&self) -> Result<ExtraData, ExtraDataError> {
        ExtraData::decode(&self.header.extra_data)
    }

    /// The same block with another round and without seals, as it is proposed again.
    ///
    /// # Errors
    /// [`ExtraDataError`] if `extraData` does not decode.
    pub fn with_round(&self, round: u32) -> Result<Self, ExtraDataError> {
        Ok(Self { header: with_round(&self.header, round)?, body: self.body.clone() })
    }

    /// The same block with the round in which it was committed and its seals.
    ///
    /// # Errors
    /// [`ExtraDataError`] if `extraData` does not decode.
    pub fn sealed(&self, round: u32, seals: Vec<Seal>) -> Result<Self, ExtraDataError> {
        Ok(Self { header: seal_header(&self.header, round, seals)?, body: self.body.clone() })
    }

    /// Reads a block from the start of `buf`, which is moved behind it.
    ///
    /// # Errors
    /// [`DecodeError`] if it is not a list of a header and two or three lists. What is inside of
    /// those lists is not looked at.
    pub fn decode(buf: &mut &[u8]) -> Result<Self, DecodeError> {
        let mut fields = rlp::list(buf, "block")?;
        let header = IbftHeader::decode(&mut fields)
            .map_err(|source| DecodeError::Rlp { element: "header", source })?;
        let body = fields;
        let mut got = 0usize;
        while !fields.is_empty() {
            rlp::list(&mut fields, "block body")?;
            got = got.saturating_add(1);
        }
        if !matches!(got, 2 | 3) {
            return Err(DecodeError::Body { got });
        }
        Ok(Self { header, body: Bytes::copy_from_slice(body) })
    }

    fn payload_length(&self) -> usize {
        rlp::sum([self.header.length(), self.body.len()])
    }
}

impl Encodable for Block {
    fn encode(&self, out: &mut dyn BufMut) {
        rlp::list_header(self.payload_length(), out);
        self.header.encode(out);
        out.put_slice(&self.body);
    }

    fn length(&self) -> usize {
        rlp::list_length(self.payload_length())
    }
}
