//! Free disk space, checkpoints, background work.

use std::path::Path;

use rocksdb::{WaitForCompactOptions, checkpoint::Checkpoint};

use crate::{ProviderError, ProviderFactory, ProviderResult};

/// Bytes that an unprivileged process may still write to the file system of `path`.
///
/// # Errors
/// `statvfs(2)` fails.
pub fn free_space(path: &Path) -> ProviderResult<u64> {
    let stat = rustix::fs::statvfs(path).map_err(|source| ProviderError::Io {
        what: "statvfs",
        path: path.to_path_buf(),
        source: source.into(),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

impl ProviderFactory {
    /// Bytes still free on the database's file system.
    ///
    /// # Errors
    /// `statvfs(2)` fails.
    pub fn free_space(&self) -> ProviderResult<u64> {
        free_space(self.path())
    }

    /// Makes a consistent copy of the database in `path`, which must not exist: hard links on the
    /// same file system, copies elsewhere. The node may go on committing meanwhile.
    ///
    /// # Errors
    /// `path` exists or cannot be written.
    pub fn checkpoint(&self, path: &Path) -> ProviderResult<()> {
        Ok(Checkpoint::new(self.db().raw())?.create_checkpoint(path)?)
    }

    /// Waits until the tables are written out and merged as far as they are due: after rows came in
    /// faster than a chain brings them. Does not end while blocks are committed without a pause.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn wait_for_compactions(&self) -> ProviderResult<()> {
        Ok(self.db().raw().wait_for_compact(&WaitForCompactOptions::default())?)
    }
}
