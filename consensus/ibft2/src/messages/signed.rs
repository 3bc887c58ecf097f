//! A payload with its author's signature.

use alloy_primitives::{Address, B256, keccak256};
use alloy_rlp::{BufMut, Encodable};

use super::{
    error::DecodeError,
    payload::{MessageKind, Payload},
    rlp,
    wire::DecodeLimits,
};
use crate::{
    crypto::{Crypto, Signature65},
    seal::SEAL_LENGTH,
};

/// What the signing hash of a payload covers besides the payload.
///
/// Commit seals are the same in both: they sign the seal digest of the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SigningDomain {
    /// `keccak256(code ‖ RLP)`, as Besu. A RoundChange without a certificate can then be replayed
    /// on another chain that has a validator with the same key.
    #[default]
    Besu,
    /// `keccak256(code ‖ RLP ‖ chain id as 8 bytes, big endian ‖ genesis hash)`: signatures count on
    /// one chain only.
    ChainBound {
        /// Chain id of EIP-155.
        chain_id: u64,
        /// Hash of block 0.
        genesis_hash: B256,
    },
}

impl SigningDomain {
    /// The hash that the author of `payload` signs.
    pub fn signing_hash<P: Payload>(&self, payload: &P) -> B256 {
        // Room for the code in front and the domain behind.
        let mut bytes = Vec::with_capacity(rlp::sum([payload.length(), 1, 8, 32]));
        bytes.push(P::KIND.code());
        payload.encode(&mut bytes);
        if let Self::ChainBound { chain_id, genesis_hash } = self {
            bytes.extend_from_slice(&chain_id.to_be_bytes());
            bytes.extend_from_slice(genesis_hash.as_slice());
        }
        keccak256(bytes)
    }
}

/// A payload and the signature of its author, who is not named but recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signed<P> {
    /// What is said.
    pub payload: P,
    /// Who says it.
    pub signature: Signature65,
}

impl<P: Payload> Signed<P> {
    /// Joins a payload with a signature over its signing hash, which is brought to a low `s`.
    pub fn new(payload: P, signature: Signature65) -> Self {
        Self { payload, signature: signature.normalised() }
    }

    /// The kind of message that carries this payload.
    pub const fn kind(&self) -> MessageKind {
        P::KIND
    }

    /// Recovers the author: one signature recovery each time. `None` if no key belongs to the
    /// signature; whether the author is a validator is not checked.
    pub fn author(&self, crypto: &impl Crypto, domain: &SigningDomain) -> Option<Address> {
        crypto.recover(&domain.signing_hash(&self.payload), &self.signature)
    }

    /// Reads a signed payload from the start of `buf`, which is moved behind it.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that does not encode to the same bytes, exceeds `limits` or has
    /// a signature with a high `s`.
    pub fn decode(buf: &mut &[u8], limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let mut fields = rlp::list(buf, "signed payload")?;
        let payload = P::decode(&mut fields, limits)?;
        let signature = Signature65::new(rlp::fixed::<SEAL_LENGTH>(&mut fields, "signature")?)
            .map_err(|source| DecodeError::Signature { element: "signature", source })?;
        rlp::end(fields, "signed payload")?;
        if !signature.is_low_s() {
            return Err(DecodeError::HighS);
        }
        Ok(Self { payload, signature })
    }

    fn payload_length(&self) -> usize {
        rlp::sum([self.payload.length(), self.signature.length()])
    }
}

impl<P: Payload> Encodable for Signed<P> {
    fn encode(&self, out: &mut dyn BufMut) {
        rlp::list_header(self.payload_length(), out);
        self.payload.encode(out);
        self.signature.encode(out);
    }

    fn length(&self) -> usize {
        rlp::list_length(self.payload_length())
    }
}
