//! The two slots and the blocks beside them.

use super::{SignRecord, SignStateError, slot};
use alloy_primitives::{Address, B256, Bytes};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The sign state on disk.
#[derive(Debug)]
pub struct SignStore {
    path: PathBuf,
    record: SignRecord,
}

impl SignStore {
    /// Writes the first record into a new folder. Done once, by `init`; a start never does it, so that
    /// a lost sign state is noticed.
    ///
    /// # Errors
    /// [`SignStateError::Exists`], or the failed write.
    pub fn create(
        path: &Path,
        genesis_hash: B256,
        validator: Address,
    ) -> Result<Self, SignStateError> {
        if [0, 1].iter().any(|i| slot_path(path, *i).exists()) {
            return Err(SignStateError::Exists { path: path.to_owned() });
        }
        fs::create_dir_all(path).map_err(io_error("create", path))?;
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
        let record = SignRecord::first(genesis_hash, validator);
        write_slot(path, &record)?;
        Ok(Self { path: path.to_owned(), record })
    }

    /// Reads the newest whole record and checks whose it is.
    ///
    /// # Errors
    /// [`SignStateError::Missing`], [`SignStateError::Damaged`] when no slot is whole,
    /// [`SignStateError::WrongChain`], [`SignStateError::WrongValidator`], or the failed read.
    pub fn open(
        path: &Path,
        genesis_hash: B256,
        validator: Address,
    ) -> Result<Self, SignStateError> {
        let record = newest_record(path)?;
        if record.genesis_hash != genesis_hash {
            return Err(SignStateError::WrongChain {
                expected: genesis_hash,
                got: record.genesis_hash,
            });
        }
        if record.validator != validator {
            return Err(SignStateError::WrongValidator {
                expected: validator,
                got: record.validator,
            });
        }
        Ok(Self { path: path.to_owned(), record })
    }

    /// The newest durable record.
    pub const fn record(&self) -> &SignRecord {
        &self.record
    }

    /// Makes `block` (RLP, sealed) durable, then the record that names it. When this returns, the
    /// block may be shown to others.
    ///
    /// # Errors
    /// [`SignStateError::HeightFalls`] if `height` is not above the newest one, or the failed write:
    /// the caller must not sign any more.
    pub fn persist(
        &mut self,
        height: u64,
        block_hash: B256,
        block: &[u8],
    ) -> Result<(), SignStateError> {
        if height <= self.record.height {
            return Err(SignStateError::HeightFalls { newest: self.record.height, got: height });
        }
        let previous = self.record.block_hash;
        write_synced(&block_path(&self.path, block_hash), block)?;
        let record = self.record.next(height, block_hash);
        write_slot(&self.path, &record)?;
        self.record = record;
        self.remove_block(previous)
    }

    /// The block that the newest record names (RLP, sealed); `None` if nothing was signed yet.
    ///
    /// # Errors
    /// The failed read; a missing file is damage.
    pub fn signed_block(&self) -> Result<Option<Bytes>, SignStateError> {
        if self.record.height == 0 {
            return Ok(None);
        }
        let path = block_path(&self.path, self.record.block_hash);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(err) if err.kind() == io::ErrorKind::NotFound => Err(SignStateError::Damaged {
                path: self.path.clone(),
                reason: format!("block {} is missing", self.record.block_hash),
            }),
            Err(source) => Err(SignStateError::Io { action: "read", path, source }),
        }
    }

    /// Removes a block that no record names any more. The other slot may still name it, but its
    /// record is older than the durable one and never read again unless the newer slot is damaged,
    /// in which case its height lies below the database's head.
    fn remove_block(&self, block_hash: B256) -> Result<(), SignStateError> {
        if block_hash.is_zero() {
            return Ok(());
        }
        let path = block_path(&self.path, block_hash);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(SignStateError::Io { action: "remove", path, source })
            }
            _ => Ok(()),
        }
    }
}

/// Reads both slots and takes the newer whole one.
fn newest_record(path: &Path) -> Result<SignRecord, SignStateError> {
    let mut newest: Option<SignRecord> = None;
    let mut damage = Vec::new();
    let mut found = false;
    for index in [0, 1] {
        let file = slot_path(path, index);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(SignStateError::Io { action: "read", path: file, source }),
        };
        found = true;
        match slot::decode(&bytes) {
            Ok(record) => {
                if newest.as_ref().is_none_or(|n| n.sequence < record.sequence) {
                    newest = Some(record);
                }
            }
            Err(reason) => damage.push(format!("slot {index}: {reason}")),
        }
    }
    match newest {
        Some(record) => Ok(record),
        None if found => {
            Err(SignStateError::Damaged { path: path.to_owned(), reason: damage.join(", ") })
        }
        None => Err(SignStateError::Missing { path: path.to_owned() }),
    }
}

