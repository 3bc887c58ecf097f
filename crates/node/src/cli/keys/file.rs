//! Private keys in files: plain hexadecimal as Besu writes them, or an encrypted keystore of
//! version 3 (Web3 Secret Storage) as geth, Foundry and the wallets do.

use crate::cli::exit::{OrUsage, UsageError};
use alloy_primitives::{B256, hex};
use alloy_signer::k256::elliptic_curve::rand_core::OsRng;
use alloy_signer_local::PrivateKeySigner;
use eyre::WrapErr;
use serde::Deserialize;
use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Largest file that is read as a key, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Most work that a keystore may ask of scrypt (`n`) or PBKDF2 (`c`), so that a crafted file cannot
/// hold a node's start for hours. geth writes 262,144.
const MOST_WORK: u64 = 16_777_216;

/// How a key is kept in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFormat {
    /// `0x` and 64 hexadecimal digits.
    Plain,
    /// Encrypted JSON, version 3.
    Keystore,
}

/// The contents of a key file that has been read but not yet opened.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    contents: Secret,
}

/// Text that is not shown by `{:?}`.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl KeyFile {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// [`UsageError`] if it cannot be read, is too large or is not text.
    pub fn read(path: &Path) -> eyre::Result<Self> {
        let name = path.display().to_string();
        let size = std::fs::metadata(path).or_usage(format!("key file {name}"))?.len();
        if size > LARGEST {
            let message = format!("key file {name}: {size} bytes, a key has at most {LARGEST}");
            return Err(UsageError::new(message).into());
        }
        let contents = std::fs::read_to_string(path).or_usage(format!("key file {name}"))?;
        Ok(Self { path: path.to_owned(), contents: Secret(contents) })
    }

    /// Whether it must be opened with a password.
    pub fn format(&self) -> KeyFormat {
        if self.contents.0.trim_start().starts_with('{') {
            KeyFormat::Keystore
        } else {
            KeyFormat::Plain
        }
    }

    /// The key. `password` is asked only for an encrypted file.
    ///
    /// # Errors
    ///
    /// [`UsageError`] if the file holds no valid key or the password is wrong; what `password`
    /// returns.
    pub fn open(
        &self,
        password: impl FnOnce() -> eyre::Result<String>,
    ) -> eyre::Result<PrivateKeySigner> {
        let name = self.path.display();
        match self.format() {
            KeyFormat::Plain => parse_key(&self.contents.0)
                .ok_or_else(|| UsageError::new(format!("key file {name}: {NOT_A_KEY}")).into()),
            KeyFormat::Keystore => {
                check_keystore(&self.contents.0).map_err(|reason| {
                    UsageError::new(format!(
                        "key file {name}: not a keystore of version 3: {reason}"
                    ))
                })?;
                PrivateKeySigner::decrypt_keystore(&self.path, password()?)
                    .or_usage(format!("key file {name}: wrong password or damaged file"))
            }
        }
    }
}

const NOT_A_KEY: &str = "expected a private key: 64 hexadecimal digits, 0x optional, \
                         between 1 and the order of secp256k1";

/// A private key as text: 64 hexadecimal digits, `0x` optional, space around it ignored.
pub fn parse_key(text: &str) -> Option<PrivateKeySigner> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let bytes: B256 = (digits.len() == 64).then(|| digits.parse().ok()).flatten()?;
    PrivateKeySigner::from_bytes(&bytes).ok()
}

/// What of a keystore is looked at before the library takes it.
#[derive(Deserialize)]
struct Keystore {
    version: u64,
    #[serde(alias = "Crypto")]
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    ciphertext: String,
    cipherparams: CipherParams,
    kdf: String,
    kdfparams: KdfParams,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u64,
    n: Option<u64>,
    r: Option<u64>,
    p: Option<u64>,
    c: Option<u64>,
}

