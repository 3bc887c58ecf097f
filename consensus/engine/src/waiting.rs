//! Transactions of one sender that wait in pools: what a node whose memory is older than its signatures
//! has to know before it signs again.

use crate::wire::Request;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes};
use alloy_rlp::Decodable;
use futures::future::join_all;
use peruri_network::{NetworkError, NetworkHandle, SessionId};
use peruri_txpool::TransactionPool;
use tracing::warn;

/// Bytes of transactions in an answer: below what a message of the network may have.
const ANSWER_BYTES: usize = 15 << 20;

/// The transactions of `sender` by nonce, the executable ones first.
pub(crate) fn answer(pool: &dyn TransactionPool, sender: Address) -> Bytes {
    let (pending, queued) = pool.content_from(&sender);
    let mut raw = Vec::new();
    let mut bytes = 0_usize;
    for tx in pending.values().chain(queued.values()).filter(|tx| !tx.is_eip4844()) {
        let encoded = tx.transaction().inner().encoded_2718();
        bytes = bytes.saturating_add(encoded.len());
        if bytes > ANSWER_BYTES {
            break;
        }
        raw.push(Bytes::from(encoded));
    }
    alloy_rlp::encode(raw).into()
}

/// Asks all connected nodes for the transactions of `sender` that are in no block. What one does not
/// answer is left out and logged.
///
/// # Errors
/// The network has ended or has too much to do.
pub async fn waiting_transactions(
    network: &NetworkHandle,
    sender: Address,
) -> Result<Vec<Bytes>, NetworkError> {
    let peers = network.peers().await?;
    let answers = join_all(peers.iter().map(|peer| ask(network, peer.session, sender))).await;
    let mut raw: Vec<Bytes> = answers.into_iter().flatten().collect();
    raw.sort_unstable();
    raw.dedup();
    Ok(raw)
}

async fn ask(network: &NetworkHandle, session: SessionId, sender: Address) -> Vec<Bytes> {
    let answer = match network.request(session, Request::Pending(sender).encode()).await {
        Ok(answer) => answer,
        Err(error) => {
            warn!(target: "consensus::engine", %session, %error, "a peer does not say what its pool holds");
            return Vec::new();
        }
    };
    let mut rest = answer.as_ref();
    Vec::<Bytes>::decode(&mut rest).unwrap_or_else(|error| {
        warn!(target: "consensus::engine", %session, %error, "a peer says nonsense of its pool");
        Vec::new()
    })
}
