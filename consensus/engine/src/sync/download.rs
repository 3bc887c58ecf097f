//! Fetching a stretch of blocks from one node.

use super::targets::Target;
use crate::{
    blame::{BAD_BLOCK, UNANSWERED},
    wire::{GetBlocks, Request},
};
use alloy_primitives::Bytes;
use alloy_rlp::Decodable;
use futures::{StreamExt, stream::FuturesOrdered};
use peruri_network::{NetworkHandle, RequestError};
use peruri_primitives::Block;
use tokio::sync::mpsc::Sender;

/// Blocks in one request.
const BLOCKS_PER_REQUEST: u64 = 64;
/// Requests under way.
const REQUESTS: u64 = 3;

/// Why a download ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadError {
    /// The node did not answer.
    #[error("request for block {from}: {source}")]
    Request {
        /// First block of the request.
        from: u64,
        /// Why.
        source: RequestError,
    },
    /// It answered with what is no chain of blocks.
    #[error("answer from block {from} on: {reason}")]
    Malformed {
        /// First block of the request.
        from: u64,
        /// What is wrong.
        reason: String,
    },
}

impl DownloadError {
    /// Weight of the penalty for a node that said that it has the blocks.
    pub(super) const fn weight(&self) -> f64 {
        match self {
            Self::Malformed { .. } => BAD_BLOCK,
            Self::Request { .. } => UNANSWERED,
        }
    }

    /// Whether the answer breaks a rule, whatever the node has said.
    pub(super) const fn is_fault(&self) -> bool {
        matches!(self, Self::Malformed { .. })
    }
}

/// Fetches the blocks from `from` to the target's head and hands them on in order. Ends early without an
/// error if nobody takes them any more.
///
/// # Errors
/// [`DownloadError`]; what was handed on before is good.
pub(super) async fn download(
    network: &NetworkHandle,
    target: Target,
    from: u64,
    blocks: &Sender<Block>,
) -> Result<(), DownloadError> {
    let ask = |from: u64| {
        let count = target.head.saturating_sub(from).saturating_add(1).min(BLOCKS_PER_REQUEST);
        let request = Request::Blocks(GetBlocks { from, count });
        async move {
            let answer = network.request(target.session, request.encode()).await;
            (from, answer.map_err(|source| DownloadError::Request { from, source }))
        }
    };
    let mut next = from;
    while next <= target.head {
        let starts =
            (0..REQUESTS).map(|i| next.saturating_add(i.saturating_mul(BLOCKS_PER_REQUEST)));
        let mut answers: FuturesOrdered<_> =
            starts.filter(|start| *start <= target.head).map(ask).collect();
        while let Some((start, answer)) = answers.next().await {
            for block in decode(start, &answer?)? {
                next = block.header.number.saturating_add(1);
                if blocks.send(block).await.is_err() {
                    return Ok(());
                }
            }
            // A shorter answer than asked for: what was asked for behind it leaves a gap.
            if next < start.saturating_add(BLOCKS_PER_REQUEST) {
                break;
            }
            let further = start.saturating_add(REQUESTS.saturating_mul(BLOCKS_PER_REQUEST));
            if further <= target.head {
                answers.push_back(ask(further));
            }
        }
    }
    Ok(())
}

/// The blocks of an answer, which must be numbered from `from` on. There is at least one: a node that
/// has none does not answer.
fn decode(from: u64, answer: &Bytes) -> Result<Vec<Block>, DownloadError> {
    let malformed = |reason| DownloadError::Malformed { from, reason };
    if answer.is_empty() {
        return Err(malformed("no block".to_owned()));
    }
    let mut rest = answer.as_ref();
    let mut blocks = Vec::new();
    let mut expected = from;
    while !rest.is_empty() {
        let block = Block::decode(&mut rest).map_err(|error| malformed(error.to_string()))?;
        let got = block.header.number;
        if got != expected {
            return Err(malformed(format!("block {got} in the place of {expected}")));
        }
        expected = expected.saturating_add(1);
        blocks.push(block);
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use peruri_primitives::Header;

    fn answer(numbers: &[u64]) -> Bytes {
        let mut out = Vec::new();
        for number in numbers {
            let header = alloy_consensus::Header { number: *number, ..Default::default() };
            let block = Block { header: Header::from(header), ..Block::default() };
            alloy_rlp::Encodable::encode(&block, &mut out);
        }
        out.into()
    }

    #[test]
    fn blocks_of_an_answer_are_consecutive() {
        assert_eq!(decode(3, &answer(&[3, 4, 5])).unwrap().len(), 3);
        for bad in [Bytes::new(), answer(&[4]), answer(&[3, 5]), answer(&[3, 3])] {
            assert!(decode(3, &bad).unwrap_err().is_fault());
        }
        let cut = answer(&[3]);
        assert!(decode(3, &cut.slice(..cut.len() - 1)).is_err());
    }
}
