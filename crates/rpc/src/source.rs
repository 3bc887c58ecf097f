//! What the node tells the servers besides its stores.

use peruri_storage::ExecutedBlock;
use std::sync::Arc;

/// Gives the block that this node would build now.
pub trait PendingBlockSource: Send + Sync + 'static {
    /// The executed candidate on top of the head, without seals. `None` if there is none: then
    /// `pending` is answered with the head's state. May execute transactions; called from blocking
    /// context or from cheap methods alike, so implementations keep the last candidate.
    fn pending(&self) -> Option<Arc<ExecutedBlock>>;
}

/// No pending block: the tag means the head.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPendingBlock;

impl PendingBlockSource for NoPendingBlock {
    fn pending(&self) -> Option<Arc<ExecutedBlock>> {
        None
    }
}

/// How far behind the network a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncProgress {
    /// Block at which synchronisation began.
    pub starting: u64,
    /// Highest block known of.
    pub highest: u64,
}

/// State of the node's network and engine.
pub trait NodeStatus: Send + Sync + 'static {
    /// Progress while the node catches up, `None` when it has.
    fn sync_progress(&self) -> Option<SyncProgress> {
        None
    }

    /// Number of connected peers.
    fn peer_count(&self) -> usize {
        0
    }

    /// Whether the node accepts peers.
    fn is_listening(&self) -> bool {
        false
    }

    /// Identity in the peer-to-peer network, if there is one.
    fn node_id(&self) -> Option<String> {
        None
    }

    /// Peer-to-peer port, if there is a listener.
    fn listen_port(&self) -> Option<u16> {
        None
    }
}

/// A node on its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standalone;

impl NodeStatus for Standalone {}
