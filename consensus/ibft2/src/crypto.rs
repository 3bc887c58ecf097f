//! Signatures of consensus messages and who recovers their signers.
//!
//! The crate never signs: the driver holds the key. Recovery goes through [`Crypto`], so that a
//! simulator can put a cheap keyed hash in the place of secp256k1.

use alloy_consensus::crypto::secp256k1::recover_signer_unchecked;
use alloy_primitives::{Address, B256, U256, uint};
use alloy_rlp::{BufMut, Encodable};

use crate::{
    hash::SealDigest,
    seal::{SEAL_LENGTH, SECP256K1_N, Seal, SealError},
};

/// Half of the order of the secp256k1 group, rounded down: the greatest low `s`.
const SECP256K1_HALF_N: U256 =
    uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// A recoverable signature: `r` (32 bytes), `s` (32 bytes) and recovery id (0 or 1), with `r` and
/// `s` in `1..n`.
///
/// The same form as a [`Seal`]. Signatures of messages must have a low `s` besides, which the
/// decoder of messages checks; [`Self::normalised`] gives that form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature65(Seal);

impl Signature65 {
    /// A signature from its bytes. A high `s` is kept as it is.
    ///
    /// # Errors
    /// [`SealError`] if the recovery id is not 0 or 1 or a scalar is not in `1..n`.
    pub fn new(bytes: [u8; SEAL_LENGTH]) -> Result<Self, SealError> {
        Seal::new(bytes).map(Self)
    }

    /// The bytes `r`, `s`, recovery id.
    pub const fn as_bytes(&self) -> &[u8; SEAL_LENGTH] {
        self.0.as_bytes()
    }

    /// Whether `s` is at most half of the order, as Besu demands of signatures of messages.
    pub fn is_low_s(&self) -> bool {
        self.0.s() <= SECP256K1_HALF_N
    }

    /// The form with a low `s` of the same signature. Both forms recover the same signer.
    #[must_use]
    pub fn normalised(&self) -> Self {
        if self.is_low_s() {
            return *self;
        }
        let mut bytes = *self.0.as_bytes();
        // `s` is below n, so nothing underflows.
        let s = SECP256K1_N.saturating_sub(self.0.s()).to_be_bytes::<32>();
        bytes[32..64].copy_from_slice(&s);
        bytes[64] ^= 1;
        Seal::new(bytes).map_or(*self, Self)
    }
}

impl From<Seal> for Signature65 {
    fn from(seal: Seal) -> Self {
        Self(seal)
    }
}

impl From<Signature65> for Seal {
    fn from(signature: Signature65) -> Self {
        signature.0
    }
}

impl TryFrom<&[u8]> for Signature65 {
    type Error = SealError;

    fn try_from(bytes: &[u8]) -> Result<Self, SealError> {
        Seal::try_from(bytes).map(Self)
    }
}

impl Encodable for Signature65 {
    fn encode(&self, out: &mut dyn BufMut) {
        self.0.encode(out);
    }

    fn length(&self) -> usize {
        self.0.length()
    }
}

/// Recovers the signers of messages and seals.
pub trait Crypto {
    /// The address whose key signed `hash`, or `None` if no key belongs to `signature`. Does not
    /// check that `s` is low.
    fn recover(&self, hash: &B256, signature: &Signature65) -> Option<Address>;

    /// The signer of a commit seal over `digest`.
    fn recover_seal(&self, digest: SealDigest, seal: &Seal) -> Option<Address> {
        self.recover(&digest.0, &Signature65::from(*seal))
    }
}

impl<C: Crypto + ?Sized> Crypto for &C {
    fn recover(&self, hash: &B256, signature: &Signature65) -> Option<Address> {
        (**self).recover(hash, signature)
    }
}

/// ECDSA on secp256k1, the cryptography of every real chain (libsecp256k1 where alloy is built with
/// it).
#[derive(Debug, Clone, Copy, Default)]
pub struct Secp256k1Crypto;

impl Crypto for Secp256k1Crypto {
    fn recover(&self, hash: &B256, signature: &Signature65) -> Option<Address> {
        recover_signer_unchecked(&signature.0.into(), *hash).ok()
    }
}
