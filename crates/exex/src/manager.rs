//! Hands committed blocks to extensions and keeps their heights.

use crate::{
    CommittedBlock, ExExContext, ExExError, ExExEvents, ExExNotifications, ExExProvider, metrics,
};
use alloy_eips::BlockNumHash;
use alloy_primitives::BlockNumber;
use peruri_storage::{CanonStateNotification, ExtensionStore, ProviderFactory};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::{
    Notify,
    broadcast::{self, error::RecvError},
};
use tokio_util::sync::CancellationToken;

/// Blocks that wait for a slow extension in memory. What is older it reads from the database.
const BUFFER: usize = 64;

/// The manager's end of one extension.
#[derive(Debug)]
pub struct ExExHandle {
    name: &'static str,
    store: ExtensionStore,
    /// As the extension says.
    finished: Arc<AtomicU64>,
    delivered: Arc<AtomicU64>,
}

impl ExExHandle {
    /// Name of the extension.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its durable height.
    pub fn finished_height(&self) -> BlockNumber {
        self.store.finished_height().unwrap_or_default()
    }

    /// Makes durable what the extension said.
    async fn record(&self) -> Result<(), ExExError> {
        let finished = self.finished.load(Ordering::Acquire);
        if finished > self.finished_height() {
            let store = self.store.clone();
            tokio::task::spawn_blocking(move || store.set_finished_height(finished)).await??;
        }
        Ok(())
    }

    fn publish_metrics(&self, head: BlockNumber) {
        let waiting = head.saturating_sub(self.delivered.load(Ordering::Acquire));
        metrics::height(self.name, self.finished_height(), head);
        metrics::buffered(self.name, waiting.min(BUFFER as u64));
    }
}

/// Runs beside the extensions of a node.
#[derive(Debug)]
pub struct ExExManager {
    provider: ProviderFactory,
    commits: broadcast::Receiver<CanonStateNotification>,
    feed: broadcast::Sender<Arc<CommittedBlock>>,
    handles: Vec<ExExHandle>,
    wake: Arc<Notify>,
    shutdown: CancellationToken,
}

impl ExExManager {
    /// Installs the extensions `names`, which are distinct, and no others. From now on no block is
    /// missed; [`run`](Self::run) hands them out.
    ///
    /// # Errors
    /// A bad name; the database cannot be read or written.
    pub fn install(
        provider: ProviderFactory,
        names: &[&'static str],
        shutdown: CancellationToken,
    ) -> Result<(Self, Vec<ExExContext>), ExExError> {
        let commits = provider.subscribe_to_canonical_state();
        provider.install_extensions(names)?;
        let mut manager = Self {
            provider,
            commits,
            feed: broadcast::Sender::new(BUFFER),
            handles: Vec::with_capacity(names.len()),
            wake: Arc::new(Notify::new()),
            shutdown,
        };
        let contexts = names.iter().map(|name| manager.add(name)).collect::<Result<_, _>>()?;
        Ok((manager, contexts))
    }

    fn add(&mut self, name: &'static str) -> Result<ExExContext, ExExError> {
        let store = self.provider.extension(name)?;
        let finished_height = store.finished_height().unwrap_or_default();
        let live = self.feed.subscribe();
        let head = self.provider.last_header()?;
        let provider = self.provider.clone();
        let notifications =
            ExExNotifications::new(name, provider, live, finished_height, head.number);
        let finished = Arc::new(AtomicU64::new(finished_height));
        self.handles.push(ExExHandle {
            name,
            store: store.clone(),
            finished: finished.clone(),
            delivered: notifications.delivered().clone(),
        });
        Ok(ExExContext {
            name,
            head: BlockNumHash::new(head.number, head.hash()),
            finished_height,
            provider: ExExProvider::new(self.provider.clone()),
            store,
            notifications,
            events: ExExEvents { finished, wake: self.wake.clone() },
            shutdown: self.shutdown.clone(),
        })
    }

    /// The installed extensions.
    pub fn handles(&self) -> &[ExExHandle] {
        &self.handles
    }

    /// Hands out blocks and records heights until the node is to stop. When this ends, the streams of
    /// all extensions end.
    ///
    /// # Errors
    /// A height cannot be written, or leads the head.
    pub async fn run(mut self) -> Result<(), ExExError> {
        let shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                committed = self.commits.recv() => match committed {
                    Ok(committed) => self.hand_out(committed.tip()),
                    // The streams see the gap at the next block and read what is missing.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                },
                () = self.wake.notified() => {}
            }
            self.record().await?;
        }
        self.record().await
    }

    fn hand_out(&self, block: &peruri_storage::ExecutedBlock) {
        // No extension is no error.
        let _ = self.feed.send(Arc::new(CommittedBlock::live(block)));
    }

    async fn record(&self) -> Result<(), ExExError> {
        let head = self.provider.best_block_number()?;
        for handle in &self.handles {
            handle.record().await?;
            handle.publish_metrics(head);
        }
        Ok(())
    }
}
