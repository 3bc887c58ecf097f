//! Transactions between the pool and the peers.
//!
//! A message is 8 random bytes and a list of EIP-2718 transactions (RLP byte strings). The network names
//! messages by their content, so that the same list can be sent again under another number.
//!
//! Only transactions of this node's own clients are published; those of others are handed on by the
//! network as soon as they were found to be good. One that is still waiting after some time is
//! published again: it may have been sent while nobody was connected.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bytes, TxHash};
use alloy_rlp::Decodable;
use peruri_engine::Gossip;
use peruri_network::{NetworkHandle, Verdict};
use peruri_txpool::{
    Pool, PoolErrorKind, PoolResult, TransactionOrigin, TransactionPool, ValidPoolTransaction,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{broadcast::error::RecvError, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Length of a message after which it is sent.
const MESSAGE_BYTES: usize = 256 << 10;
/// Transactions in a message; more are refused.
const MESSAGE_TRANSACTIONS: usize = 4_096;
/// Time after which a waiting transaction is published again.
const AGAIN: Duration = Duration::from_secs(10);
/// Transactions that are published again at a time.
const AGAIN_TRANSACTIONS: usize = 4_096;

/// Carries transactions between pool and network.
#[derive(Debug)]
pub(crate) struct TransactionGossip {
    pool: Pool,
    network: NetworkHandle,
}

impl TransactionGossip {
    pub(crate) const fn new(pool: Pool, network: NetworkHandle) -> Self {
        Self { pool, network }
    }

    /// Runs until `shutdown` fires.
    pub(crate) async fn run(self, incoming: mpsc::Receiver<Gossip>, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.receive(incoming) => {}
            () = self.publish() => {}
            () = self.publish_again() => {}
        }
    }

    /// Puts what others send into the pool, one message at a time: the pool uses all cores for each.
    async fn receive(&self, mut incoming: mpsc::Receiver<Gossip>) {
        while let Some(Gossip { session, id, bytes }) = incoming.recv().await {
            let pool = self.pool.clone();
            let added = tokio::task::spawn_blocking(move || {
                decode(&bytes)
                    .map(|raw| pool.add_raw_transactions(TransactionOrigin::External, raw))
            })
            .await;
            let verdict = match added {
                Ok(Some(results)) => judge(&results),
                Ok(None) => Verdict::Reject,
                Err(error) => {
                    warn!(target: "txpool", %error, "gossip not taken");
                    Verdict::Ignore
                }
            };
            if let Err(error) = self.network.report_gossip(id, session, verdict) {
                debug!(target: "txpool", %session, %error, "gossip not judged");
            }
        }
    }

    async fn publish(&self) {
        let mut new = self.pool.pending_transactions_listener();
        loop {
            match new.recv().await {
                Ok(batch) => self.publish_all(batch.iter()),
                // They are published again while they wait.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    async fn publish_again(&self) {
        let mut interval = tokio::time::interval(AGAIN);
        loop {
            interval.tick().await;
            let now = Instant::now();
            let content = self.pool.content().pending;
            let waiting: Vec<_> = content
                .values()
                .flat_map(|of_sender| of_sender.values())
                .filter(|tx| now.duration_since(tx.timestamp()) >= AGAIN)
                .filter(|tx| tx.origin().is_local())
                .take(AGAIN_TRANSACTIONS)
                .collect();
            self.publish_all(waiting.into_iter());
        }
    }

    fn publish_all<'a>(&self, transactions: impl Iterator<Item = &'a Arc<ValidPoolTransaction>>) {
        let mut list = Vec::new();
        let mut count = 0;
        for tx in transactions.filter(|tx| tx.origin().is_local() && !tx.is_eip4844()) {
            let encoded = tx.transaction().inner().encoded_2718();
            alloy_rlp::Encodable::encode(encoded.as_slice(), &mut list);
            count += 1;
            if list.len() >= MESSAGE_BYTES || count == MESSAGE_TRANSACTIONS {
                self.send(&std::mem::take(&mut list));
                count = 0;
            }
        }
        if !list.is_empty() {
            self.send(&list);
        }
    }

    fn send(&self, list: &[u8]) {
        let message = [&rand::random::<[u8; 8]>()[..], list].concat();
        if let Err(error) = self.network.publish(message.into()) {
            debug!(target: "txpool", %error, "transactions not published");
        }
    }
}

/// Good if one of the transactions was taken or is known; nobody hands on what nobody takes.
fn judge(results: &[PoolResult<TxHash>]) -> Verdict {
    let is_fault = |result: &PoolResult<_>| {
        result.as_ref().is_err_and(|error| {
            matches!(error.kind, PoolErrorKind::Decode(_) | PoolErrorKind::InvalidSignature)
        })
    };
    let is_good = |result: &PoolResult<_>| match result {
        Ok(_) => true,
        Err(error) => matches!(error.kind, PoolErrorKind::AlreadyKnown),
    };
    if results.iter().any(is_fault) {
        Verdict::Reject
    } else if results.iter().any(is_good) {
        Verdict::Accept
    } else {
        Verdict::Ignore
    }
}

/// The transactions of a message; `None` if it is none.
fn decode(message: &Bytes) -> Option<Vec<Bytes>> {
    let mut rest = message.get(8..)?;
    let mut raw = Vec::new();
    while !rest.is_empty() && raw.len() < MESSAGE_TRANSACTIONS {
        raw.push(Bytes::decode(&mut rest).ok()?);
    }
    (rest.is_empty() && !raw.is_empty()).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use peruri_txpool::PoolError;

    #[test]
    fn a_message_is_a_number_and_a_list() {
        let mut message = vec![7; 8];
        assert_eq!(decode(&message.clone().into()), None);
        for tx in [&[1u8, 2, 3][..], &[4]] {
            alloy_rlp::Encodable::encode(tx, &mut message);
        }
        let expected = vec![Bytes::from_static(&[1, 2, 3]), Bytes::from_static(&[4])];
        assert_eq!(decode(&message.clone().into()), Some(expected));
        message.push(0x83);
        assert_eq!(decode(&message.into()), None);
    }

    #[test]
    fn a_broken_transaction_condemns_a_message_and_a_known_one_is_as_good_as_a_new_one() {
        let good = || Ok(TxHash::ZERO);
        let bad = |kind| Err(PoolError::new(TxHash::ZERO, kind));
        assert_eq!(judge(&[good(), bad(PoolErrorKind::NonceMax)]), Verdict::Accept);
        assert_eq!(judge(&[bad(PoolErrorKind::AlreadyKnown)]), Verdict::Accept);
        assert_eq!(judge(&[bad(PoolErrorKind::NonceMax)]), Verdict::Ignore);
        assert_eq!(judge(&[good(), bad(PoolErrorKind::InvalidSignature)]), Verdict::Reject);
    }

    #[test]
    fn a_message_with_too_many_transactions_is_none() {
        let mut message = vec![0; 8];
        message.extend(std::iter::repeat_n(1, MESSAGE_TRANSACTIONS + 1));
        assert_eq!(decode(&message.into()), None);
    }
}
