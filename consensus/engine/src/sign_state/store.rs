//! The two slots and the blocks beside them.

use super::{SignRecord, SignStateError, slot};
use alloy_primitives::{Address, B256, Bytes};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// File whose lock keeps a second process out.
const LOCK: &str = "LOCK";
/// Ending of the files that hold blocks.
const BLOCK_SUFFIX: &str = ".block";

/// False only in a build that shows that the power-cut scenario notices missing syncs.
const SYNCS: bool = cfg!(not(feature = "fault-no-sync"));

/// The sign state on disk. While it lives no other process, nor this one, can open it again.
#[derive(Debug)]
pub struct SignStore {
    path: PathBuf,
    record: SignRecord,
    /// Block that the other slot names; zero for none.
    older_block: B256,
    /// Set by a failed write: what is on disk is not known any more.
    failed: bool,
    /// Holds the lock until it is closed.
    _lock: File,
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
        let lock = lock(path)?;
        let record = SignRecord::first(genesis_hash, validator);
        write_slot(path, &record)?;
        Ok(Self::new(path.to_owned(), record, B256::ZERO, lock))
    }

    const fn new(path: PathBuf, record: SignRecord, older_block: B256, lock: File) -> Self {
        Self { path, record, older_block, failed: false, _lock: lock }
    }

    /// Reads the newest whole record, checks whose it is, and makes durable what was read: a process
    /// that was killed may have written a record without syncing it.
    ///
    /// # Errors
    /// [`SignStateError::Missing`], [`SignStateError::Locked`], [`SignStateError::Damaged`] when no
    /// slot is whole, [`SignStateError::WrongChain`], [`SignStateError::WrongValidator`], or the
    /// failed read or sync.
    pub fn open(
        path: &Path,
        genesis_hash: B256,
        validator: Address,
    ) -> Result<Self, SignStateError> {
        if !path.is_dir() {
            return Err(SignStateError::Missing { path: path.to_owned() });
        }
        let lock = lock(path)?;
        let (record, older) = newest_records(path)?;
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
        let older_block = older.map_or(B256::ZERO, |older| older.block_hash);
        sync_all(path, record.block_hash)?;
        remove_orphans(path, &[record.block_hash, older_block])?;
        Ok(Self::new(path.to_owned(), record, older_block, lock))
    }

    /// The newest whole record in the folder `path`, for tools that only look: nothing is locked or
    /// written, so that a running validator is not disturbed.
    ///
    /// # Errors
    /// [`SignStateError::Missing`], [`SignStateError::Damaged`] when no slot is whole, or the failed
    /// read.
    pub fn peek(path: &Path) -> Result<SignRecord, SignStateError> {
        newest_records(path).map(|(newest, _)| newest)
    }

    /// The newest durable record.
    pub const fn record(&self) -> &SignRecord {
        &self.record
    }

    /// Whether a seal may be made at `height`. To be asked before the key is used.
    ///
    /// # Errors
    /// [`SignStateError::HeightFalls`] if `height` is not above the newest one,
    /// [`SignStateError::Failed`] after a failed write.
    pub const fn may_sign(&self, height: u64) -> Result<(), SignStateError> {
        if self.failed {
            return Err(SignStateError::Failed);
        }
        if height <= self.record.height {
            return Err(SignStateError::HeightFalls { newest: self.record.height, got: height });
        }
        Ok(())
    }

    /// Makes `block` (RLP, sealed) durable, then the record that names it. When this returns, the
    /// block may be shown to others. After a failed write nothing more is taken.
    ///
    /// # Errors
    /// As [`may_sign`](Self::may_sign), or the failed write: the caller must not sign any more.
    pub fn persist(
        &mut self,
        height: u64,
        block_hash: B256,
        block: &[u8],
    ) -> Result<(), SignStateError> {
        self.may_sign(height)?;
        self.failed = true;
        write_synced(&block_path(&self.path, block_hash), block)?;
        let record = self.record.next(height, block_hash);
        write_slot(&self.path, &record)?;
        // The slot of the record before the last one is gone, and with it the name of its block.
        let unnamed = std::mem::replace(&mut self.older_block, self.record.block_hash);
        self.record = record;
        self.failed = false;
        if !unnamed.is_zero() {
            remove(&block_path(&self.path, unnamed))?;
        }
        Ok(())
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
}

