//! The two hashes of an IBFT 2.0 header.
//!
//! Both are the keccak-256 of the header's RLP with a shortened `extraData`; they differ in what is
//! left out, so each has a type of its own:
//!
//! * [`BlockHash`]: without round and seals. It names the block in `parentHash`, RPC and `BLOCKHASH`
//!   and stays the same when a block is proposed again in a later round or sealed by other members.
//! * [`SealDigest`]: without seals only. It is what commit seals sign, and the digest in consensus
//!   messages.
//!
//! The genesis is hashed as any Ethereum header.

use alloy_consensus::Header;
use alloy_primitives::{B256, b256, keccak256};

use crate::extra_data::{ExtraData, ExtraDataError, Form};

/// `mixHash` of every IBFT 2.0 header: the ASCII text "ctical byzantine fault tolerance".
pub const MIX_HASH: B256 =
    b256!("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365");

/// The hash that names a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BlockHash(pub B256);

/// The hash that commit seals sign and consensus messages carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SealDigest(pub B256);

macro_rules! hash_newtype {
    ($($name:ident),*) => {$(
        impl From<B256> for $name {
            fn from(hash: B256) -> Self {
                Self(hash)
            }
        }

        impl From<$name> for B256 {
            fn from(hash: $name) -> Self {
                hash.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

hash_newtype!(BlockHash, SealDigest);

/// Whether `header` is hashed by the IBFT 2.0 rule: not a genesis, with [`MIX_HASH`], and with
/// `extraData` that decodes.
pub fn is_ibft2(header: &Header) -> bool {
    ibft2_extra_data(header).is_some()
}

fn ibft2_extra_data(header: &Header) -> Option<ExtraData> {
    if header.number == 0 || header.mix_hash != MIX_HASH {
        return None;
    }
    ExtraData::decode(&header.extra_data).ok()
}

/// The block hash of any header: by the IBFT 2.0 rule if [`is_ibft2`], else `keccak256(rlp)`.
pub fn block_hash(header: &Header) -> BlockHash {
    match ibft2_extra_data(header) {
        Some(extra) => BlockHash(hash_with(header, &extra, Form::OnChain)),
        None => BlockHash(keccak256(alloy_rlp::encode(header))),
    }
}

/// The digest that commit seals of `header` sign. The seals that `header` may already carry do not
/// matter. A genesis has no seals; its digest is its block hash.
///
/// # Errors
/// [`ExtraDataError`] if `extraData` does not decode.
pub fn seal_digest(header: &Header) -> Result<SealDigest, ExtraDataError> {
    if header.number == 0 {
        return Ok(SealDigest(block_hash(header).0));
    }
    let extra = ExtraData::decode(&header.extra_data)?;
    Ok(seal_digest_with(header, &extra))
}

/// [`seal_digest`] of a header other than genesis whose `extraData` is replaced by `extra`.
pub fn seal_digest_with(header: &Header, extra: &ExtraData) -> SealDigest {
    SealDigest(hash_with(header, extra, Form::WithoutSeals))
}

fn hash_with(header: &Header, extra: &ExtraData, form: Form) -> B256 {
    let hashed = Header { extra_data: extra.encode(form), ..header.clone() };
    keccak256(alloy_rlp::encode(hashed))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::seal::{SEAL_LENGTH, Seal};

    fn header(extra: &ExtraData) -> Header {
        Header {
            number: 1,
            mix_hash: MIX_HASH,
            extra_data: extra.encode(Form::All),
            ..Header::default()
        }
    }

    fn plain(header: &Header) -> BlockHash {
        BlockHash(keccak256(alloy_rlp::encode(header)))
    }

    #[test]
    fn block_hash_ignores_round_and_seals() {
        let first = ExtraData::default();
        let second = ExtraData {
            round: 9,
            seals: vec![Seal::new([1; SEAL_LENGTH]).unwrap()],
            ..first.clone()
        };
        let (first, second) = (header(&first), header(&second));
        assert_eq!(block_hash(&first), block_hash(&second));
        assert_ne!(seal_digest(&first), seal_digest(&second));
        assert_ne!(block_hash(&first), plain(&first));
    }

    #[test]
    fn seal_digest_ignores_seals_only() {
        let unsealed = ExtraData { round: 3, ..ExtraData::default() };
        let sealed =
            ExtraData { seals: vec![Seal::new([1; SEAL_LENGTH]).unwrap()], ..unsealed.clone() };
        assert_eq!(seal_digest(&header(&unsealed)), seal_digest(&header(&sealed)));
    }

    #[test]
    fn other_headers_keep_the_ethereum_hash() {
        let ibft2 = header(&ExtraData::default());
        for other in [
            Header { number: 0, ..ibft2.clone() },
            Header { mix_hash: B256::ZERO, ..ibft2.clone() },
            Header { extra_data: b"geth".to_vec().into(), ..ibft2.clone() },
        ] {
            assert!(!is_ibft2(&other));
            assert_eq!(block_hash(&other), plain(&other));
        }
        assert!(is_ibft2(&ibft2));
    }

    #[test]
    fn digest_of_a_genesis_is_its_hash() {
        let genesis = Header { number: 0, ..header(&ExtraData::default()) };
        assert_eq!(seal_digest(&genesis).unwrap().0, plain(&genesis).0);
    }

    #[test]
    fn digest_needs_extra_data() {
        assert!(seal_digest(&Header { number: 1, ..Header::default() }).is_err());
    }
}
