//! The two slots and the blocks beside them.

use super::{SignStateError, slot};
use alloy_primitives::{Address, B256};
use peruri_ibft2::{Block, BlockHash, SignRecord, core::StoredRecord};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

/// File whose lock keeps a second process out.
const LOCK: &str = "LOCK";
/// File that stands in a folder whose content was moved elsewhere.
const EXPORTED: &str = "EXPORTED";
/// Ending of the files that hold blocks.
const BLOCK_SUFFIX: &str = ".block";

/// False only in a build that shows that the power-cut scenario notices missing syncs.
const SYNCS: bool = cfg!(not(feature = "fault-no-sync"));

/// The sign state on disk. While it lives no other process, nor this one, can open it again.
#[derive(Debug)]
pub struct SignStore {
    path: PathBuf,
    /// Which of the two slots is written next.
    next_slot: usize,
    /// Blocks that the records in the two slots name, by slot.
    named: [Vec<BlockHash>; 2],
    /// Set by a failed write: what is on disk is not known any more.
    failed: bool,
    /// Holds the lock until it is closed.
    _lock: File,
}

/// A sign state as a start finds it.
#[derive(Debug)]
pub struct FoundSignState {
    /// For what is signed from now on.
    pub store: SignStore,
    /// The newest whole record.
    pub record: StoredRecord,
    /// The blocks that it names, as far as they can be read.
    pub blocks: Vec<Arc<Block>>,
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
        refuse_exported(path)?;
        if [0, 1].iter().any(|i| slot_path(path, *i).exists()) {
            return Err(SignStateError::Exists { path: path.to_owned() });
        }
        let mut store = Self::empty(path)?;
        store.persist(&SignRecord::first(genesis_hash, validator), None)?;
        Ok(store)
    }

    /// An open folder in which nothing is known of either slot.
    fn empty(path: &Path) -> Result<Self, SignStateError> {
        fs::create_dir_all(path).map_err(io_error("create", path))?;
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
        let _lock = lock(path)?;
        let named = [Vec::new(), Vec::new()];
        Ok(Self { path: path.to_owned(), next_slot: 0, named, failed: false, _lock })
    }

    /// Reads the newest whole record, checks whose it is, and makes durable what was read: a process
    /// that was killed may have written a record without syncing it. A record that is missing or
    /// damaged is no error here: who has lost its memory is in doubt, and the core decides.
    ///
    /// # Errors
    /// [`SignStateError::Exported`], [`SignStateError::Locked`], [`SignStateError::WrongChain`],
    /// [`SignStateError::WrongValidator`], or the failed read or sync.
    pub fn open(
        path: &Path,
        genesis_hash: B256,
        validator: Address,
    ) -> Result<FoundSignState, SignStateError> {
        refuse_exported(path)?;
        let mut store = Self::empty(path)?;
        let slots = match read_slots(path) {
            Ok(slots) => slots,
            Err(SignStateError::Missing { .. }) => {
                return Ok(FoundSignState::without_record(store, StoredRecord::Missing));
            }
            Err(error) => return Err(error),
        };
        let Some((newest, record)) = slots.newest() else {
            return Ok(FoundSignState::without_record(store, StoredRecord::Damaged));
        };
        check_owner(record, genesis_hash, validator)?;
        store.next_slot = 1 - newest;
        store.named = slots.named();
        sync_all(path, &record.blocks())?;
        remove_orphans(path, &store.named.concat())?;
        let mut blocks = Vec::new();
        for hash in record.blocks() {
            // A block that is gone or spoiled is damage, which the core finds by its absence.
            blocks.extend(read_block(&block_path(path, hash), hash)?.map(Arc::new));
        }
        let record = StoredRecord::Present(Box::new(record.clone()));
        Ok(FoundSignState { store, record, blocks })
    }

    /// The newest whole record in the folder `path`, for tools that only look: nothing is locked or
    /// written, so that a running validator is not disturbed.
    ///
    /// # Errors
    /// [`SignStateError::Missing`], [`SignStateError::Damaged`] when no slot is whole, or the failed
    /// read.
    pub fn peek(path: &Path) -> Result<SignRecord, SignStateError> {
        let slots = read_slots(path)?;
        let reason = || slots.damage.join(", ");
        slots
            .newest()
            .map(|(_, record)| record.clone())
            .ok_or_else(|| SignStateError::Damaged { path: path.to_owned(), reason: reason() })
    }

    /// Copies everything into the new folder `to` and leaves a folder behind that cannot be opened any
    /// more: one key has one sign state.
    ///
    /// # Errors
    /// If the copy cannot be made durable; then the sign state stays where it is.
    pub fn export(self, to: &Path) -> Result<(), SignStateError> {
        fs::create_dir(to).map_err(io_error("create", to))?;
        let mut moved = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(io_error("read", &self.path))? {
            let entry = entry.map_err(io_error("read", &self.path))?;
            if entry.file_name() != LOCK {
                let bytes = fs::read(entry.path()).map_err(io_error("read", &entry.path()))?;
                write_synced(&to.join(entry.file_name()), &bytes)?;
                moved.push(entry.path());
            }
        }
        sync_dir(to)?;
        write_synced(&self.path.join(EXPORTED), to.as_os_str().as_encoded_bytes())?;
        moved.iter().try_for_each(|path| remove(path))
    }

    /// Makes `block` durable if there is one, then the record that names it. When this returns, what
    /// the record holds may be shown to others. After a failed write nothing more is taken.
    ///
    /// # Errors
    /// [`SignStateError::Failed`] after a failed write, or the failed write: the caller must not sign
    /// any more.
    pub fn persist(
        &mut self,
        record: &SignRecord,
        block: Option<&Block>,
    ) -> Result<(), SignStateError> {
        if self.failed {
            return Err(SignStateError::Failed);
        }
        self.failed = true;
        if let Some(block) = block {
            write_synced(&block_path(&self.path, block.hash()), &alloy_rlp::encode(block))?;
        }
        write_synced(&slot_path(&self.path, self.next_slot), &slot::encode(record))?;
        self.failed = false;
        // The record that this slot held is gone, and with it the names of its blocks.
        let unnamed = std::mem::replace(&mut self.named[self.next_slot], record.blocks());
        self.next_slot = 1 - self.next_slot;
        for hash in unnamed {
            if !self.named.iter().flatten().any(|named| *named == hash) {
                remove(&block_path(&self.path, hash))?;
            }
        }
        Ok(())
    }

    /// Writes `record` into both slots: the operator puts it in the place of a lost one.
    ///
    /// # Errors
    /// As [`persist`](Self::persist).
    pub fn replace(&mut self, record: &SignRecord) -> Result<(), SignStateError> {
        self.persist(record, None)?;
        self.persist(record, None)
    }
}

