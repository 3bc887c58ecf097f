//! `extraData` of an IBFT 2.0 header: one RLP list of five elements.
//!
//! | element | encoding |
//! |---|---|
//! | vanity | byte string, 32 bytes by convention, opaque |
//! | validators | list of 20-byte strings |
//! | vote | empty string, or a list of recipient and type byte (`ff` add, `00` remove) |
//! | round | byte string of exactly 4 bytes, big endian, leading zeros included |
//! | seals | list of 65-byte strings |
//!
//! Decoding is strict: what decodes re-encodes to the same bytes.

use alloy_primitives::{Address, Bytes};
use alloy_rlp::{BufMut, EMPTY_STRING_CODE, Encodable, Header as RlpHeader};

use crate::seal::{SEAL_LENGTH, Seal, SealError};

/// RLP string header of a 4-byte string.
const ROUND_PREFIX: u8 = EMPTY_STRING_CODE | 4;

/// Which elements an encoding of [`ExtraData`] contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All five elements: the header as it is stored and transmitted.
    All,
    /// Four elements, without the list of seals: the message that commit seals sign.
    WithoutSeals,
    /// Three elements, without round and seals: what the block hash covers.
    OnChain,
}

/// What a [`Vote`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VoteType {
    /// The recipient should become a validator.
    Add,
    /// The recipient should stop being a validator.
    Drop,
}

impl VoteType {
    /// The byte that stands for this type in `extraData`.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Add => 0xff,
            Self::Drop => 0x00,
        }
    }

    /// The type for a byte of `extraData`, if it is one.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0xff => Some(Self::Add),
            0x00 => Some(Self::Drop),
            _ => None,
        }
    }
}

/// A vote carried by a block; the voter is the block's coinbase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vote {
    /// The account the vote is about.
    pub recipient: Address,
    /// Add or drop.
    pub kind: VoteType,
}

impl Encodable for Vote {
    fn encode(&self, out: &mut dyn BufMut) {
        RlpHeader { list: true, payload_length: self.payload_length() }.encode(out);
        self.recipient.encode(out);
        self.kind.byte().encode_as_string(out);
    }

    fn length(&self) -> usize {
        list_length(self.payload_length())
    }
}

impl Vote {
    fn payload_length(&self) -> usize {
        // The type byte `ff` takes a prefix, the type byte `00` stands for itself.
        let kind = match self.kind {
            VoteType::Add => 2,
            VoteType::Drop => 1,
        };
        self.recipient.length().saturating_add(kind)
    }
}

/// A byte as an RLP byte string, not as a number: zero is the byte `00`, not the empty string.
trait EncodeAsString {
    fn encode_as_string(&self, out: &mut dyn BufMut);
}

impl EncodeAsString for u8 {
    fn encode_as_string(&self, out: &mut dyn BufMut) {
        [*self].as_slice().encode(out);
    }
}

/// The decoded `extraData` of an IBFT 2.0 header.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ExtraData {
    /// Free bytes of the block's creator.
    pub vanity: Bytes,
    /// The validators of this block, strictly ascending except in a genesis.
    pub validators: Vec<Address>,
    /// The creator's vote.
    pub vote: Option<Vote>,
    /// The round in which the block was proposed or committed.
    pub round: u32,
    /// Commit seals in the order in which they arrived.
    pub seals: Vec<Seal>,
}

impl ExtraData {
    /// Decodes the five-element form.
    ///
    /// # Errors
    /// [`ExtraDataError`] for anything that this type would not encode to exactly `bytes`: missing
    /// or additional elements, non-minimal RLP, wrong widths, unknown vote types, seals outside of
    /// the curve's order.
    pub fn decode(bytes: &[u8]) -> Result<Self, ExtraDataError> {
        let mut outer = bytes;
        let mut list = decode_list(&mut outer, "extraData")?;
        end_of(outer, "extraData")?;
        let this = Self {
            vanity: Bytes::copy_from_slice(decode_string(&mut list, "vanity")?),
            validators: decode_validators(&mut list)?,
            vote: decode_vote(&mut list)?,
            round: u32::from_be_bytes(decode_fixed(&mut list, "round")?),
            seals: decode_seals(&mut list)?,
        };
        end_of(list, "extraData list")?;
        Ok(this)
    }

