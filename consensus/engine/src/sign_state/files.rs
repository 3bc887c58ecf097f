//! Reading, overwriting and syncing the files of the folder.

use super::{SignStateError, slot};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::Path,
};

/// File whose lock keeps a second process out.
pub(super) const LOCK: &str = "LOCK";

/// Files grow by this many bytes.
const STEP: usize = 64 << 10;

/// False only in a build that shows that the power-cut scenario notices missing syncs.
const SYNCS: bool = cfg!(not(feature = "fault-no-sync"));

/// What stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// There is no such file.
    Missing,
    /// What is wrong with it.
    Damaged(&'static str),
    Whole(Vec<u8>),
}

/// The payload that [`overwrite`] put into the file `path`.
///
/// # Errors
/// The failed read.
pub(super) fn read(path: &Path) -> Result<Content, SignStateError> {
    match fs::read(path) {
        Ok(bytes) => Ok(slot::decode(&bytes)
            .map_or_else(Content::Damaged, |payload| Content::Whole(payload.to_vec()))),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Content::Missing),
        Err(source) => Err(SignStateError::Io { action: "read", path: path.to_owned(), source }),
    }
}

/// Puts `payload` into the file `path` and syncs it.
///
/// The file is overwritten in place and only ever grows, by whole steps: a sync that changes neither
/// length nor folder waits for the disk alone, not for the file system's journal.
///
/// # Errors
/// The failed write or sync; then what the file holds is not known.
pub(super) fn overwrite(path: &Path, payload: &[u8]) -> Result<(), SignStateError> {
    let mut bytes = slot::encode(payload);
    let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
    if bytes.len() as u64 > length {
        bytes.resize(bytes.len().next_multiple_of(STEP), 0);
    }
    write_synced(path, &bytes)
}

/// Writes `bytes` to the front of a file and syncs it; syncs the folder too when the file is new.
///
/// # Errors
/// The failed write or sync.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), SignStateError> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
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

/// Syncs the folder `path` and everything in it.
///
/// # Errors
/// The failed read or sync.
pub(super) fn sync_all(path: &Path) -> Result<(), SignStateError> {
    for entry in fs::read_dir(path).map_err(io_error("read", path))? {
        let file = entry.map_err(io_error("read", path))?.path();
        let sync = |open: File| if SYNCS { open.sync_all() } else { Ok(()) };
        File::open(&file).and_then(sync).map_err(io_error("sync", &file))?;
    }
    sync_dir(path)
}

/// Syncs the entries of a folder.
///
/// # Errors
/// The failed sync.
pub(super) fn sync_dir(path: &Path) -> Result<(), SignStateError> {
    let sync = |dir: File| if SYNCS { dir.sync_all() } else { Ok(()) };
    File::open(path).and_then(sync).map_err(io_error("sync", path))
}

/// Takes the lock of the folder `path`. The operating system gives it back when the process ends,
/// however it ends.
///
/// # Errors
/// [`SignStateError::Locked`], or the failed open.
pub(super) fn lock(path: &Path) -> Result<File, SignStateError> {
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

/// Makes a [`SignStateError::Io`] of what went wrong with `path`.
pub(super) fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> SignStateError + 'a {
    move |source| SignStateError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_grows_by_steps_and_never_shrinks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let mut lengths = Vec::new();
        for length in [10, STEP, 20] {
            let payload = vec![7; length];
            overwrite(&path, &payload).unwrap();
            assert_eq!(read(&path).unwrap(), Content::Whole(payload));
            lengths.push(fs::metadata(&path).unwrap().len() as usize);
        }
        assert_eq!(lengths, [STEP, 2 * STEP, 2 * STEP]);
    }

    #[test]
    fn what_is_missing_or_damaged_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        assert_eq!(read(&path).unwrap(), Content::Missing);
        fs::write(&path, b"junk").unwrap();
        assert_eq!(read(&path).unwrap(), Content::Damaged("too short"));
        assert!(matches!(read(dir.path()), Err(SignStateError::Io { action: "read", .. })));
    }
}
