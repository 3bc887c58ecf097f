//! What an extension is given.

use crate::{ExExEvents, ExExNotifications, ExExProvider};
use alloy_eips::BlockNumHash;
use alloy_primitives::BlockNumber;
use peruri_storage::ExtensionStore;
use tokio_util::sync::CancellationToken;

/// Everything an extension works with.
#[derive(Debug)]
pub struct ExExContext {
    /// Name under which it is installed.
    pub name: &'static str,
    /// The committed head at the start of the node.
    pub head: BlockNumHash,
    /// Its finished height at the start: notifications begin with the block after it. An extension
    /// that is installed for the first time gets the oldest blocks whose receipts are kept.
    pub finished_height: BlockNumber,
    /// The chain, for reading.
    pub provider: ExExProvider,
    /// Its own rows and its height, for batches of its own.
    pub store: ExtensionStore,
    /// The blocks.
    pub notifications: ExExNotifications,
    /// The way back.
    pub events: ExExEvents,
    /// Fires when the node is to stop. `notifications` ends then by itself; an extension that waits
    /// for something else has to watch this.
    pub shutdown: CancellationToken,
}