impl FoundSignState {
    const fn without_record(store: SignStore, record: StoredRecord) -> Self {
        Self { store, record, blocks: Vec::new() }
    }
}

fn refuse_exported(path: &Path) -> Result<(), SignStateError> {
    if path.join(EXPORTED).exists() {
        return Err(SignStateError::Exported { path: path.to_owned() });
    }
    Ok(())
}

fn check_owner(
    record: &SignRecord,
    genesis_hash: B256,
    validator: Address,
) -> Result<(), SignStateError> {
    let got = record.genesis_hash;
    if got != genesis_hash {
        return Err(SignStateError::WrongChain { expected: genesis_hash, got });
    }
    let got = record.validator;
    if got != validator {
        return Err(SignStateError::WrongValidator { expected: validator, got });
    }
    Ok(())
}

/// What the two slot files hold.
struct Slots {
    records: [Option<SignRecord>; 2],
    /// What is wrong with those that cannot be read.
    damage: Vec<String>,
}

impl Slots {
    /// The record with the higher number, and its slot.
    fn newest(&self) -> Option<(usize, &SignRecord)> {
        let whole = self.records.iter().enumerate();
        whole
            .filter_map(|(index, record)| record.as_ref().map(|record| (index, record)))
            .max_by_key(|(_, record)| record.sequence)
    }

    fn named(&self) -> [Vec<BlockHash>; 2] {
        [0, 1].map(|index| self.records[index].as_ref().map_or_else(Vec::new, SignRecord::blocks))
    }
}

/// Reads both slots.
fn read_slots(path: &Path) -> Result<Slots, SignStateError> {
    let mut slots = Slots { records: [None, None], damage: Vec::new() };
    for index in [0, 1] {
        let file = slot_path(path, index);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(SignStateError::Io { action: "read", path: file, source }),
        };
        match slot::decode(&bytes) {
            Ok(record) => slots.records[index] = Some(record),
            Err(reason) => slots.damage.push(format!("slot {index}: {reason}")),
        }
    }
    if slots.newest().is_none() && slots.damage.is_empty() {
        return Err(SignStateError::Missing { path: path.to_owned() });
    }
    Ok(slots)
}

