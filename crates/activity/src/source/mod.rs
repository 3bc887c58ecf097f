//! Queues that activities come from.

mod amqp;
mod file;
mod pump;
mod run;

pub use amqp::{AmqpSource, LOG_DIRECTIVE, requeue};
pub use file::FileSource;
pub use pump::{PumpError, pump};
pub use run::{run_amqp, run_file};

use crate::ActivityError;
use std::future::Future;

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The queue's name for this delivery.
    pub tag: u64,
    /// The message: a CloudEvent.
    pub message: Vec<u8>,
}

/// A queue cannot be read or answered.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub Box<dyn std::error::Error + Send + Sync>);

/// A queue. What it has delivered is acknowledged or rejected, each delivery once; what is neither
/// when the process ends, it delivers again.
pub trait QueueSource: Send {
    /// Waits for a message, and returns it with those that follow at once, up to `most`. Empty when
    /// the queue has ended.
    fn next(
        &mut self,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Delivery>, SourceError>> + Send;

    /// The rows of these activities are on disk.
    fn ack(&mut self, tags: &[u64]) -> impl Future<Output = Result<(), SourceError>> + Send;

    /// The message can never be accepted; the reason is on disk.
    fn reject(
        &mut self,
        tag: u64,
        reason: &ActivityError,
    ) -> impl Future<Output = Result<(), SourceError>> + Send;

    /// Delivers nothing more until [`next`](Self::next) is called, and returns what had been delivered
    /// already and was not returned.
    fn pause(&mut self) -> impl Future<Output = Result<Vec<Delivery>, SourceError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// Messages that wait in the queue, where it can tell.
    fn lag(&self) -> Option<u64>;
}
