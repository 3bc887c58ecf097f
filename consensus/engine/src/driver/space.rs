//! Room on the disk: a node proposes nothing when there is hardly any left.

use crate::EngineError;
use peruri_storage::free_space;
use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};
use tracing::{error, info};

/// Watches the file system of the data folder.
#[derive(Debug)]
pub(super) struct DiskSpace {
    data_dir: PathBuf,
    min_free_bytes: u64,
    /// What the last look found.
    full: AtomicBool,
}

impl DiskSpace {
    pub(super) const fn new(data_dir: PathBuf, min_free_bytes: u64) -> Self {
        Self { data_dir, min_free_bytes, full: AtomicBool::new(false) }
    }

    /// Whether the disk has room for another block. Raises the alarm when that changes.
    ///
    /// # Errors
    /// If the file system cannot be asked.
    pub(super) fn is_enough(&self) -> Result<bool, EngineError> {
        let free_bytes = free_space(&self.data_dir)?;
        metrics::gauge!("peruri_engine_disk_free_bytes").set(free_bytes as f64);
        let min_free_bytes = self.min_free_bytes;
        let full = free_bytes < min_free_bytes;
        match (self.full.swap(full, Ordering::Relaxed), full) {
            (false, true) => error!(
                target: "consensus::engine",
                free_bytes,
                min_free_bytes,
                "disk nearly full: no blocks are proposed until there is space again"
            ),
            (true, false) => {
                info!(target: "consensus::engine", free_bytes, "disk has space again: proposing");
            }
            _ => {}
        }
        Ok(!full)
    }
}