/// The library indexes into the derived key and the initial vector without looking at their length.
fn check_keystore(text: &str) -> Result<(), String> {
    let keystore: Keystore = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let crypto = &keystore.crypto;
    let expect = |ok: bool, what: &str| if ok { Ok(()) } else { Err(what.to_owned()) };
    expect(keystore.version == 3, "version is not 3")?;
    expect(crypto.cipher == "aes-128-ctr", "crypto.cipher is not aes-128-ctr")?;
    expect(crypto.ciphertext.len() == 64, "crypto.ciphertext is not 32 bytes")?;
    expect(crypto.cipherparams.iv.len() == 32, "crypto.cipherparams.iv is not 16 bytes")?;
    let kdf = &crypto.kdfparams;
    expect(kdf.dklen == 32, "crypto.kdfparams.dklen is not 32")?;
    match crypto.kdf.as_str() {
        "scrypt" => {
            let n = kdf.n.unwrap_or_default();
            expect(n.is_power_of_two() && n > 1, "crypto.kdfparams.n is not a power of two")?;
            let lanes = kdf.r.unwrap_or_default().saturating_mul(kdf.p.unwrap_or_default());
            expect((1..=64).contains(&lanes), "crypto.kdfparams.r times p is not in 1..=64")?;
            expect(n.saturating_mul(lanes) <= MOST_WORK, "crypto.kdfparams asks for too much work")
        }
        "pbkdf2" => {
            let c = kdf.c.unwrap_or_default();
            expect((1..=MOST_WORK).contains(&c), "crypto.kdfparams.c is not in 1..=16777216")
        }
        _ => Err("crypto.kdf is neither scrypt nor pbkdf2".to_owned()),
    }
}

/// Writes a key to a new file that only its owner can read.
///
/// With `password` the file is a keystore, otherwise plain hexadecimal. The file appears under its
/// name when it is complete and synced, or not at all.
///
/// # Errors
///
/// [`UsageError`] if the file exists; else what the file system says.
pub fn write_key(
    path: &Path,
    signer: &PrivateKeySigner,
    password: Option<&str>,
) -> eyre::Result<()> {
    let folder = parent(path);
    std::fs::create_dir_all(folder).wrap_err_with(|| show(folder))?;
    let contents = match password {
        Some(password) => encrypt(path, signer, password)?,
        None => format!("{:#x}\n", signer.to_bytes()),
    };
    write_private(path, contents.as_bytes())
}

/// The keystore library writes to a folder of its choice; it gets one of its own.
fn encrypt(path: &Path, signer: &PrivateKeySigner, password: &str) -> eyre::Result<String> {
    let folder = beside(path, "keystore");
    refuse_existing(path)?;
    DirBuilder::new().mode(0o700).create(&folder).wrap_err_with(|| show(&folder))?;
    let key = signer.to_bytes();
    let made = PrivateKeySigner::encrypt_keystore(&folder, &mut OsRng, key, password, Some("key"))
        .wrap_err("cannot encrypt the key")
        .and_then(|_| Ok(std::fs::read_to_string(folder.join("key"))?));
    std::fs::remove_dir_all(&folder).wrap_err_with(|| show(&folder))?;
    Ok(made? + "\n")
}

/// Creates `path` with mode 0600 in a folder that exists: a synced file beside it is linked under the name, which fails if
/// the name is taken.
pub(crate) fn write_private(path: &Path, contents: &[u8]) -> eyre::Result<()> {
    refuse_existing(path)?;
    let folder = parent(path);
    let draft = beside(path, "new");
    let result = write_draft(&draft, contents).and_then(|()| {
        std::fs::hard_link(&draft, path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => exists(path),
            _ => eyre::Report::new(error).wrap_err(show(path)),
        })
    });
    // A draft that cannot be removed is private and named after what it is; the error counts more.
    let removed = std::fs::remove_file(&draft);
    result?;
    removed.wrap_err_with(|| show(&draft))?;
    File::open(folder).and_then(|folder| folder.sync_all()).wrap_err_with(|| show(folder))
}

fn write_draft(draft: &Path, contents: &[u8]) -> eyre::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
        .wrap_err_with(|| show(draft))?;
    file.write_all(contents).and_then(|()| file.sync_all()).wrap_err_with(|| show(draft))
}

