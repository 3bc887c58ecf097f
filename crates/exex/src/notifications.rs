//! The blocks as one extension sees them: first from the database, then live, without a seam.

use crate::{CommittedBlock, ExExError, ExExNotification, metrics};
use alloy_primitives::BlockNumber;
use peruri_storage::ProviderFactory;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::broadcast::{self, error::RecvError};
use tracing::warn;

/// The stream of notifications of one extension.
#[derive(Debug)]
pub struct ExExNotifications {
    name: &'static str,
    provider: ProviderFactory,
    /// Bounded; drops the oldest block when the extension is too slow for it.
    live: broadcast::Receiver<Arc<CommittedBlock>>,
    /// The block that is told next.
    next: BlockNumber,
    /// Newest block that has to be read from the database.
    replay_to: BlockNumber,
    /// Newest block that was told, for metrics.
    delivered: Arc<AtomicU64>,
}

impl ExExNotifications {
    /// The blocks after `finished`. `live` must have been subscribed to before `head` was read.
    pub(crate) fn new(
        name: &'static str,
        provider: ProviderFactory,
        live: broadcast::Receiver<Arc<CommittedBlock>>,
        finished: BlockNumber,
        head: BlockNumber,
    ) -> Self {
        let delivered = Arc::new(AtomicU64::new(finished));
        let next = finished.saturating_add(1);
        Self { name, provider, live, next, replay_to: head, delivered }
    }

    pub(crate) const fn delivered(&self) -> &Arc<AtomicU64> {
        &self.delivered
    }

    /// Leaves out the blocks up to `number`, for an extension that has no use for the past. They count
    /// as finished only when the extension says so.
    pub fn skip_to(&mut self, number: BlockNumber) {
        self.next = self.next.max(number.saturating_add(1));
    }

    /// The next notification; `None` when the node stops. Waits for a block if there is none. Nothing
    /// is lost if the future is dropped before it is ready.
    ///
    /// # Errors
    /// The database cannot be read, or no longer has the receipts of the block.
    pub async fn next(&mut self) -> Result<Option<ExExNotification>, ExExError> {
        loop {
            if self.next <= self.replay_to {
                let block = self.read().await?;
                return Ok(Some(self.deliver(block)));
            }
            match self.live.recv().await {
                Ok(block) if block.number() == self.next => return Ok(Some(self.deliver(block))),
                // It was read from the database meanwhile, or left out.
                Ok(block) if block.number() < self.next => {}
                Ok(_) => return Ok(Some(self.lagged()?)),
                // The next block in the buffer shows whether anything is missing.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// A block is missing in the buffer. Reads up to the head: what the buffer still has may be gone
    /// when its turn comes.
    fn lagged(&mut self) -> Result<ExExNotification, ExExError> {
        let from = self.next;
        self.replay_to = self.provider.best_block_number()?;
        metrics::lagged(self.name);
        warn!(
            target: "exex",
            name = self.name,
            from,
            to = self.replay_to,
            "extension lags: blocks are read from the database"
        );
        Ok(ExExNotification::Lagged { from })
    }

    async fn read(&self) -> Result<Arc<CommittedBlock>, ExExError> {
        let (provider, number) = (self.provider.clone(), self.next);
        let read = move || CommittedBlock::read(&provider, number);
        let block = tokio::task::spawn_blocking(read).await??;
        block.map(Arc::new).ok_or(ExExError::MissingBlock(number))
    }

    fn deliver(&mut self, new: Arc<CommittedBlock>) -> ExExNotification {
        self.delivered.store(self.next, Ordering::Release);
        self.next = self.next.saturating_add(1);
        ExExNotification::ChainCommitted { new }
    }
}
