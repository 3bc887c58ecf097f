//! What an extension says.

use alloy_primitives::BlockNumber;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::Notify;

/// Something an extension tells the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExExEvent {
    /// The extension has done everything for all blocks up to this one: it does not want to see them
    /// again, and their history may be pruned.
    FinishedHeight(BlockNumber),
}

/// The way of an extension's events to the [`ExExManager`](crate::ExExManager). Of heights that come
/// faster than they can be written, the highest one counts; so there is nothing to fill up.
#[derive(Debug, Clone)]
pub struct ExExEvents {
    pub(crate) finished: Arc<AtomicU64>,
    pub(crate) wake: Arc<Notify>,
}

impl ExExEvents {
    /// Tells the node. A height below an earlier one changes nothing; one above the committed head is
    /// an error that stops the node.
    pub fn send(&self, event: ExExEvent) {
        match event {
            ExExEvent::FinishedHeight(height) => {
                self.finished.fetch_max(height, Ordering::AcqRel);
                self.wake.notify_one();
            }
        }
    }
}
