//! The journal of local transactions: they survive a restart.
//!
//! A file of records behind an 8-byte magic. A record is `length` (4 bytes, little endian),
//! `crc32c` (4 bytes, little endian, over the length's bytes and the payload) and the payload, the
//! transaction's EIP-2718 encoding, blob transactions with sidecar.
//!
//! * **Append**: one write per batch, done before the batch is acknowledged. With
//!   [`JournalSync::Flush`] the bytes are then with the operating system and survive the end of the
//!   process in any form; with [`JournalSync::Data`] they are on the disk and survive a power cut.
//!   A write that fails half-way is cut off again, and the batch is refused.
//! * **Load**: a torn tail is cut off. A record whose sum is wrong is skipped and counted.
//! * **Rotation**: on load, and when the file is more than twice as long as what is still in the
//!   pool, the live transactions are written to a new file, which is synced and then takes the old
//!   one's place. A crash leaves the old file or the new one.

use crate::JournalError;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// First bytes of a journal: name and format version.
pub const MAGIC: [u8; 8] = *b"PRRPOOL\x01";

/// Bytes of a record beside its payload.
pub const RECORD_HEADER: usize = 8;

/// Longest payload that is read back; a longer one is the sign of a torn record.
const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// File growth that is never worth a rotation, in bytes.
const ROTATE_SLACK: u64 = 1024 * 1024;

/// When an append is considered done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JournalSync {
    /// The operating system has the bytes: they survive `kill -9`, not a power cut.
    #[default]
    Flush,
    /// The disk has the bytes (`fdatasync` per batch): they survive a power cut.
    Data,
}

/// What a journal held when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalLoad {
    /// Sound records.
    pub records: usize,
    /// Transactions that the pool took from them.
    pub restored: usize,
    /// Records with a wrong sum.
    pub corrupt: usize,
    /// Bytes of a torn tail.
    pub torn_bytes: u64,
}

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    sync: JournalSync,
    len: u64,
    broken: bool,
    buffer: Vec<u8>,
}

impl Journal {
    /// Reads the records of `path` one by one into `each`. A missing file has none.
    pub(crate) fn read(
        path: &Path,
        mut each: impl FnMut(Vec<u8>),
    ) -> Result<JournalLoad, JournalError> {
        let fail = |source| JournalError::Io { path: path.to_owned(), source };
        let mut load = JournalLoad::default();
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(load),
            Err(error) => return Err(fail(error)),
        };
        let total = file.metadata().map_err(fail)?.len();
        let mut reader = BufReader::with_capacity(256 * 1024, file);
        let mut magic = Vec::new();
        (&mut reader).take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(fail)?;
        if !MAGIC.starts_with(&magic) {
            return Err(JournalError::Foreign {
                path: path.to_owned(),
                expected: MAGIC,
                got: magic,
            });
        }
        let mut sound = magic.len() as u64;
        while let Some(record) = read_record(&mut reader, total - sound).map_err(fail)? {
            sound += (RECORD_HEADER + record.payload.len()) as u64;
            if record.sound {
                load.records += 1;
                each(record.payload);
            } else {
                load.corrupt += 1;
            }
        }
        load.torn_bytes = total - sound;
        Ok(load)
    }

    /// Replaces the file `path` by one with the payloads `live`, and opens it for appending.
    pub(crate) fn create(
        path: &Path,
        sync: JournalSync,
        live: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Self, JournalError> {
        let fail = |source| JournalError::Io { path: path.to_owned(), source };
        let (file, len) = write_new(path, live).map_err(fail)?;
        Ok(Self { path: path.to_owned(), file, sync, len, broken: false, buffer: Vec::new() })
    }

    /// Appends `payloads` in one write.
    pub(crate) fn append<'a>(
        &mut self,
        payloads: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken { path: self.path.clone() });
        }
        self.buffer.clear();
        payloads.for_each(|payload| encode_record(payload, &mut self.buffer));
        let written = self.file.write_all(&self.buffer).and_then(|()| match self.sync {
            JournalSync::Flush => Ok(()),
            JournalSync::Data => self.file.sync_data(),
        });
        let appended = self.buffer.len() as u64;
        // One huge batch must not keep its memory for ever.
        self.buffer.shrink_to(256 * 1024);
        match written {
            Ok(()) => {
                self.len += appended;
                Ok(())
            }
            Err(source) => {
                self.broken = self.cut_back().is_err();
                Err(JournalError::Io { path: self.path.clone(), source })
            }
        }
    }

    /// Cuts off what a failed write left behind.
    fn cut_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.len)?;
        self.file.seek(SeekFrom::Start(self.len)).map(drop)
    }

    /// Whether rewriting is worth it, with `live` bytes of records still in the pool. A broken
    /// journal always is: a new file mends it.
    pub(crate) const fn wants_rotation(&self, live: u64) -> bool {
        self.broken || self.len > live.saturating_mul(2).saturating_add(ROTATE_SLACK)
    }

    /// Replaces the content by the payloads `live`. On failure the old file stays in use.
    pub(crate) fn rotate(
        &mut self,
        live: impl Iterator<Item = Vec<u8>>,
    ) -> Result<(), JournalError> {
        let new = Self::create(&self.path, self.sync, live)?;
        *self = new;
        Ok(())
    }

    /// Length of the file in bytes.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }
}

struct Record {
    payload: Vec<u8>,
    sound: bool,
}

