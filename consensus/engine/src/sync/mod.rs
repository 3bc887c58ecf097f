//! Catching up: fetching sealed blocks, checking and executing them, and giving them to consensus.
//!
//! ```text
//! request → decode → recover senders → header rules, seals, execution → core (`Finalised`) → commit
//! ```
//!
//! Each stage works while the next one does; execution stands on blocks that are not committed yet.
//! One node is asked at a time, the one with the highest head. One that does not answer is asked again
//! when it tells of a block, and banned if it goes on like that; one that sends what breaks a rule is
//! banned at once.
//! Consensus goes on meanwhile: whichever finds the next block first finishes it.
//!
//! A node that does not vote gets a block with the seals that were there when it became final. Those that
//! came later stand in the headers of the others from their next block on, so that whoever fetches that
//! one asks for its own head again, as long as a seal is missing there ([`seals`]).

mod download;
mod progress;
mod seals;
pub(crate) mod serve;
mod targets;

pub use progress::{SyncProgress, SyncStatus};
pub(crate) use targets::Targets;

use crate::{
    BlockImporter, EngineError,
    blame::{BAD_BLOCK, blame},
};
use download::download;
use peruri_ibft2::Seal;
use peruri_network::NetworkHandle;
use peruri_primitives::{Block, SealedHeader};
use peruri_storage::{ExecutedBlock, ProviderFactory};
use std::{convert::Infallible, ops::ControlFlow, sync::Arc, time::Duration};
use targets::Target;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Blocks that are downloaded and not executed.
const DOWNLOADED: usize = 64;

/// What the driver of consensus is given.
#[derive(Debug)]
pub(crate) enum Synced {
    /// The next block, checked and executed.
    Block(Box<ExecutedBlock>),
    /// Seals that another node keeps of a stored block; not checked.
    Seals {
        /// Number of the block.
        number: u64,
        /// The seals.
        seals: Vec<Seal>,
    },
    /// Answer when all blocks before this are stored or refused.
    Flush(oneshot::Sender<()>),
}

/// Fetches what is missing.
#[derive(Debug)]
pub(crate) struct Sync {
    pub(crate) importer: BlockImporter,
    pub(crate) provider: ProviderFactory,
    pub(crate) network: NetworkHandle,
    pub(crate) targets: Arc<Targets>,
    pub(crate) status: SyncStatus,
    pub(crate) synced: mpsc::Sender<Synced>,
    /// How long a node that takes part in consensus waits for the next block to become final by
    /// itself before it fetches it; zero for all others.
    pub(crate) patience: Duration,
}

impl Sync {
    /// Fetches until `shutdown` fires.
    ///
    /// # Errors
    /// If this node fails; never for what others send.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<(), EngineError> {
        // When the next block was first heard of.
        let mut heard: Option<(u64, Instant)> = None;
        loop {
            let head = self.provider.best_block_number()?;
            let target = self.targets.take_wanted(head).or_else(|| self.due(head, &mut heard));
            if let Some(target) = target {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return Ok(()),
                    ended = self.catch_up(target, head) => ended?,
                }
                continue;
            }
            let wake = heard.map(|(_, since)| since + self.patience);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                () = self.targets.changed() => {}
                () = until(wake), if wake.is_some() => {}
            }
        }
    }

    /// The node to ask, if it is time to. A single missing block is waited for: consensus is about to
    /// find it.
    fn due(&self, head: u64, heard: &mut Option<(u64, Instant)>) -> Option<Target> {
        let Some(target) = self.targets.best(head) else {
            *heard = None;
            return None;
        };
        let next = head.saturating_add(1);
        if target.head > next {
            return Some(target);
        }
        let since = match heard {
            Some((number, since)) if *number == next => *since,
            _ => heard.insert((next, Instant::now())).1,
        };
        (since.elapsed() >= self.patience).then_some(target)
    }

    /// Fetches from one node until its head is reached or something goes wrong.
    async fn catch_up(&self, target: Target, head: u64) -> Result<(), EngineError> {
        let from = head.saturating_add(1);
        debug!(target: "sync", session = target.session.0, from, to = target.head, "fetching");
        self.status.begin(head, target.head);
        let (blocks, receiver) = mpsc::channel(DOWNLOADED);
        let stored = self.provider.last_header()?;
        let again = seals::may_come(&stored)?;
        let first = if again { stored.number } else { from };
        let execution = self.execute(receiver, stored);
        let downloaded = download(&self.network, target, first, &blocks).await;
        drop(blocks);
        let executed = execution
            .await
            .map_err(|error| EngineError::Task { name: "sync", reason: error.to_string() })?;
        self.flush().await;
        let stored = self.provider.best_block_number()?;
        self.status.end(stored);
        if let Err(error) = downloaded {
            warn!(target: "sync", session = target.session.0, %error, "blocks not received");
            // Consensus may have guessed wrongly what the node has; what it says itself binds it.
            if error.is_fault() || self.targets.claims(target.session, from) {
                blame(&self.network, target.session, error.weight(), error.to_string());
            }
            self.targets.forget(target.session);
        }
        match executed {
            Err(error) if error.is_refusal() => {
                warn!(target: "sync", session = target.session.0, %error, "block refused");
                self.targets.forget(target.session);
                blame(&self.network, target.session, BAD_BLOCK, error.to_string());
            }
            Err(error) => return Err(error),
            Ok(()) if stored < from => self.targets.forget(target.session),
            // A follower fetches every block.
            Ok(()) if stored == from => debug!(target: "sync", number = stored, "next block"),
            Ok(()) => info!(target: "sync", from, to = stored, "caught up"),
        }
        Ok(())
    }

    /// Starts executing blocks and giving them to the driver. Of `stored` only the seals are taken.
    fn execute(
        &self,
        mut blocks: mpsc::Receiver<Block>,
        stored: SealedHeader,
    ) -> tokio::task::JoinHandle<Result<(), EngineError>> {
        let importer = self.importer.clone();
        let synced = self.synced.clone();
        let status = self.status.clone();
        tokio::task::spawn_blocking(move || {
            let seals = synced.clone();
            let blocks = std::iter::from_fn(move || blocks.blocking_recv()).filter(|block| {
                let Some(further) = seals::of_stored(&stored, block) else { return true };
                // An error means that the driver has ended; the next block notices.
                let _ = seals.blocking_send(further);
                false
            });
            importer.execute(blocks.map(Ok::<_, Never>), |block| {
                status.executed(&block);
                match synced.blocking_send(Synced::Block(Box::new(block))) {
                    Ok(()) => ControlFlow::Continue(()),
                    // The driver has ended.
                    Err(_) => ControlFlow::Break(()),
                }
            })
        })
    }

    /// Waits until the driver has done with what it was given.
    async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.synced.send(Synced::Flush(done)).await.is_ok() {
            // An error means that the driver has ended.
            let _ = flushed.await;
        }
    }
}

/// Downloaded blocks are no errors.
struct Never(Infallible);

impl From<Never> for EngineError {
    fn from(never: Never) -> Self {
        match never.0 {}
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
