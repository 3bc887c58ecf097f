//! The two keys of a source, read from files that only their owner can read.

use super::{ActivityConfig, ConfigError};
use alloy_primitives::{Address, B256};
use alloy_signer::{Signature, SignerSync};
use alloy_signer_local::PrivateKeySigner;
use peruri_plog::entry;
use std::{fs::File, io::Read, os::unix::fs::PermissionsExt, path::Path};

/// Largest file that is read as a key, in bytes.
const LARGEST: u64 = 1_024;

/// The key that signs the source's transactions and promises, and nothing else.
#[derive(Clone)]
pub struct SourceKey(PrivateKeySigner);

/// K_subject: the organisation's key, from which pseudonyms are made.
#[derive(Clone)]
pub struct SubjectKey([u8; 32]);

impl ActivityConfig {
    /// Reads the source's key.
    ///
    /// # Errors
    /// [`ConfigError`] if the file cannot be read, can be read by others, or holds no key.
    pub fn read_source_key(&self) -> Result<SourceKey, ConfigError> {
        read_secret(&self.source_key)
            .and_then(|secret| SourceKey::new(&secret))
            .map_err(|reason| ConfigError::new("source_key", reason))
    }

    /// Reads the organisation's key; `None` if none is configured.
    ///
    /// # Errors
    /// As [`read_source_key`](Self::read_source_key).
    pub fn read_subject_key(&self) -> Result<Option<SubjectKey>, ConfigError> {
        let secret = self.subject_key.as_deref().map(read_secret).transpose();
        secret
            .map(|secret| secret.map(|secret| SubjectKey(secret.0)))
            .map_err(|reason| ConfigError::new("subject_key", reason))
    }
}

impl SourceKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// A text if they are no private key of secp256k1.
    pub fn new(secret: &B256) -> Result<Self, String> {
        let signer = PrivateKeySigner::from_bytes(secret);
        signer.map(Self).map_err(|_| "not between 1 and the order of secp256k1".to_owned())
    }

    /// The source's signer on chain.
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    /// A deterministic (RFC 6979) signature with low s over a digest.
    ///
    /// # Errors
    /// The library's.
    pub(crate) fn sign(&self, digest: &B256) -> Result<Signature, alloy_signer::Error> {
        self.0.sign_hash_sync(digest)
    }
}

impl SubjectKey {
    /// The key with these bytes.
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The pseudonym of a user.
    pub fn subject(&self, user_id: &str) -> B256 {
        entry::subject(&self.0, user_id)
    }
}

impl std::fmt::Debug for SourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SourceKey").field(&self.address()).finish()
    }
}

impl std::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectKey(…)")
    }
}

/// 32 bytes in hex, `0x` optional, space around them ignored, from a file of mode 0600 or less.
fn read_secret(path: &Path) -> Result<B256, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{}: mode {mode:04o}, expected 0600", path.display()));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let secret = (digits.len() == 64).then(|| digits.parse().ok()).flatten();
    secret.ok_or_else(|| format!("{}: expected 64 hexadecimal digits", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::{self, Permissions};

    fn config(folder: &Path) -> ActivityConfig {
        let text = format!("log = \"{}\"\nsource = 1\nsource_key = \"k\"", B256::ZERO);
        let mut config: ActivityConfig = toml::from_str(&text).unwrap();
        config.source_key = folder.join("key");
        config
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn keys_are_read_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        assert!(config.read_subject_key().unwrap().is_none());
        let secret = "8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63";
        for text in [secret.to_owned(), format!("0x{secret}\n")] {
            write(&config.source_key, &text, 0o600);
            let key = config.read_source_key().unwrap();
            assert_eq!(
                key.address().to_string(),
                "0xfe3b557e8fb62b89f4916b721be55ceb828dbd73"
                    .parse::<Address>()
                    .unwrap()
                    .to_string()
            );
            assert!(!format!("{key:?}").contains("8f2a"));
        }
        config.subject_key = Some(config.source_key.clone());
        let subject = config.read_subject_key().unwrap().unwrap();
        assert!(!format!("{subject:?}").contains("143"));
        let secret: B256 = secret.parse().unwrap();
        assert_eq!(subject.subject("u"), entry::subject(&secret.0, "u"));
    }

    #[test]
    fn a_file_that_others_can_read_or_that_holds_no_key_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        assert!(config.read_source_key().unwrap_err().reason.contains("key: "));
        let secret = "11".repeat(32);
        write(&config.source_key, &secret, 0o640);
        let error = config.read_source_key().unwrap_err();
        assert!(error.to_string().contains("mode 0640"), "{error}");
        for bad in ["", "0x", &secret[1..], &"0".repeat(64), &"g".repeat(64), &"f".repeat(64)] {
            write(&config.source_key, bad, 0o600);
            assert_eq!(config.read_source_key().unwrap_err().field, "source_key", "{bad}");
        }
    }
}
