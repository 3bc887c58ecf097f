//! A file of all consensus messages, for those who look for contradictions after a test.
//!
//! Each record: one byte, `0` for sent and `1` for received; the length (4 bytes, big-endian); code and
//! RLP of the message. Written at once, so that a killed process loses at most its last record.

use crate::EngineError;
use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};
use tracing::warn;

#[derive(Debug)]
pub(super) struct MessageLog {
    path: PathBuf,
    /// `None` after a failed write.
    file: Option<File>,
}

impl MessageLog {
    /// Opens a file to append to.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Self, EngineError> {
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(|source| {
            EngineError::File { action: "open", path: path.to_owned(), source }
        })?;
        Ok(Self { path: path.to_owned(), file: Some(file) })
    }

    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.write(0, bytes);
    }

    pub(super) fn received(&mut self, bytes: &[u8]) {
        self.write(1, bytes);
    }

    /// A log that cannot be written is no reason to stop a validator: it ends, and says so.
    fn write(&mut self, direction: u8, bytes: &[u8]) {
        let Some(file) = &mut self.file else { return };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
        let record = [&[direction][..], &length, bytes].concat();
        if let Err(error) = file.write_all(&record) {
            warn!(target: "consensus::engine", path = %self.path.display(), %error, "the message log ends here");
            self.file = None;
        }
    }
}
