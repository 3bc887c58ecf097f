//! The validator's key.

use crate::EngineError;
use alloy_primitives::{Address, B256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use peruri_ibft2::{Seal, Signature65};

/// Signs messages and commit seals with a key in memory.
#[derive(Clone)]
pub struct ValidatorSigner {
    key: PrivateKeySigner,
}

impl ValidatorSigner {
    /// A signer for `key`.
    pub const fn new(key: PrivateKeySigner) -> Self {
        Self { key }
    }

    /// The validator's address.
    pub const fn address(&self) -> Address {
        self.key.address()
    }

    /// A deterministic (RFC 6979) signature over the digest itself, without prefix.
    ///
    /// # Errors
    /// [`EngineError::Signing`].
    pub fn sign(&self, digest: B256) -> Result<Signature65, EngineError> {
        let failed = |reason: String| EngineError::Signing { validator: self.address(), reason };
        let signature =
            self.key.sign_hash_sync(&digest).map_err(|error| failed(error.to_string()))?;
        let seal = Seal::try_from(signature).map_err(|error| failed(error.to_string()))?;
        Ok(seal.into())
    }
}

impl std::fmt::Debug for ValidatorSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ValidatorSigner").field(&self.address()).finish()
    }
}