    /// Encodes the elements of `form`.
    pub fn encode(&self, form: Form) -> Bytes {
        let payload_length = self.payload_length(form);
        let mut out = Vec::with_capacity(list_length(payload_length));
        RlpHeader { list: true, payload_length }.encode(&mut out);
        self.vanity.encode(&mut out);
        self.validators.encode(&mut out);
        match &self.vote {
            Some(vote) => vote.encode(&mut out),
            None => out.push(EMPTY_STRING_CODE),
        }
        if form != Form::OnChain {
            out.push(ROUND_PREFIX);
            out.extend_from_slice(&self.round.to_be_bytes());
        }
        if form == Form::All {
            self.seals.encode(&mut out);
        }
        out.into()
    }

    /// Round 0, no vote, no seals: the form of a genesis. The order of `validators` is kept.
    pub fn genesis(vanity: Bytes, validators: Vec<Address>) -> Self {
        Self { vanity, validators, ..Self::default() }
    }

    fn payload_length(&self, form: Form) -> usize {
        let round = if form == Form::OnChain { 0 } else { 5 };
        let seals = if form == Form::All { self.seals.length() } else { 0 };
        let vote = self.vote.as_ref().map_or(1, Encodable::length);
        [self.vanity.length(), self.validators.length(), vote, round, seals]
            .into_iter()
            .fold(0, usize::saturating_add)
    }
}

/// Length of an RLP list with its header.
fn list_length(payload: usize) -> usize {
    payload.saturating_add(alloy_rlp::length_of_length(payload))
}

fn decode_list<'a>(buf: &mut &'a [u8], element: &'static str) -> Result<&'a [u8], ExtraDataError> {
    RlpHeader::decode_bytes(buf, true).map_err(|source| ExtraDataError::Rlp { element, source })
}

fn decode_string<'a>(
    buf: &mut &'a [u8],
    element: &'static str,
) -> Result<&'a [u8], ExtraDataError> {
    RlpHeader::decode_bytes(buf, false).map_err(|source| ExtraDataError::Rlp { element, source })
}

fn decode_fixed<const N: usize>(
    buf: &mut &[u8],
    element: &'static str,
) -> Result<[u8; N], ExtraDataError> {
    let bytes = decode_string(buf, element)?;
    bytes.try_into().map_err(|_| ExtraDataError::Length { element, expected: N, got: bytes.len() })
}

fn decode_validators(buf: &mut &[u8]) -> Result<Vec<Address>, ExtraDataError> {
    let mut list = decode_list(buf, "validators")?;
    let mut validators = Vec::new();
    while !list.is_empty() {
        validators.push(Address::new(decode_fixed(&mut list, "validator")?));
    }
    Ok(validators)
}

fn decode_vote(buf: &mut &[u8]) -> Result<Option<Vote>, ExtraDataError> {
    if let Some((&EMPTY_STRING_CODE, rest)) = buf.split_first() {
        *buf = rest;
        return Ok(None);
    }
    let mut list = decode_list(buf, "vote")?;
    let recipient = Address::new(decode_fixed(&mut list, "vote recipient")?);
    let [byte] = decode_fixed(&mut list, "vote type")?;
    end_of(list, "vote")?;
    let kind = VoteType::from_byte(byte).ok_or(ExtraDataError::VoteType { got: byte })?;
    Ok(Some(Vote { recipient, kind }))
}

fn decode_seals(buf: &mut &[u8]) -> Result<Vec<Seal>, ExtraDataError> {
    let mut list = decode_list(buf, "seals")?;
    let mut seals = Vec::new();
    while !list.is_empty() {
        seals.push(Seal::new(decode_fixed::<SEAL_LENGTH>(&mut list, "seal")?)?);
    }
    Ok(seals)
}

const fn end_of(rest: &[u8], element: &'static str) -> Result<(), ExtraDataError> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(ExtraDataError::Trailing { element, bytes: rest.len() })
    }
}

