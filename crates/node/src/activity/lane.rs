//! The lane over pool and network.

use super::Consensus;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes};
use peruri_activity::chain::{Lane, Offered};
use peruri_engine::waiting_transactions;
use peruri_network::NetworkHandle;
use peruri_txpool::{Pool, PoolErrorKind, TransactionOrigin, TransactionPool};
use tokio::{runtime::Handle, sync::watch};
use tracing::warn;

/// Releases sealed transactions to the pool, whence they are gossiped.
pub(super) struct PoolLane {
    pub(super) pool: Pool,
    pub(super) signer: Address,
    pub(super) consensus: watch::Receiver<Consensus>,
    /// The source has a thread of its own, which may wait for the network.
    pub(super) runtime: Handle,
}

impl Lane for PoolLane {
    fn offer(&self, raw: &Bytes) -> Offered {
        let added = self.pool.add_raw_transaction(TransactionOrigin::Local, raw.clone());
        match added.map_err(|error| error.kind) {
            // What is in a block already is as good as taken.
            Ok(_) | Err(PoolErrorKind::AlreadyKnown | PoolErrorKind::NonceTooLow { .. }) => {
                Offered::Taken
            }
            Err(PoolErrorKind::LaneFull { .. } | PoolErrorKind::TxPoolOverflow) => Offered::Full,
            Err(error) => {
                warn!(target: "activity::sealer", %error, "the pool refuses a sealed transaction; it is offered again after the next block");
                Offered::Full
            }
        }
    }

    fn pending(&self) -> Vec<Bytes> {
        let (pending, queued) = self.pool.content_from(&self.signer);
        let own = pending.values().chain(queued.values());
        let mut raw: Vec<Bytes> =
            own.map(|tx| tx.transaction().inner().encoded_2718().into()).collect();
        if let Some(network) = self.network() {
            match self.runtime.block_on(waiting_transactions(&network, self.signer)) {
                Ok(others) => raw.extend(others),
                Err(error) => {
                    warn!(target: "activity::sealer", %error, "peers were not asked for transactions of this source");
                }
            }
        }
        raw.sort_unstable();
        raw.dedup();
        raw
    }
}

impl PoolLane {
    fn network(&self) -> Option<NetworkHandle> {
        self.consensus.borrow().as_ref()?.network.clone()
    }
}
