//! What nodes of this chain say to each other: the bytes inside the frames of the network.
//!
//! | message (ordered stream) | bytes |
//! |---|---|
//! | consensus | `0`, then code and RLP of an IBFT 2.0 message |
//! | new block | `1`, then RLP of number and block hash |
//! | work | `2`: the sender holds something for a block |
//!
//! | request | answer |
//! |---|---|
//! | RLP of first number and count | the blocks with their seals, RLP, one after the other: as many as there are, at most as many as were asked for and about 8 MiB; at least one; no answer if there is none |
//! | RLP of an address | its transactions in the pool by nonce, RLP of the list of their EIP-2718 bytes, as many as 15 MiB hold |

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};

const CONSENSUS: u8 = 0;
const NEW_BLOCK: u8 = 1;
const WORK: u8 = 2;

/// A message of the ordered stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Code and RLP of a consensus message, not looked at yet.
    Consensus(Bytes),
    /// The sender has stored this block.
    NewBlock(NewBlock),
    /// The sender holds something for a block: an empty-block period need not be waited for.
    Work,
}

/// Announces a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct NewBlock {
    /// Its number.
    pub(crate) number: u64,
    /// Its block hash.
    pub(crate) hash: B256,
}

/// What a node asks another for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Blocks.
    Blocks(GetBlocks),
    /// Transactions of a sender that are in no block.
    Pending(Address),
}

/// Asks for blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct GetBlocks {
    /// Number of the first one.
    pub(crate) from: u64,
    /// Most that are wanted.
    pub(crate) count: u64,
}

impl Frame {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        match self {
            Self::Consensus(bytes) => {
                out.reserve(bytes.len().saturating_add(1));
                out.push(CONSENSUS);
                out.extend_from_slice(bytes);
            }
            Self::NewBlock(block) => {
                out.push(NEW_BLOCK);
                block.encode(&mut out);
            }
            Self::Work => out.push(WORK),
        }
        out.into()
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, String> {
        match bytes.split_first() {
            Some((&CONSENSUS, _)) => Ok(Self::Consensus(bytes.slice(1..))),
            Some((&NEW_BLOCK, rest)) => whole(rest).map(Self::NewBlock),
            Some((&WORK, [])) => Ok(Self::Work),
            Some((kind, _)) => Err(format!("message of unknown kind {kind}")),
            None => Err("empty message".to_owned()),
        }
    }
}

impl Request {
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Self::Blocks(blocks) => alloy_rlp::encode(blocks).into(),
            Self::Pending(sender) => alloy_rlp::encode(sender).into(),
        }
    }

    /// # Errors
    /// What is wrong with the bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let is_list = bytes.first().is_some_and(|first| *first >= alloy_rlp::EMPTY_LIST_CODE);
        if is_list { whole(bytes).map(Self::Blocks) } else { whole(bytes).map(Self::Pending) }
    }
}

fn whole<T: Decodable>(mut bytes: &[u8]) -> Result<T, String> {
    let value = T::decode(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.is_empty() { Ok(value) } else { Err(format!("{} bytes too many", bytes.len())) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn frames_round_trip() {
        let new_block = NewBlock { number: 7, hash: B256::repeat_byte(3) };
        let consensus = Frame::Consensus(Bytes::from_static(&[2, 0xc0]));
        for frame in [consensus, Frame::NewBlock(new_block), Frame::Work] {
            assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        for bytes in [&[][..], &[9], &[NEW_BLOCK], &[NEW_BLOCK, 0xc0, 0], &[WORK, 1]] {
            assert!(Frame::decode(&Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
        }
        let blocks = Request::Blocks(GetBlocks { from: 1, count: 2 });
        for request in [blocks, Request::Pending(Address::repeat_byte(7))] {
            let bytes = request.encode();
            assert_eq!(Request::decode(&bytes), Ok(request));
            assert!(Request::decode(&[&bytes[..], &[0]].concat()).is_err());
            assert!(Request::decode(&bytes[..bytes.len() - 1]).is_err());
        }
        assert!(Request::decode(&[]).is_err());
    }
}