/// Reads both slots: the newer whole record, and the older one if it is whole too.
fn newest_records(path: &Path) -> Result<(SignRecord, Option<SignRecord>), SignStateError> {
    let mut records = Vec::new();
    let mut damage = Vec::new();
    for index in [0, 1] {
        let file = slot_path(path, index);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(SignStateError::Io { action: "read", path: file, source }),
        };
        match slot::decode(&bytes) {
            Ok(record) => records.push(record),
            Err(reason) => damage.push(format!("slot {index}: {reason}")),
        }
    }
    records.sort_unstable_by_key(|record| record.sequence);
    match records.pop() {
        Some(newest) => Ok((newest, records.pop())),
        None if damage.is_empty() => Err(SignStateError::Missing { path: path.to_owned() }),
        None => Err(SignStateError::Damaged { path: path.to_owned(), reason: damage.join(", ") }),
    }
}

/// Takes the lock of the folder `path`. The operating system gives it back when the process ends,
/// however it ends.
fn lock(path: &Path) -> Result<File, SignStateError> {
    let file_path = path.join(LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&file_path)
        .map_err(io_error("open", &file_path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SignStateError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => {
            Err(SignStateError::Io { action: "lock", path: file_path, source })
        }
    }
}

/// Syncs slots, the named block and the folder.
fn sync_all(path: &Path, block_hash: B256) -> Result<(), SignStateError> {
    for file in [slot_path(path, 0), slot_path(path, 1), block_path(path, block_hash)] {
        match File::open(&file).and_then(|open| if SYNCS { open.sync_all() } else { Ok(()) }) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(SignStateError::Io { action: "sync", path: file, source });
            }
            _ => {}
        }
    }
    sync_dir(path)
}