/// Why bytes are not the `extraData` of an IBFT 2.0 header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtraDataError {
    /// An element is missing, of the wrong kind, or not minimally encoded.
    #[error("extraData: {element}: {source}")]
    Rlp {
        /// The element that was read.
        element: &'static str,
        /// What the RLP decoder said.
        source: alloy_rlp::Error,
    },
    /// An element of fixed width has another one.
    #[error("extraData: {element} has {got} bytes, expected {expected}")]
    Length {
        /// The element that was read.
        element: &'static str,
        /// Its width in bytes.
        expected: usize,
        /// The width found.
        got: usize,
    },
    /// Bytes follow the last element of a list.
    #[error("extraData: {bytes} bytes after the end of {element}")]
    Trailing {
        /// The list that should have ended.
        element: &'static str,
        /// How many bytes follow.
        bytes: usize,
    },
    /// The vote type is neither add nor drop.
    #[error("extraData: vote type {got:#04x}, expected 0xff (add) or 0x00 (drop)")]
    VoteType {
        /// The byte found.
        got: u8,
    },
    /// A seal is no signature.
    #[error("extraData: {0}")]
    Seal(#[from] SealError),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn vote() -> impl Strategy<Value = Option<Vote>> {
        proptest::option::of((any::<[u8; 20]>(), any::<bool>()).prop_map(|(recipient, add)| Vote {
            recipient: recipient.into(),
            kind: if add { VoteType::Add } else { VoteType::Drop },
        }))
    }

    fn seal() -> impl Strategy<Value = Seal> {
        // The upper bytes stay below those of the curve's order.
        ([0u8..0xff, 0u8..0xff], any::<bool>()).prop_map(|([r, s], v)| {
            let mut bytes = [1u8; SEAL_LENGTH];
            bytes[0] = r;
            bytes[32] = s;
            bytes[64] = u8::from(v);
            Seal::new(bytes).unwrap()
        })
    }

    pub(crate) fn extra_data() -> impl Strategy<Value = ExtraData> {
        (
            proptest::collection::vec(any::<u8>(), 0..70),
            proptest::collection::vec(any::<[u8; 20]>().prop_map(Address::new), 0..6),
            vote(),
            any::<u32>(),
            proptest::collection::vec(seal(), 0..5),
        )
            .prop_map(|(vanity, validators, vote, round, seals)| ExtraData {
                vanity: vanity.into(),
                validators,
                vote,
                round,
                seals,
            })
    }

    proptest! {
        #[test]
        fn encode_then_decode_is_identity(extra in extra_data()) {
            prop_assert_eq!(ExtraData::decode(&extra.encode(Form::All)), Ok(extra));
        }

        #[test]
        fn what_decodes_is_canonical(
            extra in extra_data(),
            position in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
            cut in proptest::option::of(any::<proptest::sample::Index>()),
        ) {
            let mut bytes = extra.encode(Form::All).to_vec();
            let at = position.index(bytes.len());
            bytes[at] = byte;
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(decoded) = ExtraData::decode(&bytes) {
                prop_assert_eq!(decoded.encode(Form::All).to_vec(), bytes);
            }
        }

        #[test]
        fn short_forms_are_no_extra_data(extra in extra_data()) {
            prop_assert!(ExtraData::decode(&extra.encode(Form::WithoutSeals)).is_err());
            prop_assert!(ExtraData::decode(&extra.encode(Form::OnChain)).is_err());
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ExtraData::decode(&bytes);
        }
    }

    #[test]
    fn empty_input_is_an_error() {
        assert!(matches!(ExtraData::decode(&[]), Err(ExtraDataError::Rlp { .. })));
    }

    #[test]
    fn trailing_bytes_are_an_error() {
        let mut bytes = ExtraData::default().encode(Form::All).to_vec();
        bytes.push(0x80);
        assert!(matches!(
            ExtraData::decode(&bytes),
            Err(ExtraDataError::Trailing { element: "extraData", bytes: 1 })
        ));
    }

    #[test]
    fn vote_types_have_fixed_bytes() {
        let vote = |kind| alloy_rlp::encode(Vote { recipient: Address::ZERO, kind });
        assert!(vote(VoteType::Add).ends_with(&[0x81, 0xff]));
        assert!(vote(VoteType::Drop).ends_with(&[0x00]));
        assert_eq!(vote(VoteType::Drop).len(), 23);
    }
}
