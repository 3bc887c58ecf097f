//! The file of the mark: two slots that are overwritten in place, in turn, each with a sequence number
//! and a CRC-32C. A write that is torn spoils the older slot only. A lock keeps a second process out.

use super::{Mark, MarkStore};
use crate::rows::StoreError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"PERURISM";
const VERSION: u8 = 1;
/// Bytes of a slot: a page of the file system, so that a torn write reaches no further.
const SLOT: usize = 4_096;
/// Magic, version, sequence number, length of the mark.
const HEADER: usize = 8 + 1 + 8 + 2;

/// `<sign-state>/sealer-<source>`.
#[derive(Debug)]
pub struct MarkFile {
    path: PathBuf,
    /// Holds the lock until it is closed.
    file: File,
    /// Sequence number of the newest slot.
    sequence: u64,
    mark: Option<Mark>,
    /// Set by a failed write: what is on disk is not known any more.
    failed: bool,
}

impl MarkFile {
    /// Opens or creates the file of `source` in `folder`, and makes durable what was read: a process
    /// that was killed may have written without syncing.
    ///
    /// # Errors
    /// It cannot be read, is in use, or holds no whole mark.
    pub fn open(folder: &Path, source: u32) -> Result<Self, StoreError> {
        let path = folder.join(format!("sealer-{source}"));
        let failed = |error: io::Error| say(&path, &error.to_string());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(say(&path, "in use by another process")),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut bytes = vec![0; 2 * SLOT];
        let length = file.metadata().map_err(failed)?.len();
        if length == 0 {
            file.write_all_at(&bytes, 0).and_then(|()| file.sync_all()).map_err(failed)?;
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        } else {
            file.read_exact_at(&mut bytes, 0).map_err(failed)?;
            file.sync_all().map_err(failed)?;
        }
        let newest = bytes.chunks(SLOT).filter_map(decode).max_by_key(|(sequence, _)| *sequence);
        if newest.is_none() && bytes.iter().any(|byte| *byte != 0) {
            return Err(say(&path, "damaged: no whole mark in it"));
        }
        let (sequence, mark) = newest.map_or((0, None), |(at, mark)| (at, Some(mark)));
        Ok(Self { path, file, sequence, mark, failed: false })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl MarkStore for MarkFile {
    fn read(&self) -> Option<Mark> {
        self.mark
    }

    fn write(&mut self, mark: &Mark) -> Result<(), StoreError> {
        if self.failed {
            return Err(say(&self.path, "an earlier write failed"));
        }
        let sequence = self.sequence.saturating_add(1);
        let offset = if sequence.is_multiple_of(2) { 0 } else { SLOT as u64 };
        let written = self.file.write_all_at(&encode(sequence, mark), offset);
        let synced = written.and_then(|()| self.file.sync_data());
        self.failed = synced.is_err();
        synced.map_err(|error| say(&self.path, &error.to_string()))?;
        (self.sequence, self.mark) = (sequence, Some(*mark));
        Ok(())
    }
}

fn say(path: &Path, what: &str) -> StoreError {
    StoreError::new(format!("the sealer's mark {}: {what}", path.display()))
}

fn encode(sequence: u64, mark: &Mark) -> Vec<u8> {
    let mark = mark.encode();
    let length = u16::try_from(mark.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut slot = [MAGIC.as_slice(), &[VERSION], &sequence.to_be_bytes(), &length, &mark].concat();
    slot.extend(crc32c::crc32c(&slot).to_be_bytes());
    slot
}

fn decode(slot: &[u8]) -> Option<(u64, Mark)> {
    let (header, rest) = slot.split_first_chunk::<HEADER>()?;
    let (magic, header) = header.split_first_chunk::<8>()?;
    let (version, header) = header.split_first()?;
    let (sequence, length) = header.split_first_chunk::<8>()?;
    let length = usize::from(u16::from_be_bytes(length.try_into().ok()?));
    let (mark, rest) = rest.split_at_checked(length)?;
    let crc = crc32c::crc32c(slot.get(..HEADER + length)?).to_be_bytes();
    let whole = magic == MAGIC && *version == VERSION && rest.starts_with(&crc);
    let mark = whole.then(|| Mark::decode(mark).ok()).flatten()?;
    Some((u64::from_be_bytes(*sequence), mark))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::SealedMark, *};
    use alloy_primitives::{Address, B256};
    use std::fs;

    fn mark(highest: u64) -> Mark {
        let sealed = Some(SealedMark { nonce: 3, first_seq: 9, hash: B256::repeat_byte(4) });
        let sealed = sealed.filter(|_| !highest.is_multiple_of(3));
        let (genesis, signer) = (B256::repeat_byte(1), Address::repeat_byte(2));
        let exported = highest.is_multiple_of(2);
        Mark { genesis, source: 1, signer, session: 5, highest, floor: 6, sealed, exported }
    }

    #[test]
    fn the_newest_mark_survives() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = MarkFile::open(folder.path(), 7).unwrap();
        assert_eq!(file.read(), None);
        assert!(file.path().ends_with("sealer-7"));
        for highest in 1..=5 {
            file.write(&mark(highest)).unwrap();
            drop(file);
            file = MarkFile::open(folder.path(), 7).unwrap();
            assert_eq!(file.read(), Some(mark(highest)));
        }
    }

    #[test]
    fn a_torn_write_leaves_the_mark_before_it_and_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = MarkFile::open(folder.path(), 1).unwrap();
        let path = file.path().to_owned();
        file.write(&mark(1)).unwrap();
        file.write(&mark(2)).unwrap();
        drop(file);
        let whole = fs::read(&path).unwrap();
        // The second write went to the first slot.
        let length = encode(2, &mark(2)).len();
        for bit in 0..length * 8 {
            let mut torn = whole.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &torn).unwrap();
            let file = MarkFile::open(folder.path(), 1).unwrap();
            assert_eq!(file.read(), Some(mark(1)), "bit {bit}");
        }
        let mut file = MarkFile::open(folder.path(), 1).unwrap();
        file.write(&mark(4)).unwrap();
        drop(file);
        assert_eq!(MarkFile::open(folder.path(), 1).unwrap().read(), Some(mark(4)));
        fs::write(&path, vec![7; 2 * SLOT]).unwrap();
        let error = MarkFile::open(folder.path(), 1).unwrap_err();
        assert!(error.to_string().contains("damaged"), "{error}");
    }

    #[test]
    fn a_mark_is_open_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = MarkFile::open(folder.path(), 1).unwrap();
        let second = MarkFile::open(folder.path(), 1).unwrap_err();
        assert!(second.to_string().contains("in use"), "{second}");
        drop(first);
        assert!(MarkFile::open(folder.path(), 1).is_ok());
        assert!(MarkFile::open(&folder.path().join("absent"), 1).is_err());
    }
}
