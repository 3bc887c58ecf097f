//! Rows of the `meta` column family.

use alloy_primitives::{B256, BlockNumber};

use super::reader::Reader;
use crate::{Head, ProviderResult, provider::Windows};

/// Schema version, `u32`.
pub(crate) const SCHEMA: &[u8] = b"schema";
/// Number, hash and state root of the committed head.
pub(crate) const HEAD: &[u8] = b"head";
/// Hash of block 0.
pub(crate) const GENESIS: &[u8] = b"genesis";
/// Oldest blocks whose state, proofs and receipts can be read.
pub(crate) const WINDOWS: &[u8] = b"windows";
/// Sequence number of the newest durable sign-state record, `u64`.
pub(crate) const SIGN_RECORD: &[u8] = b"sign_record";
/// What users of the store keep under names of their own.
pub(crate) const USER_PREFIX: &[u8] = b"user/";

/// What the keys of the finished heights of extensions begin with.
pub(crate) const EXTENSION_PREFIX: &[u8] = b"extension/";

const COLUMN: &str = "meta";

/// Key of the finished height of an extension, `u64`.
pub(crate) fn extension_key(name: &str) -> Vec<u8> {
    [EXTENSION_PREFIX, name.as_bytes()].concat()
}

/// Key of a user's row.
pub(crate) fn user_key(name: &str) -> Vec<u8> {
    [USER_PREFIX, name.as_bytes()].concat()
}

pub(crate) fn decode_u32(row: &[u8]) -> ProviderResult<u32> {
    let mut reader = Reader::new(COLUMN, row);
    let value = reader.u32()?;
    reader.finish()?;
    Ok(value)
}

pub(crate) fn decode_u64(row: &[u8]) -> ProviderResult<u64> {
    let mut reader = Reader::new(COLUMN, row);
    let value = reader.u64()?;
    reader.finish()?;
    Ok(value)
}

pub(crate) fn decode_hash(row: &[u8]) -> ProviderResult<B256> {
    let mut reader = Reader::new(COLUMN, row);
    let value = reader.hash()?;
    reader.finish()?;
    Ok(value)
}

pub(crate) fn encode_head(head: &Head) -> Vec<u8> {
    let mut row = head.number.to_be_bytes().to_vec();
    row.extend_from_slice(head.hash.as_slice());
    row.extend_from_slice(head.state_root.as_slice());
    row
}

pub(crate) fn decode_head(row: &[u8]) -> ProviderResult<Head> {
    let mut reader = Reader::new(COLUMN, row);
    let head = Head { number: reader.u64()?, hash: reader.hash()?, state_root: reader.hash()? };
    reader.finish()?;
    Ok(head)
}

pub(crate) fn encode_windows(windows: &Windows) -> Vec<u8> {
    let mut row = Vec::with_capacity(24);
    for number in [windows.state, windows.proofs, windows.receipts] {
        row.extend_from_slice(&number.to_be_bytes());
    }
    row
}

pub(crate) fn decode_windows(row: &[u8]) -> ProviderResult<Windows> {
    let mut reader = Reader::new(COLUMN, row);
    let windows = Windows { state: reader.u64()?, proofs: reader.u64()?, receipts: reader.u64()? };
    reader.finish()?;
    Ok(windows)
}

/// Value of a transaction look-up: block number and index in the block.
pub(crate) fn encode_tx_lookup(number: BlockNumber, index: u64) -> Vec<u8> {
    let mut row = number.to_be_bytes().to_vec();
    super::reader::put_varint(&mut row, index);
    row
}

pub(crate) fn decode_tx_lookup(row: &[u8]) -> ProviderResult<(BlockNumber, u64)> {
    let mut reader = Reader::new("tx_lookup", row);
    let location = (reader.u64()?, reader.varint()?);
    reader.finish()?;
    Ok(location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip() {
        let head = Head { number: 5, hash: B256::repeat_byte(1), state_root: B256::repeat_byte(2) };
        assert_eq!(decode_head(&encode_head(&head)).ok(), Some(head));
        let windows = Windows { state: 1, proofs: 2, receipts: 3 };
        assert_eq!(decode_windows(&encode_windows(&windows)).ok(), Some(windows));
        assert_eq!(decode_tx_lookup(&encode_tx_lookup(9, 300)).ok(), Some((9, 300)));
        assert!(decode_head(&[0; 71]).is_err());
        assert!(decode_u32(&[0; 5]).is_err());
    }
}