/// The block in a file; `None` if it is gone or not the one that its name says.
fn read_block(path: &Path, hash: BlockHash) -> Result<Option<Block>, SignStateError> {
    match fs::read(path) {
        Ok(bytes) => {
            let block = Block::decode(&mut bytes.as_slice()).ok();
            Ok(block.filter(|block| block.hash() == hash))
        }
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SignStateError::Io { action: "read", path: path.to_owned(), source }),
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

/// Syncs slots, the named blocks and the folder.
fn sync_all(path: &Path, blocks: &[BlockHash]) -> Result<(), SignStateError> {
    let slots = [0, 1].map(|index| slot_path(path, index));
    let blocks = blocks.iter().map(|hash| block_path(path, *hash));
    for file in slots.into_iter().chain(blocks) {
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
fn remove_orphans(path: &Path, named: &[BlockHash]) -> Result<(), SignStateError> {
    for entry in fs::read_dir(path).map_err(io_error("read", path))? {
        let entry = entry.map_err(io_error("read", path))?;
        let name = entry.file_name();
        let hash = name.to_str().and_then(|name| name.strip_suffix(BLOCK_SUFFIX));
        let hash = hash.and_then(|hash| hash.parse::<B256>().ok()).map(BlockHash);
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

fn slot_path(path: &Path, index: usize) -> PathBuf {
    path.join(format!("slot-{index}"))
}

fn block_path(path: &Path, block_hash: BlockHash) -> PathBuf {
    path.join(format!("{}{BLOCK_SUFFIX}", block_hash.0))
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
    use alloy_consensus::Header;
    use peruri_ibft2::{
        ProposalPayload, RoundId, Signature65, Signed, prepare_header, sign_state::StoredProposal,
        unsealed_extra_data,
    };

    const GENESIS: B256 = B256::repeat_byte(1);
    const VALIDATOR: Address = Address::repeat_byte(2);

    fn store() -> (tempfile::TempDir, SignStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = SignStore::create(&dir.path().join("sign"), GENESIS, VALIDATOR).unwrap();
        (dir, store)
    }

    /// Opens the store of `store` again, as a later process would.
    fn reopen(store: SignStore) -> FoundSignState {
        let path = store.path.clone();
        drop(store);
        SignStore::open(&path, GENESIS, VALIDATOR).unwrap()
    }

    fn height_of(found: &FoundSignState) -> u64 {
        match &found.record {
            StoredRecord::Present(record) => record.position().height,
            other => panic!("{other:?}"),
        }
    }

    fn block(number: u64) -> Block {
        let validators = [VALIDATOR].into_iter().collect();
        let extra = unsealed_extra_data(B256::ZERO, &validators, None, 0);
        let header = prepare_header(Header { number, ..Header::default() }, extra);
        Block { header, body: Block::EMPTY_BODY }
    }

    /// The record of a proposal at `height`.
    fn record(height: u64) -> SignRecord {
        let block = block(height);
        let payload =
            ProposalPayload { id: RoundId::new(height, 0), digest: block.digest().unwrap() };
        let signed = Signed::new(payload, Signature65::new([1; 65]).unwrap());
        let mut record = SignRecord::first(GENESIS, VALIDATOR);
        let proposal = StoredProposal { signed, round_changes: None, block: block.hash() };
        record.put_proposal(proposal).unwrap();
        record.sequence = height + 1;
        record
    }

    fn persist(store: &mut SignStore, height: u64) -> Result<(), SignStateError> {
        store.persist(&record(height), Some(&block(height)))
    }

    #[test]
    fn a_record_and_its_block_survive_reopening() {
        let (_dir, mut store) = store();
        persist(&mut store, 1).unwrap();
        persist(&mut store, 2).unwrap();
        let found = reopen(store);
        assert_eq!(found.record, StoredRecord::Present(Box::new(record(2))));
        assert_eq!(*found.blocks[0], block(2));
    }

    #[test]
    fn a_block_stays_as_long_as_a_slot_names_it() {
        let (_dir, mut store) = store();
        for height in [1, 2, 3] {
            persist(&mut store, height).unwrap();
        }
        let exists =
            |store: &SignStore, number| block_path(&store.path, block(number).hash()).exists();
        assert_eq!([1, 2, 3].map(|number| exists(&store, number)), [false, true, true]);
        let mut store = reopen(store).store;
        assert_eq!([2, 3].map(|number| exists(&store, number)), [true, true]);
        persist(&mut store, 4).unwrap();
        assert_eq!([2, 3, 4].map(|number| exists(&store, number)), [false, true, true]);
    }

    #[test]
    fn a_block_without_a_record_is_removed_at_the_next_start() {
        let (_dir, mut store) = store();
        persist(&mut store, 1).unwrap();
        let orphan = block_path(&store.path, block(9).hash());
        let foreign = store.path.join("notes.block");
        fs::write(&orphan, b"never named").unwrap();
        fs::write(&foreign, b"the operator's").unwrap();
        let found = reopen(store);
        assert!(!orphan.exists() && foreign.exists());
        assert_eq!(found.blocks.len(), 1);
    }

    #[test]
    fn after_a_failed_write_nothing_is_signed() {
        let (_dir, mut store) = store();
        // A folder in the block's place makes the write fail, also for root.
        let path = block_path(&store.path, block(1).hash());
        fs::create_dir(&path).unwrap();
        let err = persist(&mut store, 1).unwrap_err();
        assert!(matches!(err, SignStateError::Io { action: "open", .. }), "{err}");
        fs::remove_dir(&path).unwrap();
        assert!(matches!(persist(&mut store, 1), Err(SignStateError::Failed)));
        assert_eq!(height_of(&reopen(store)), 0);
    }

    #[test]
    fn a_torn_newer_slot_leaves_the_older_one_and_is_written_next() {
        let (_dir, mut store) = store();
        persist(&mut store, 1).unwrap();
        let newest = slot_path(&store.path, 1 - store.next_slot);
        let bytes = fs::read(&newest).unwrap();
        fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();
        let found = reopen(store);
        assert_eq!(height_of(&found), 0);
        assert_eq!(slot_path(&found.store.path, found.store.next_slot), newest);
    }

    #[test]
    fn a_store_is_open_once() {
        let (_dir, store) = store();
        let second = SignStore::open(&store.path, GENESIS, VALIDATOR).unwrap_err();
        assert!(matches!(second, SignStateError::Locked { .. }), "{second}");
        reopen(store);
    }

    #[test]
    fn damage_loss_and_strangers_are_told_apart() {
        let (_dir, store) = store();
        let path = store.path.clone();
        drop(store);
        let exists = SignStore::create(&path, GENESIS, VALIDATOR);
        assert!(matches!(exists, Err(SignStateError::Exists { .. })));
        let open = |genesis, validator| SignStore::open(&path, genesis, validator);
        assert!(matches!(open(B256::ZERO, VALIDATOR), Err(SignStateError::WrongChain { .. })));
        assert!(matches!(open(GENESIS, Address::ZERO), Err(SignStateError::WrongValidator { .. })));
        let only = slot_path(&path, 0);
        fs::write(&only, b"junk").unwrap();
        assert_eq!(open(GENESIS, VALIDATOR).unwrap().record, StoredRecord::Damaged);
        assert!(matches!(SignStore::peek(&path), Err(SignStateError::Damaged { .. })));
        fs::remove_file(&only).unwrap();
        assert_eq!(open(GENESIS, VALIDATOR).unwrap().record, StoredRecord::Missing);
        assert!(matches!(SignStore::peek(&path), Err(SignStateError::Missing { .. })));
    }

    #[test]
    fn a_lost_or_spoiled_block_is_not_handed_out() {
        let (_dir, mut store) = store();
        persist(&mut store, 1).unwrap();
        fs::write(block_path(&store.path, block(1).hash()), alloy_rlp::encode(block(2))).unwrap();
        let found = reopen(store);
        assert_eq!((height_of(&found), found.blocks.len()), (1, 0));
    }

    #[test]
    fn an_exported_sign_state_is_whole_there_and_closed_here() {
        let (dir, mut store) = store();
        persist(&mut store, 1).unwrap();
        let (here, there) = (store.path.clone(), dir.path().join("there"));
        store.export(&there).unwrap();
        let again = SignStore::open(&here, GENESIS, VALIDATOR);
        assert!(matches!(again, Err(SignStateError::Exported { .. })), "{again:?}");
        let anew = SignStore::create(&here, GENESIS, VALIDATOR);
        assert!(matches!(anew, Err(SignStateError::Exported { .. })), "{anew:?}");
        let found = SignStore::open(&there, GENESIS, VALIDATOR).unwrap();
        assert_eq!((height_of(&found), found.blocks.len()), (1, 1));
    }

    #[test]
    fn a_released_record_stands_in_both_slots() {
        let (_dir, mut store) = store();
        let released = SignRecord::released(GENESIS, VALIDATOR, RoundId::new(7, 2), 40);
        store.replace(&released).unwrap();
        for index in [0, 1] {
            let bytes = fs::read(slot_path(&store.path, index)).unwrap();
            assert_eq!(slot::decode(&bytes).as_ref(), Ok(&released));
        }
    }
}
