//! The thread that writes the sign state: a sync takes milliseconds, and consensus goes on meanwhile.

use super::{SignStateError, SignStore};
use peruri_ibft2::{Block, SignRecord, core::PersistToken};
use std::sync::Arc;
use tokio::{
    sync::mpsc::{Receiver, Sender, UnboundedSender, channel},
    task::JoinHandle,
};

/// Writes that may wait. The core has a few under way at a time; a disk that falls so far behind
/// is broken.
const WAITING: usize = 1_024;

/// A record to be made durable, with the block that it names and the one before did not.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) token: PersistToken,
    pub(crate) record: Box<SignRecord>,
    pub(crate) block: Option<Arc<Block>>,
}

/// What became of a write.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) token: PersistToken,
    /// Sequence number of the record, which is durable now; or why nothing may be signed any more.
    pub(crate) sequence: Result<u64, SignStateError>,
}

/// The writer's end of the driver.
#[derive(Debug)]
pub(crate) struct SignWriter {
    writes: Sender<Write>,
    task: JoinHandle<()>,
}

impl SignWriter {
    /// Starts the thread.
    pub(crate) fn start<E: From<Written> + Send + 'static>(
        store: SignStore,
        done: UnboundedSender<E>,
    ) -> Self {
        let (writes, receiver) = channel(WAITING);
        let task = tokio::task::spawn_blocking(move || run(store, receiver, &done));
        Self { writes, task }
    }

    /// Hands over a write; they are carried out in order.
    ///
    /// # Errors
    /// [`SignStateError::Failed`] if the thread has ended or is hopelessly late.
    pub(crate) fn write(&self, write: Write) -> Result<(), SignStateError> {
        self.writes.try_send(write).map_err(|_| SignStateError::Failed)
    }

    /// Waits until everything is written.
    pub(crate) async fn finish(self) {
        drop(self.writes);
        // It only panics after a bug, and then what is on disk is whole all the same.
        let _ = self.task.await;
    }
}

fn run<E: From<Written>>(
    mut store: SignStore,
    mut writes: Receiver<Write>,
    done: &UnboundedSender<E>,
) {
    while let Some(Write { token, record, block }) = writes.blocking_recv() {
        let started = std::time::Instant::now();
        let sequence = store.persist(&record, block.as_deref()).map(|()| record.sequence);
        metrics::histogram!("peruri_consensus_sign_state_write_seconds").record(started.elapsed());
        let failed = sequence.is_err();
        // Nobody waits any more when the driver has ended.
        let _ = done.send(Written { token, sequence }.into());
        if failed {
            return;
        }
    }
}
