//! Commit seals: plain secp256k1 signatures over the seal digest.

use alloy_consensus::crypto::secp256k1::recover_signer_unchecked;
use alloy_primitives::{Address, Signature, U256, uint};
use alloy_rlp::{BufMut, Encodable};

use crate::hash::SealDigest;

/// Bytes of a seal: `r` (32), `s` (32), recovery id (1).
pub const SEAL_LENGTH: usize = 65;

/// Order of the secp256k1 group (SEC 2, section 2.4.1).
pub(crate) const SECP256K1_N: U256 =
    uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);

/// A commit seal: `r`, `s` and recovery id, with `r` and `s` in `1..n` and the id 0 or 1.
///
/// Contrary to signatures of transactions and messages `s` may lie in the upper half of the range:
/// blocks with such seals are valid.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seal([u8; SEAL_LENGTH]);

impl Seal {
    /// A seal from its bytes.
    ///
    /// # Errors
    /// [`SealError`] if the recovery id is not 0 or 1 or a scalar is not in `1..n`.
    pub fn new(bytes: [u8; SEAL_LENGTH]) -> Result<Self, SealError> {
        let [.., id] = bytes;
        if id > 1 {
            return Err(SealError::RecoveryId { got: id });
        }
        let this = Self(bytes);
        for (name, scalar) in [("r", this.r()), ("s", this.s())] {
            if scalar.is_zero() || scalar >= SECP256K1_N {
                return Err(SealError::Scalar { name, got: scalar });
            }
        }
        Ok(this)
    }

    /// The bytes of the seal.
    pub const fn as_bytes(&self) -> &[u8; SEAL_LENGTH] {
        &self.0
    }

    /// Recovers the address that signed `digest`.
    ///
    /// # Errors
    /// [`SealError::Recovery`] if no public key belongs to this signature.
    pub fn recover(&self, digest: SealDigest) -> Result<Address, SealError> {
        recover_signer_unchecked(&(*self).into(), digest.into()).map_err(|_| SealError::Recovery)
    }

    fn r(&self) -> U256 {
        U256::from_be_slice(&self.0[..32])
    }

    pub(crate) fn s(&self) -> U256 {
        U256::from_be_slice(&self.0[32..64])
    }
}

impl core::fmt::Debug for Seal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Seal({})", alloy_primitives::hex::encode_prefixed(self.0))
    }
}

impl TryFrom<&[u8]> for Seal {
    type Error = SealError;

    fn try_from(bytes: &[u8]) -> Result<Self, SealError> {
        let bytes = bytes.try_into().map_err(|_| SealError::Length { got: bytes.len() })?;
        Self::new(bytes)
    }
}

impl TryFrom<Signature> for Seal {
    type Error = SealError;

    fn try_from(signature: Signature) -> Result<Self, SealError> {
        let mut bytes = [0; SEAL_LENGTH];
        bytes[..32].copy_from_slice(&signature.r().to_be_bytes::<32>());
        bytes[32..64].copy_from_slice(&signature.s().to_be_bytes::<32>());
        bytes[64] = u8::from(signature.v());
        Self::new(bytes)
    }
}

impl From<Seal> for Signature {
    fn from(seal: Seal) -> Self {
        Self::new(seal.r(), seal.s(), seal.0[64] == 1)
    }
}

impl Encodable for Seal {
    fn encode(&self, out: &mut dyn BufMut) {
        self.0.as_slice().encode(out);
    }

    fn length(&self) -> usize {
        self.0.as_slice().length()
    }
}

/// Recovers the signer of each seal, in order.
///
/// # Errors
/// The first seal that belongs to no public key.
pub fn recover_seals(digest: SealDigest, seals: &[Seal]) -> Result<Vec<Address>, SealError> {
    seals.iter().map(|seal| seal.recover(digest)).collect()
}

/// Why bytes are no commit seal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Not 65 bytes.
    #[error("seal has {got} bytes, expected {SEAL_LENGTH}")]
    Length {
        /// The length found.
        got: usize,
    },
    /// The recovery id is not 0 or 1.
    #[error("seal has recovery id {got}, expected 0 or 1")]
    RecoveryId {
        /// The byte found.
        got: u8,
    },
    /// A scalar is zero or not below the order of the curve.
    #[error("seal scalar {name} is {got:#x}, expected 1..n")]
    Scalar {
        /// `r` or `s`.
        name: &'static str,
        /// The value found.
        got: U256,
    },
    /// No public key belongs to the signature.
    #[error("no signer can be recovered from the seal")]
    Recovery,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use alloy_consensus::crypto::secp256k1::sign_message;
    use alloy_primitives::{B256, address};

    fn seal(r: U256, s: U256, v: u8) -> Result<Seal, SealError> {
        let mut bytes = [0; SEAL_LENGTH];
        bytes[..32].copy_from_slice(&r.to_be_bytes::<32>());
        bytes[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        bytes[64] = v;
        Seal::new(bytes)
    }

    #[test]
    fn scalars_are_bounded_by_the_order() {
        let one = U256::from(1);
        let top = SECP256K1_N - one;
        assert!(seal(one, one, 0).is_ok());
        assert!(seal(top, top, 1).is_ok());
        assert!(matches!(seal(U256::ZERO, one, 0), Err(SealError::Scalar { name: "r", .. })));
        assert!(matches!(seal(one, U256::ZERO, 0), Err(SealError::Scalar { name: "s", .. })));
        assert!(matches!(seal(SECP256K1_N, one, 0), Err(SealError::Scalar { name: "r", .. })));
        assert!(matches!(seal(one, SECP256K1_N, 0), Err(SealError::Scalar { name: "s", .. })));
    }

    #[test]
    fn recovery_id_is_zero_or_one() {
        let one = U256::from(1);
        assert_eq!(seal(one, one, 2), Err(SealError::RecoveryId { got: 2 }));
        assert_eq!(seal(one, one, 27), Err(SealError::RecoveryId { got: 27 }));
    }

    #[test]
    fn low_and_high_s_recover_the_same_signer() {
        // Address of the private key 1.
        let signer = address!("7e5f4552091a69125d5dfcb7b8c2659029395bdf");
        let digest = SealDigest::from(B256::repeat_byte(7));
        let signature = sign_message(B256::with_last_byte(1), digest.into()).unwrap();
        let low = Seal::try_from(signature).unwrap();
        assert_eq!(low.recover(digest), Ok(signer));

        let flipped = Signature::new(signature.r(), SECP256K1_N - signature.s(), !signature.v());
        let high = Seal::try_from(flipped).unwrap();
        assert_ne!(low, high);
        assert_eq!(high.recover(digest), Ok(signer));
        assert_eq!(recover_seals(digest, &[low, high]), Ok(vec![signer, signer]));
    }

    #[test]
    fn seal_from_slice_checks_the_length() {
        assert_eq!(Seal::try_from([1u8; 64].as_slice()), Err(SealError::Length { got: 64 }));
    }
}
