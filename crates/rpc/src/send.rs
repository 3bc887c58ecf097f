//! The way of raw transactions into the pool.
//!
//! Single requests and whole batches meet in one bounded queue. Whatever waits when the pool is
//! free goes in as one batch, so that senders are recovered on all cores, the state is read from
//! one snapshot, and the journal is synced once. Under light load a batch is a single transaction
//! and waits for nothing.

use crate::{RpcError, error::RpcResult};
use alloy_primitives::{B256, Bytes};
use metrics::histogram;
use peruri_txpool::{PoolResult, TransactionOrigin, TransactionPool};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Transactions that go into the pool together.
const MAX_POOL_BATCH: usize = 4096;

/// Transactions of one request.
#[derive(Debug)]
struct Job {
    raw: Vec<Bytes>,
    reply: oneshot::Sender<Vec<PoolResult<B256>>>,
    /// Gives the places in the queue back when the job is done.
    _permit: tokio::sync::OwnedSemaphorePermit,
}

/// Sender side of the queue.
#[derive(Debug)]
pub(crate) struct SendQueue {
    jobs: mpsc::UnboundedSender<Job>,
    /// Bounds the transactions in the queue: each job holds one permit per transaction.
    room: Arc<Semaphore>,
    capacity: usize,
}

impl SendQueue {
    /// Starts the task that feeds `pool`. It ends when the queue is dropped.
    pub(crate) fn spawn(pool: Arc<dyn TransactionPool>, capacity: usize) -> Self {
        let (jobs, receiver) = mpsc::unbounded_channel();
        tokio::spawn(feed(pool, receiver));
        Self { jobs, room: Arc::new(Semaphore::new(capacity)), capacity }
    }

    /// Adds transactions; the results stand in their order.
    ///
    /// # Errors
    ///
    /// [`RpcError::Busy`] if too many wait already.
    pub(crate) async fn add(&self, raw: Vec<Bytes>) -> RpcResult<Vec<PoolResult<B256>>> {
        let busy = RpcError::Busy { what: "queue of raw transactions", limit: self.capacity };
        let count = u32::try_from(raw.len()).map_err(|_| RpcError::internal("batch length"))?;
        let Ok(permit) = self.room.clone().try_acquire_many_owned(count) else {
            return Err(busy);
        };
        let (reply, answer) = oneshot::channel();
        let job = Job { raw, reply, _permit: permit };
        self.jobs.send(job).map_err(|_| RpcError::internal("transaction queue ended"))?;
        answer.await.map_err(|_| RpcError::internal("transaction queue ended"))
    }
}

async fn feed(pool: Arc<dyn TransactionPool>, mut receiver: mpsc::UnboundedReceiver<Job>) {
    while let Some(first) = receiver.recv().await {
        let pool = pool.clone();
        // The thread goes on while there is work: waking another for each batch takes longer than a
        // transaction.
        let work = move || {
            let mut next = Some(first);
            while let Some(first) = next {
                insert_together(&*pool, first, &mut receiver);
                next = receiver.try_recv().ok();
            }
            receiver
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(back) => receiver = back,
            Err(error) => {
                tracing::error!(target: "rpc::send", %error, "the queue of raw transactions ended");
                return;
            }
        }
    }
}

/// Inserts what waits, beginning with `first`.
fn insert_together(
    pool: &dyn TransactionPool,
    first: Job,
    receiver: &mut mpsc::UnboundedReceiver<Job>,
) {
    let mut count = first.raw.len();
    let mut jobs = vec![first];
    while count < MAX_POOL_BATCH
        && let Ok(job) = receiver.try_recv()
    {
        count += job.raw.len();
        jobs.push(job);
    }
    // A panic in the pool must not end the queue: the waiting requests see their reply dropped.
    if catch_unwind(AssertUnwindSafe(|| insert(pool, jobs))).is_err() {
        tracing::error!(target: "rpc::send", "inserting a batch panicked");
    }
}

fn insert(pool: &dyn TransactionPool, mut jobs: Vec<Job>) {
    let lengths: Vec<usize> = jobs.iter().map(|job| job.raw.len()).collect();
    histogram!("peruri_rpc_send_batch_transactions").record(lengths.iter().sum::<usize>() as f64);
    let raw = jobs.iter_mut().flat_map(|job| std::mem::take(&mut job.raw)).collect();
    let mut results = pool.add_raw_transactions(TransactionOrigin::Local, raw).into_iter();
    for (job, length) in jobs.into_iter().zip(lengths) {
        // A client that went away does not want its answer.
        let _ = job.reply.send(results.by_ref().take(length).collect());
    }
}