/// Removes the blocks that no record names: of a crash between block and record.
fn remove_orphans(path: &Path, named: &[B256]) -> Result<(), SignStateError> {
    for entry in fs::read_dir(path).map_err(io_error("read", path))? {
        let entry = entry.map_err(io_error("read", path))?;
        let name = entry.file_name();
        let hash = name.to_str().and_then(|name| name.strip_suffix(BLOCK_SUFFIX));
        let hash = hash.and_then(|hash| hash.parse::<B256>().ok());
        if hash.is_some_and(|hash| !named.contains(&hash)) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), SignStateError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(SignStateError::Io { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
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
    path.join(format!("{block_hash}{BLOCK_SUFFIX}"))
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
    if SYNCS {
        file.sync_data().map_err(io_error("sync", path))?;
    }
    match path.parent() {
        Some(parent) if is_new => sync_dir(parent),
        _ => Ok(()),
    }
}

fn sync_dir(path: &Path) -> Result<(), SignStateError> {
    let sync = |dir: File| if SYNCS { dir.sync_all() } else { Ok(()) };
    File::open(path).and_then(sync).map_err(io_error("sync", path))
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

    /// Opens the store of `store` again, as a later process would.
    fn reopen(store: SignStore) -> Result<SignStore, SignStateError> {
        let path = store.path.clone();
        drop(store);
        SignStore::open(&path, GENESIS, VALIDATOR)
    }

    fn hash(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    #[test]
    fn a_record_and_its_block_survive_reopening() {
        let (_dir, mut store) = store();
        store.persist(1, hash(5), b"block one").unwrap();
        store.persist(2, hash(6), b"block two").unwrap();
        let record = store.record().clone();
        let again = reopen(store).unwrap();
        assert_eq!(again.record(), &record);
        assert_eq!(again.signed_block().unwrap().unwrap().as_ref(), b"block two");
    }

    #[test]
    fn a_block_stays_as_long_as_a_slot_names_it() {
        let (_dir, mut store) = store();
        for (height, byte) in [(1, 5), (2, 6), (3, 7)] {
            store.persist(height, hash(byte), b"block").unwrap();
        }
        let exists = |store: &SignStore, byte| block_path(&store.path, hash(byte)).exists();
        assert_eq!([5, 6, 7].map(|byte| exists(&store, byte)), [false, true, true]);
        let mut store = reopen(store).unwrap();
        assert_eq!([6, 7].map(|byte| exists(&store, byte)), [true, true]);
        store.persist(4, hash(8), b"block").unwrap();
        assert_eq!([6, 7, 8].map(|byte| exists(&store, byte)), [false, true, true]);
    }

    #[test]
    fn a_block_without_a_record_is_removed_at_the_next_start() {
        let (_dir, mut store) = store();
        store.persist(1, hash(5), b"block").unwrap();
        let orphan = block_path(&store.path, hash(9));
        let foreign = store.path.join("notes.block");
        fs::write(&orphan, b"never named").unwrap();
        fs::write(&foreign, b"the operator's").unwrap();
        let store = reopen(store).unwrap();
        assert!(!orphan.exists() && foreign.exists());
        assert!(store.signed_block().unwrap().is_some());
    }

    #[test]
    fn a_height_is_signed_once() {
        let (_dir, mut store) = store();
        store.persist(3, hash(5), b"x").unwrap();
        for height in [0, 2, 3] {
            let err = store.may_sign(height).unwrap_err();
            assert!(matches!(err, SignStateError::HeightFalls { newest: 3, .. }), "{err}");
            assert!(store.persist(height, hash(9), b"y").is_err());
        }
        store.may_sign(4).unwrap();
        assert!(!block_path(&store.path, hash(9)).exists());
    }

    #[test]
    fn after_a_failed_write_nothing_is_signed() {
        let (_dir, mut store) = store();
        // A folder in the block's place makes the write fail, also for root.
        let block = block_path(&store.path, hash(5));
        fs::create_dir(&block).unwrap();
        let err = store.persist(1, hash(5), b"x").unwrap_err();
        assert!(matches!(err, SignStateError::Io { action: "open", .. }), "{err}");
        fs::remove_dir(&block).unwrap();
        assert!(matches!(store.may_sign(1), Err(SignStateError::Failed)));
        assert!(matches!(store.persist(1, hash(5), b"x"), Err(SignStateError::Failed)));
        assert_eq!(reopen(store).unwrap().record().height, 0);
    }

    #[test]
    fn a_failed_record_does_not_count() {
        let (_dir, mut store) = store();
        let slot = slot_path(&store.path, 0);
        fs::create_dir(&slot).unwrap();
        assert!(store.persist(1, hash(5), b"x").is_err());
        assert!(matches!(store.may_sign(1), Err(SignStateError::Failed)));
        fs::remove_dir(&slot).unwrap();
        let mut store = reopen(store).unwrap();
        assert_eq!(store.record().height, 0);
        store.persist(1, hash(6), b"y").unwrap();
    }

    #[test]
    fn a_torn_newer_slot_leaves_the_older_one() {
        let (_dir, mut store) = store();
        store.persist(1, hash(5), b"x").unwrap();
        let newest = slot_path(&store.path, store.record().sequence % 2);
        let bytes = fs::read(&newest).unwrap();
        fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(reopen(store).unwrap().record().height, 0);
    }

    #[test]
    fn a_store_is_open_once() {
        let (_dir, store) = store();
        let second = SignStore::open(&store.path, GENESIS, VALIDATOR).unwrap_err();
        assert!(matches!(second, SignStateError::Locked { .. }), "{second}");
        reopen(store).unwrap();
    }

    #[test]
    fn damage_loss_and_strangers_are_told_apart() {
        let (_dir, store) = store();
        let path = store.path.clone();
        assert!(matches!(
            SignStore::create(&path, GENESIS, VALIDATOR),
            Err(SignStateError::Exists { .. })
        ));
        drop(store);
        let open = |genesis, validator| SignStore::open(&path, genesis, validator);
        assert!(matches!(open(B256::ZERO, VALIDATOR), Err(SignStateError::WrongChain { .. })));
        assert!(matches!(open(GENESIS, Address::ZERO), Err(SignStateError::WrongValidator { .. })));
        let only = slot_path(&path, 1);
        fs::write(&only, b"junk").unwrap();
        assert!(matches!(open(GENESIS, VALIDATOR), Err(SignStateError::Damaged { .. })));
        fs::remove_file(&only).unwrap();
        assert!(matches!(open(GENESIS, VALIDATOR), Err(SignStateError::Missing { .. })));
        fs::remove_dir_all(&path).unwrap();
        assert!(matches!(open(GENESIS, VALIDATOR), Err(SignStateError::Missing { .. })));
        assert!(!path.exists(), "opening must not create anything");
    }

    #[test]
    fn a_lost_block_file_is_damage() {
        let (_dir, mut store) = store();
        store.persist(1, hash(5), b"x").unwrap();
        fs::remove_file(block_path(&store.path, hash(5))).unwrap();
        assert!(matches!(store.signed_block(), Err(SignStateError::Damaged { .. })));
    }
}