/// Writes `record` into the slot whose turn it is, leaving the other one whole.
fn write_slot(path: &Path, record: &SignRecord) -> Result<(), SignStateError> {
    write_synced(&slot_path(path, record.sequence % 2), &slot::encode(record))
}

fn slot_path(path: &Path, index: u64) -> PathBuf {
    path.join(format!("slot-{index}"))
}

fn block_path(path: &Path, block_hash: B256) -> PathBuf {
    path.join(format!("{block_hash}.block"))
}

/// Writes a whole file and syncs it; syncs the folder too when the file is new.
fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), SignStateError> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(io_error("open", path))?;
    file.write_all(bytes).map_err(io_error("write", path))?;
    file.sync_data().map_err(io_error("sync", path))?;
    match path.parent() {
        Some(parent) if is_new => sync_dir(parent),
        _ => Ok(()),
    }
}

fn sync_dir(path: &Path) -> Result<(), SignStateError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io_error("sync", path))
}

fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> SignStateError + 'a {
    move |source| SignStateError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const GENESIS: B256 = B256::repeat_byte(1);
    const VALIDATOR: Address = Address::repeat_byte(2);

    fn store() -> (tempfile::TempDir, SignStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = SignStore::create(&dir.path().join("sign"), GENESIS, VALIDATOR).unwrap();
        (dir, store)
    }

    fn reopen(store: &SignStore) -> Result<SignStore, SignStateError> {
        SignStore::open(&store.path, GENESIS, VALIDATOR)
    }

    #[test]
    fn a_record_and_its_block_survive_reopening() {
        let (_dir, mut store) = store();
        store.persist(1, B256::repeat_byte(5), b"block one").unwrap();
        store.persist(2, B256::repeat_byte(6), b"block two").unwrap();
        let again = reopen(&store).unwrap();
        assert_eq!(again.record(), store.record());
        assert_eq!(again.signed_block().unwrap().unwrap().as_ref(), b"block two");
        assert!(!block_path(&store.path, B256::repeat_byte(5)).exists());
    }

    #[test]
    fn a_height_is_signed_once() {
        let (_dir, mut store) = store();
        store.persist(3, B256::repeat_byte(5), b"x").unwrap();
        for height in [0, 2, 3] {
            let err = store.persist(height, B256::repeat_byte(9), b"y").unwrap_err();
            assert!(matches!(err, SignStateError::HeightFalls { newest: 3, .. }), "{err}");
        }
    }

    #[test]
    fn a_torn_newer_slot_leaves_the_older_one() {
        let (_dir, mut store) = store();
        store.persist(1, B256::repeat_byte(5), b"x").unwrap();
        let newest = slot_path(&store.path, store.record().sequence % 2);
        let bytes = fs::read(&newest).unwrap();
        fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(reopen(&store).unwrap().record().height, 0);
    }

    #[test]
    fn damage_loss_and_strangers_are_told_apart() {
        let (_dir, store) = store();
        assert!(matches!(
            SignStore::create(&store.path, GENESIS, VALIDATOR),
            Err(SignStateError::Exists { .. })
        ));
        assert!(matches!(
            SignStore::open(&store.path, B256::ZERO, VALIDATOR),
            Err(SignStateError::WrongChain { .. })
        ));
        assert!(matches!(
            SignStore::open(&store.path, GENESIS, Address::ZERO),
            Err(SignStateError::WrongValidator { .. })
        ));
        let only = slot_path(&store.path, 1);
        fs::write(&only, b"junk").unwrap();
        assert!(matches!(reopen(&store), Err(SignStateError::Damaged { .. })));
        fs::remove_file(&only).unwrap();
        assert!(matches!(reopen(&store), Err(SignStateError::Missing { .. })));
    }

    #[test]
    fn a_lost_block_file_is_damage() {
        let (_dir, mut store) = store();
        store.persist(1, B256::repeat_byte(5), b"x").unwrap();
        fs::remove_file(block_path(&store.path, B256::repeat_byte(5))).unwrap();
        assert!(matches!(store.signed_block(), Err(SignStateError::Damaged { .. })));
    }
}
