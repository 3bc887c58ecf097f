//! The thread that writes the sign state: a sync takes milliseconds, and consensus goes on meanwhile.

use super::{SignStateError, SignStore};
use peruri_ibft2::{Block, SignRecord, core::PersistToken};
use std::{sync::Arc, time::Instant};
use tokio::{
    sync::mpsc::{Receiver, Sender, UnboundedSender, channel, error::TrySendError},
    task::JoinHandle,
};

/// Writes that may wait. The core has a few under way at a time; a disk that falls so far behind
/// is broken.
const WAITING: usize = 1_024;

/// What the thread is to do.
#[derive(Debug)]
enum Write {
    Persist(Persist),
    Stage(Arc<Block>),
}

/// A record to be made durable, with the block that it names and the one before did not.
#[derive(Debug)]
pub(crate) struct Persist {
    pub(crate) token: PersistToken,
    pub(crate) record: Box<SignRecord>,
    pub(crate) block: Option<Arc<Block>>,
}

/// A record that is durable now.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) token: PersistToken,
    /// Its sequence number.
    pub(crate) sequence: u64,
}

/// The writer's end of the driver.
#[derive(Debug)]
pub(crate) struct SignWriter {
    writes: Sender<Write>,
    task: JoinHandle<()>,
}

impl SignWriter {
    /// Starts the thread.
    pub(crate) fn start<E: From<Result<Written, SignStateError>> + Send + 'static>(
        store: SignStore,
        done: UnboundedSender<E>,
    ) -> Self {
        let (writes, receiver) = channel(WAITING);
        let task = tokio::task::spawn_blocking(move || run(store, receiver, &done));
        Self { writes, task }
    }

    /// Hands over a record; they are written in order. After a failed write nothing is taken any more:
    /// its failure is on the way to the driver, and it names the cause.
    ///
    /// # Errors
    /// [`SignStateError::Failed`] if the thread is hopelessly late.
    pub(crate) fn persist(&self, persist: Persist) -> Result<(), SignStateError> {
        self.hand_over(Write::Persist(persist))
    }

    /// Hands over a block that the next record is going to name, if all goes well: written while nobody
    /// waits for it, it is out of the way then.
    ///
    /// # Errors
    /// As [`persist`](Self::persist).
    pub(crate) fn stage(&self, block: Arc<Block>) -> Result<(), SignStateError> {
        self.hand_over(Write::Stage(block))
    }

    fn hand_over(&self, write: Write) -> Result<(), SignStateError> {
        match self.writes.try_send(write) {
            Ok(()) | Err(TrySendError::Closed(_)) => Ok(()),
            Err(TrySendError::Full(_)) => Err(SignStateError::Failed),
        }
    }

    /// Waits until everything is written.
    pub(crate) async fn finish(self) {
        drop(self.writes);
        // It only panics after a bug, and then what is on disk is whole all the same.
        let _ = self.task.await;
    }
}

fn run<E: From<Result<Written, SignStateError>>>(
    mut store: SignStore,
    mut writes: Receiver<Write>,
    done: &UnboundedSender<E>,
) {
    while let Some(write) = writes.blocking_recv() {
        let written = carry_out(&mut store, write);
        let failed = written.is_err();
        if let Some(answer) = written.transpose() {
            // Nobody waits any more when the driver has ended.
            let _ = done.send(answer.into());
        }
        if failed {
            return;
        }
    }
}

/// Returns what became durable, if somebody waits for it.
fn carry_out(store: &mut SignStore, write: Write) -> Result<Option<Written>, SignStateError> {
    let Persist { token, record, block } = match write {
        Write::Stage(block) => return store.stage(&block).map(|()| None),
        Write::Persist(persist) => persist,
    };
    let started = Instant::now();
    let result = store.persist(&record, block.as_deref());
    metrics::histogram!("peruri_consensus_sign_state_write_seconds").record(started.elapsed());
    result.map(|()| Some(Written { token, sequence: record.sequence }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use alloy_primitives::{Address, B256};

    #[tokio::test(flavor = "multi_thread")]
    async fn the_cause_of_a_failed_write_is_told_and_what_comes_after_it_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sign");
        let store = SignStore::create(&path, B256::ZERO, Address::ZERO).unwrap();
        let (done, mut results) = tokio::sync::mpsc::unbounded_channel::<Result<Written, _>>();
        let writer = SignWriter::start(store, done);
        // The next record goes to the other slot; a folder there cannot be written, not even by root.
        std::fs::create_dir(path.join("slot-1")).unwrap();
        for token in 1..=3 {
            let record = Box::new(SignRecord::first(B256::ZERO, Address::ZERO));
            writer.persist(Persist { token: PersistToken(token), record, block: None }).unwrap();
        }
        let first = results.recv().await.unwrap();
        assert!(matches!(first, Err(SignStateError::Io { .. })), "{first:?}");
        writer.finish().await;
        assert!(results.recv().await.is_none());
    }
}
