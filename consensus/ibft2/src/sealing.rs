//! From an unsealed header to a sealed one.
//!
//! A creator fills the header by [`prepare_header`]; validators sign [`digest_to_sign`]; the seals
//! of a quorum make the block by [`seal_header`]. Neither step changes the block hash.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_primitives::{B64, B256, Bytes};

use crate::{
    extra_data::{ExtraData, ExtraDataError, Form, Vote},
    hash::{MIX_HASH, SealDigest, seal_digest},
    header::IbftHeader,
    rules::DIFFICULTY,
    seal::Seal,
    validators::ValidatorSet,
};

/// The 32 bytes of vanity for a creator's text: its first 32 bytes, or left-padded with zeros.
pub fn vanity(text: &[u8]) -> B256 {
    match text.first_chunk::<32>() {
        Some(head) => B256::new(*head),
        None => B256::left_padding_from(text),
    }
}

/// `extraData` of a block without seals. `validators` is the set after the parent.
pub fn unsealed_extra_data(
    vanity: B256,
    validators: &ValidatorSet,
    vote: Option<Vote>,
    round: u32,
) -> Bytes {
    ExtraData {
        vanity: Bytes::copy_from_slice(vanity.as_slice()),
        validators: validators.to_vec(),
        vote,
        round,
        seals: Vec::new(),
    }
    .encode(Form::All)
}

/// Sets `extraData` and the fields that have one value on every IBFT 2.0 chain: mix hash, ommers
/// hash, difficulty, nonce.
pub fn prepare_header(header: Header, extra_data: Bytes) -> IbftHeader {
    IbftHeader(Header {
        extra_data,
        mix_hash: MIX_HASH,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        difficulty: DIFFICULTY,
        nonce: B64::ZERO,
        ..header
    })
}

/// The digest that a validator's commit seal of this header signs.
///
/// # Errors
/// [`ExtraDataError`] if `extraData` does not decode.
pub fn digest_to_sign(header: &IbftHeader) -> Result<SealDigest, ExtraDataError> {
    seal_digest(header)
}

/// The header with another round and without seals, as it is proposed again.
///
/// # Errors
/// [`ExtraDataError`] if `extraData` does not decode.
pub fn with_round(header: &IbftHeader, round: u32) -> Result<IbftHeader, ExtraDataError> {
    seal_header(header, round, Vec::new())
}

/// The header with the round in which it was committed and its commit seals. Whatever seals it
/// carried before are replaced.
///
/// # Errors
/// [`ExtraDataError`] if `extraData` does not decode.
pub fn seal_header(
    header: &IbftHeader,
    round: u32,
    seals: Vec<Seal>,
) -> Result<IbftHeader, ExtraDataError> {
    let extra = ExtraData { round, seals, ..ExtraData::decode(&header.extra_data)? };
    let mut sealed = header.clone();
    sealed.extra_data = extra.encode(Form::All);
    Ok(sealed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::seal::SEAL_LENGTH;
    use alloy_primitives::Address;

    fn unsealed() -> IbftHeader {
        let validators = [Address::with_last_byte(1)].into_iter().collect();
        let extra = unsealed_extra_data(vanity(b"peruri"), &validators, None, 0);
        prepare_header(Header { number: 1, ..Header::default() }, extra)
    }

    #[test]
    fn vanity_is_padded_on_the_left_and_cut_on_the_right() {
        assert_eq!(vanity(b""), B256::ZERO);
        assert_eq!(&vanity(b"abc")[29..], b"abc");
        let long: Vec<u8> = (0..40).collect();
        assert_eq!(vanity(&long).as_slice(), &long[..32]);
    }

    #[test]
    fn sealing_keeps_the_block_hash() {
        let header = unsealed();
        let seal = Seal::new([1; SEAL_LENGTH]).unwrap();
        let sealed = seal_header(&header, 2, vec![seal]).unwrap();
        assert_eq!(sealed.hash_slow(), header.hash_slow());
        assert_ne!(digest_to_sign(&sealed), digest_to_sign(&header));
        let extra = ExtraData::decode(&sealed.extra_data).unwrap();
        assert_eq!((extra.round, extra.seals), (2, vec![seal]));
    }

    #[test]
    fn proposing_again_drops_the_seals() {
        let seal = Seal::new([1; SEAL_LENGTH]).unwrap();
        let sealed = seal_header(&unsealed(), 2, vec![seal]).unwrap();
        let again = with_round(&sealed, 0).unwrap();
        assert_eq!(again, unsealed());
    }

    #[test]
    fn header_without_extra_data_cannot_be_sealed() {
        assert!(seal_header(&IbftHeader::default(), 0, Vec::new()).is_err());
    }
}
