//! From bytes to a block.

use alloy_rlp::Decodable;
use peruri_primitives::Block;

use crate::ConsensusError;

/// Decodes the RLP of exactly one block.
///
/// # Errors
/// Malformed RLP, or bytes after the block's end: class [`Rlp`](crate::RejectionClass::Rlp).
pub fn decode_block(bytes: &[u8]) -> Result<Block, ConsensusError> {
    let mut rest = bytes;
    let block = Block::decode(&mut rest)?;
    if rest.is_empty() { Ok(block) } else { Err(ConsensusError::TrailingBytes(rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RejectionClass;

    #[test]
    fn blocks_round_trip_and_take_no_tail() {
        let mut bytes = alloy_rlp::encode(Block::default());
        assert_eq!(decode_block(&bytes).ok(), Some(Block::default()));
        bytes.push(0);
        assert!(matches!(decode_block(&bytes), Err(ConsensusError::TrailingBytes(1))));
    }

    #[test]
    fn every_truncation_is_an_rlp_error() {
        let bytes = alloy_rlp::encode(Block::default());
        for length in 0..bytes.len() {
            let error = decode_block(&bytes[..length]).err();
            assert_eq!(error.and_then(|e| e.class()), Some(RejectionClass::Rlp), "{length}");
        }
    }
}
