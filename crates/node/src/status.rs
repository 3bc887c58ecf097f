//! The node as the RPC servers show it.

use crate::consensus::ConsensusHandles;
use peruri_rpc::{NodeStatus, SyncProgress};

impl NodeStatus for ConsensusHandles {
    fn sync_progress(&self) -> Option<SyncProgress> {
        let progress = self.sync.progress()?;
        Some(SyncProgress { starting: progress.starting, highest: progress.highest })
    }

    fn peer_count(&self) -> usize {
        self.network.as_ref().map_or(0, |network| network.peer_count())
    }

    fn is_listening(&self) -> bool {
        self.network.is_some()
    }

    fn node_id(&self) -> Option<String> {
        self.network.as_ref().map(|network| network.peer_id().to_string())
    }

    fn listen_port(&self) -> Option<u16> {
        Some(self.network.as_ref()?.listen_address()?.port())
    }
}
