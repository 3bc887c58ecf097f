//! The validator's key.

use crate::EngineError;
use alloy_primitives::Address;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use peruri_ibft2::{Seal, SealDigest};

/// Signs commit seals with a key in memory.
#[derive(Clone)]
pub struct SealSigner {
    key: PrivateKeySigner,
}

impl SealSigner {
    /// A signer for `key`.
    pub const fn new(key: PrivateKeySigner) -> Self {
        Self { key }
    }

    /// The validator's address.
    pub const fn address(&self) -> Address {
        self.key.address()
    }

    /// The commit seal over `digest`: a deterministic (RFC 6979), low-s signature over the digest
    /// itself, without prefix.
    ///
    /// # Errors
    /// [`EngineError::Signing`].
    pub fn seal(&self, digest: SealDigest) -> Result<Seal, EngineError> {
        let failed = |reason: String| EngineError::Signing { validator: self.address(), reason };
        let signature =
            self.key.sign_hash_sync(&digest.into()).map_err(|error| failed(error.to_string()))?;
        Seal::try_from(signature).map_err(|error| failed(error.to_string()))
    }
}

impl std::fmt::Debug for SealSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SealSigner").field(&self.address()).finish()
    }
}