fn refuse_existing(path: &Path) -> eyre::Result<()> {
    // A dangling link counts as existing: what it points to is somebody else's decision.
    match path.symlink_metadata() {
        Ok(_) => Err(exists(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).wrap_err_with(|| show(path)),
    }
}

fn exists(path: &Path) -> eyre::Report {
    let path = path.display();
    UsageError::new(format!("{path} exists; a key is never overwritten, move it away first")).into()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name for temporary use in the folder of `path`, distinct for each process.
fn beside(path: &Path, purpose: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    parent(path).join(format!(".{name}.{purpose}.{}", std::process::id()))
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

/// The 64 bytes of the public key as `0x` and 128 hexadecimal digits, as Besu and enode URLs write
/// it (without the leading 04 of SEC 1).
pub fn public_key(signer: &PrivateKeySigner) -> String {
    let point = signer.credential().verifying_key().to_encoded_point(false);
    hex::encode_prefixed(point.as_bytes().get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const KEY: &str = "0x8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63";

    fn no_password() -> eyre::Result<String> {
        Err(eyre::eyre!("a password was asked for"))
    }

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_plain_key_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/key");
        let signer = parse_key(KEY).unwrap();
        write_key(&path, &signer, None).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{KEY}\n"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files(path.parent().unwrap()), ["key"]);
        let file = KeyFile::read(&path).unwrap();
        assert_eq!(file.open(no_password).unwrap().address(), signer.address());
        assert!(!format!("{file:?}").contains("8f2a"), "{file:?}");
    }

    #[test]
    fn an_encrypted_key_needs_its_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let signer = parse_key(KEY).unwrap();
        write_key(&path, &signer, Some("secret")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(files(folder.path()), ["key"]);
        let file = KeyFile::read(&path).unwrap();
        assert_eq!(file.format(), KeyFormat::Keystore);
        assert_eq!(file.open(|| Ok("secret".into())).unwrap().address(), signer.address());
        let wrong = file.open(|| Ok("Secret".into())).unwrap_err();
        assert!(wrong.to_string().contains("wrong password"), "{wrong}");
    }

    #[test]
    fn a_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "mine").unwrap();
        let signer = parse_key(KEY).unwrap();
        for password in [None, Some("secret")] {
            let error = write_key(&path, &signer, password).unwrap_err();
            assert_eq!(crate::cli::exit::code(&Err(error)), 2);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(files(folder.path()), ["key"]);
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_file_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let zero = format!("0x{}", "0".repeat(64));
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        for text in ["", "0x", "12", &zero, order, &KEY[..65], "{", "{}"] {
            std::fs::write(&path, text).unwrap();
            let error = KeyFile::read(&path).unwrap().open(no_password).unwrap_err();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert_eq!(crate::cli::exit::code(&Err(error)), 2, "{text}");
        }
        std::fs::write(&path, "1".repeat(70_000)).unwrap();
        assert!(KeyFile::read(&path).is_err());
        assert!(KeyFile::read(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn a_crafted_keystore_is_refused_before_it_costs_anything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_key(&path, &parse_key(KEY).unwrap(), Some("secret")).unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        check_keystore(&good).unwrap();
        for (from, to) in [
            ("\"dklen\":32", "\"dklen\":8"),
            ("\"n\":8192", "\"n\":2147483648"),
            ("\"n\":8192", "\"n\":8191"),
            ("\"r\":8", "\"r\":0"),
            ("\"version\":3", "\"version\":1"),
            ("aes-128-ctr", "aes-128-cbc"),
            ("\"iv\":\"", "\"iv\":\"00"),
        ] {
            assert!(good.contains(from), "{from}");
            let crafted = good.replacen(from, to, 1);
            assert!(check_keystore(&crafted).is_err(), "{to}");
        }
    }

    #[test]
    fn the_public_key_hashes_to_the_address() {
        let signer = parse_key(KEY).unwrap();
        let public = hex::decode(public_key(&signer)).unwrap();
        assert_eq!(public.len(), 64);
        assert_eq!(alloy_primitives::Address::from_raw_public_key(&public), signer.address());
    }
}
