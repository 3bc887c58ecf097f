//! A queue with a bound in items and one in bytes.

use crate::SendError;
use alloy_primitives::Bytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Sending half; never blocks.
#[derive(Debug, Clone)]
pub(crate) struct ByteQueue {
    items: mpsc::Sender<Queued>,
    bytes: Arc<Semaphore>,
    limit: usize,
}

/// A queued message; its bytes count until it is dropped.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

impl ByteQueue {
    /// A queue of at most `items` messages and `bytes` bytes whose messages have at most `limit`
    /// bytes.
    pub(crate) fn new(items: usize, bytes: usize, limit: usize) -> (Self, mpsc::Receiver<Queued>) {
        let (sender, receiver) = mpsc::channel(items.max(1));
        (Self { items: sender, bytes: Arc::new(Semaphore::new(bytes)), limit }, receiver)
    }

    /// Queues a message, or says why not.
    pub(crate) fn push(&self, bytes: Bytes) -> Result<(), SendError> {
        if bytes.is_empty() {
            return Err(SendError::Empty);
        }
        if bytes.len() > self.limit {
            return Err(SendError::TooLarge { limit: self.limit, got: bytes.len() });
        }
        let count = u32::try_from(bytes.len()).map_err(|_| SendError::Full)?;
        let permit =
            self.bytes.clone().try_acquire_many_owned(count).map_err(|_| SendError::Full)?;
        self.items.try_send(Queued { bytes, _permit: permit }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::NotConnected,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_bounds_hold_and_are_given_back() {
        let (queue, mut receiver) = ByteQueue::new(2, 10, 8);
        assert_eq!(queue.push(Bytes::new()), Err(SendError::Empty));
        assert_eq!(queue.push(vec![0; 9].into()), Err(SendError::TooLarge { limit: 8, got: 9 }));
        queue.push(vec![0; 8].into()).unwrap();
        assert_eq!(queue.push(vec![0; 3].into()), Err(SendError::Full), "bytes");
        queue.push(vec![0; 1].into()).unwrap();
        assert_eq!(queue.push(vec![0; 1].into()), Err(SendError::Full), "items");
        drop(receiver.try_recv().unwrap());
        queue.push(vec![0; 8].into()).unwrap();
        drop(receiver);
        assert_eq!(queue.push(vec![0; 1].into()), Err(SendError::NotConnected));
    }
}
