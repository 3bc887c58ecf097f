//! The two slots and the blocks beside them.

use super::{
    SignStateError,
    blocks::BlockFiles,
    files::{self, Content, LOCK, io_error},
};
use alloy_primitives::{Address, B256};
use peruri_ibft2::{Block, BlockHash, SignRecord, core::StoredRecord};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

/// File that stands in a folder whose content was moved elsewhere.
const EXPORTED: &str = "EXPORTED";

/// The sign state on disk. While it lives no other process, nor this one, can open it again.
#[derive(Debug)]
pub struct SignStore {
    path: PathBuf,
    /// Which of the two slots is written next.
    next_slot: usize,
    /// Blocks that the records in the two slots name, by slot.
    named: [Vec<BlockHash>; 2],
    /// The block that the next record will name, as far as one can tell.
    staged: Option<BlockHash>,
    blocks: BlockFiles,
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
            files::sync_dir(parent)?;
        }
        let _lock = files::lock(path)?;
        Ok(Self {
            path: path.to_owned(),
            next_slot: 0,
            named: [Vec::new(), Vec::new()],
            staged: None,
            blocks: BlockFiles::none(path),
            failed: false,
            _lock,
        })
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
        files::sync_all(path)?;
        // A block that is gone or spoiled is damage, which the core finds by its absence.
        let (held, mut blocks) = BlockFiles::read(path, &store.named.concat())?;
        store.blocks = held;
        blocks.retain(|block| record.blocks().contains(&block.hash()));
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
                files::write_synced(&to.join(entry.file_name()), &bytes)?;
                moved.push(entry.path());
            }
        }
        files::sync_dir(to)?;
        files::write_synced(&self.path.join(EXPORTED), to.as_os_str().as_encoded_bytes())?;
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
        self.write(|this| {
            if let Some(block) = block {
                this.put(block)?;
            }
            files::overwrite(&slot_path(&this.path, this.next_slot), &record.encode())
        })?;
        // The record that this slot held is gone, and with it the names of its blocks.
        self.named[self.next_slot] = record.blocks();
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }

    /// Makes `block` durable ahead of the record that is going to name it, if one does.
    ///
    /// # Errors
    /// As [`persist`](Self::persist).
    pub fn stage(&mut self, block: &Block) -> Result<(), SignStateError> {
        self.staged = Some(block.hash());
        self.write(|this| this.put(block))
    }

    fn put(&mut self, block: &Block) -> Result<(), SignStateError> {
        let needed = self.named.iter().flatten().chain(&self.staged);
        self.blocks.put(block, |held| needed.clone().any(|hash| hash == held))
    }

    /// After a failure nothing is written any more.
    fn write(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), SignStateError>,
    ) -> Result<(), SignStateError> {
        if self.failed {
            return Err(SignStateError::Failed);
        }
        self.failed = true;
        work(self)?;
        self.failed = false;
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
        match read_slot(&slot_path(path, index))? {
            None => {}
            Some(Ok(record)) => slots.records[index] = Some(record),
            Some(Err(reason)) => slots.damage.push(format!("slot {index}: {reason}")),
        }
    }
    if slots.newest().is_none() && slots.damage.is_empty() {
        return Err(SignStateError::Missing { path: path.to_owned() });
    }
    Ok(slots)
}

/// The record in a slot, or what is wrong with it; `None` if there is no such file.
fn read_slot(path: &Path) -> Result<Option<Result<SignRecord, &'static str>>, SignStateError> {
    Ok(match files::read(path)? {
        Content::Missing => None,
        Content::Damaged(reason) => Some(Err(reason)),
        Content::Whole(bytes) => Some(SignRecord::decode(&bytes).map_err(|_| "malformed record")),
    })
}

fn remove(path: &Path) -> Result<(), SignStateError> {
    fs::remove_file(path).map_err(io_error("remove", path))
}

fn slot_path(path: &Path, index: usize) -> PathBuf {
    path.join(format!("slot-{index}"))
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

    /// Numbers of the blocks in the folder.
    fn held(store: &SignStore) -> Vec<u64> {
        let all: Vec<_> = (0..10).map(|number| block(number).hash()).collect();
        let (_, blocks) = BlockFiles::read(&store.path, &all).unwrap();
        let mut numbers: Vec<_> = blocks.iter().map(|block| block.number()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The file that holds block `number`.
    fn block_file(path: &Path, number: u64) -> PathBuf {
        let bytes = alloy_rlp::encode(block(number));
        let mut files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let holds = |path: &PathBuf| files::read(path).unwrap() == Content::Whole(bytes.clone());
        files.find(holds).unwrap()
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
        assert_eq!(held(&store), [1, 2, 3]);
        let mut store = reopen(store).store;
        // In the place of the first, which nobody names any more.
        persist(&mut store, 4).unwrap();
        assert_eq!(held(&store), [2, 3, 4]);
        assert_eq!(reopen(store).blocks.len(), 1);
    }

    #[test]
    fn a_staged_block_is_kept_until_another_one_is() {
        let (_dir, mut store) = store();
        persist(&mut store, 1).unwrap();
        persist(&mut store, 2).unwrap();
        store.stage(&block(3)).unwrap();
        assert_eq!(held(&store), [1, 2, 3]);
        // It is not written again; the next one takes the place of the first.
        let place = block_file(&store.path, 3);
        fs::remove_file(&place).unwrap();
        persist(&mut store, 3).unwrap();
        assert!(!place.exists());
        store.stage(&block(4)).unwrap();
        store.stage(&block(5)).unwrap();
        assert_eq!(held(&store), [2, 5]);
    }

    #[test]
    fn a_block_without_a_record_is_not_handed_out_and_foreign_files_stay() {
        let (_dir, mut store) = store();
        persist(&mut store, 1).unwrap();
        store.stage(&block(9)).unwrap();
        let foreign = store.path.join("block-notes");
        fs::write(&foreign, b"the operator's").unwrap();
        let found = reopen(store);
        assert_eq!(found.blocks.iter().map(|block| block.number()).collect::<Vec<_>>(), [1]);
        let mut store = found.store;
        persist(&mut store, 2).unwrap();
        assert_eq!((held(&store), foreign.exists()), (vec![1, 2], true));
    }

    #[test]
    fn after_a_failed_write_nothing_is_signed() {
        let (_dir, mut store) = store();
        // A folder in the block's place makes the write fail, also for root.
        let path = store.path.join("block-0");
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
        fs::write(&newest, &bytes[..20]).unwrap();
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
        fs::write(block_file(&store.path, 1), alloy_rlp::encode(block(1))).unwrap();
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
            let slot = read_slot(&slot_path(&store.path, index)).unwrap();
            assert_eq!(slot, Some(Ok(released.clone())));
        }
    }
}