/// The next record, or `None` at the end and at a torn tail. `left` is what the file still has, so
/// that a wild length allocates nothing.
fn read_record(reader: &mut impl Read, left: u64) -> io::Result<Option<Record>> {
    if left < RECORD_HEADER as u64 {
        return Ok(None);
    }
    let mut length = [0; 4];
    let mut sum = [0; 4];
    reader.read_exact(&mut length)?;
    reader.read_exact(&mut sum)?;
    let len = u32::from_le_bytes(length) as usize;
    if len > MAX_PAYLOAD || len as u64 > left - RECORD_HEADER as u64 {
        return Ok(None);
    }
    let mut payload = vec![0; len];
    reader.read_exact(&mut payload)?;
    let sound = checksum(length, &payload) == u32::from_le_bytes(sum);
    Ok(Some(Record { payload, sound }))
}

fn encode_record(payload: &[u8], out: &mut Vec<u8>) {
    // Transactions are far shorter than 4 GiB: the pool's own limits see to that.
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), payload)
}

/// Writes a new journal beside `path`, syncs it and moves it into place.
fn write_new(path: &Path, live: impl Iterator<Item = Vec<u8>>) -> io::Result<(File, u64)> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let file = OpenOptions::new().create(true).write(true).truncate(true).open(&temporary)?;
    let mut writer = BufWriter::with_capacity(256 * 1024, file);
    writer.write_all(&MAGIC)?;
    let mut len = MAGIC.len() as u64;
    let mut record = Vec::new();
    for payload in live {
        record.clear();
        encode_record(&payload, &mut record);
        writer.write_all(&record)?;
        len += record.len() as u64;
    }
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok((file, len))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn payloads() -> Vec<Vec<u8>> {
        (1..=5u8).map(|n| vec![n; usize::from(n) * 10]).collect()
    }

    fn written(path: &Path) {
        let mut journal = Journal::create(path, JournalSync::Data, std::iter::empty()).unwrap();
        let payloads = payloads();
        journal.append(payloads[..2].iter().map(Vec::as_slice)).unwrap();
        journal.append(payloads[2..].iter().map(Vec::as_slice)).unwrap();
        assert_eq!(journal.len(), fs::metadata(path).unwrap().len());
    }

    fn read(path: &Path) -> (JournalLoad, Vec<Vec<u8>>) {
        let mut seen = Vec::new();
        let load = Journal::read(path, |payload| seen.push(payload)).unwrap();
        (load, seen)
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.journal");
        written(&path);
        let (load, seen) = read(&path);
        assert_eq!(seen, payloads());
        assert_eq!(load, JournalLoad { records: 5, ..Default::default() });
    }

    #[test]
    fn a_missing_and_an_empty_file_have_no_records() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.journal");
        assert_eq!(read(&path).0, JournalLoad::default());
        fs::write(&path, b"").unwrap();
        assert_eq!(read(&path).0, JournalLoad::default());
        fs::write(&path, &MAGIC[..5]).unwrap();
        assert_eq!(read(&path).0.records, 0);
    }

    #[test]
    fn every_torn_tail_keeps_the_records_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.journal");
        written(&path);
        let whole = fs::read(&path).unwrap();
        let mut ends = vec![MAGIC.len()];
        for payload in payloads() {
            ends.push(ends[ends.len() - 1] + RECORD_HEADER + payload.len());
        }
        for cut in MAGIC.len()..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (load, seen) = read(&path);
            let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(seen, payloads()[..complete], "cut at {cut}");
            assert_eq!(load.torn_bytes as usize, cut - ends[complete]);
        }
    }

    #[test]
    fn a_flipped_byte_costs_one_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.journal");
        written(&path);
        let mut bytes = fs::read(&path).unwrap();
        // In the second record's payload.
        let at = MAGIC.len() + RECORD_HEADER + 10 + RECORD_HEADER + 3;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let (load, seen) = read(&path);
        assert_eq!((load.records, load.corrupt, load.torn_bytes), (4, 1, 0));
        assert!(!seen.contains(&payloads()[1]));
    }

    #[test]
    fn a_wild_length_is_a_torn_tail() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.journal");
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[0xff; 40]);
        fs::write(&path, bytes).unwrap();
        assert_eq!(read(&path).0, JournalLoad { torn_bytes: 40, ..Default::default() });
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.journal");
        fs::write(&path, b"precious notes").unwrap();
        let error = Journal::read(&path, |_| ()).unwrap_err();
        assert!(matches!(error, JournalError::Foreign { .. }));
        assert_eq!(fs::read(&path).unwrap(), b"precious notes");
    }

    #[test]
    fn rotation_replaces_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.journal");
        written(&path);
        let mut journal =
            Journal::create(&path, JournalSync::Flush, payloads().into_iter()).unwrap();
        assert!(!journal.wants_rotation(0), "small files are left alone");
        journal.rotate(payloads().into_iter().skip(4)).unwrap();
        journal.append(std::iter::once(&b"after"[..])).unwrap();
        assert_eq!(read(&path).1, [payloads()[4].clone(), b"after".to_vec()]);
        assert!(!dir.path().join("pool.journal.new").exists());
    }

    #[test]
    fn a_full_disk_surfaces_and_is_mended_by_rotation() {
        let full = Path::new("/dev/full");
        if !full.exists() {
            println!("skipped: no /dev/full");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pool.journal");
        let mut journal = Journal::create(&path, JournalSync::Flush, std::iter::empty()).unwrap();
        journal.file = OpenOptions::new().write(true).open(full).unwrap();
        let payload = || std::iter::once(&b"payload"[..]);
        assert!(matches!(journal.append(payload()), Err(JournalError::Io { .. })));
        assert!(matches!(journal.append(payload()), Err(JournalError::Broken { .. })));
        assert!(journal.wants_rotation(0));
        journal.rotate(std::iter::empty()).unwrap();
        journal.append(payload()).unwrap();
        assert_eq!(read(&path).1, [b"payload".to_vec()]);
    }
}
