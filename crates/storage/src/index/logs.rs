//! Keys, operands and the merge operator of the log index.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, BlockNumber};
use peruri_primitives::Receipt;
use roaring::RoaringBitmap;
use rocksdb::MergeOperands;

use super::{BlockBitmap, SECTION_BLOCKS};
use crate::{ProviderError, ProviderResult};

const COLUMN: &str = "log_index";
/// An operand for one block is its offset in the section; any longer value is a Roaring bitmap.
const SINGLE_LEN: usize = 2;

/// What a log can be searched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogTerm {
    /// Address of the contract that logged.
    Address(Address),
    /// A topic, in whichever position it stands.
    Topic(B256),
}

impl LogTerm {
    const fn bytes(&self) -> &[u8] {
        match self {
            Self::Address(address) => address.0.as_slice(),
            Self::Topic(topic) => topic.0.as_slice(),
        }
    }
}

/// The terms of a block's logs.
pub(crate) fn terms(receipts: &[Receipt]) -> BTreeSet<LogTerm> {
    let mut terms = BTreeSet::new();
    for log in receipts.iter().flat_map(|receipt| &receipt.logs) {
        terms.insert(LogTerm::Address(log.address));
        terms.extend(log.data.topics().iter().map(|topic| LogTerm::Topic(*topic)));
    }
    terms
}

/// Key of the row with the blocks of one section. Address and topic keys differ in length.
pub(crate) fn row_key(term: &LogTerm, section: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(40);
    key.extend_from_slice(term.bytes());
    key.extend_from_slice(&section.to_be_bytes());
    key
}

/// Section of a block, and the operand that adds the block to it.
pub(crate) const fn operand(number: BlockNumber) -> (u64, [u8; SINGLE_LEN]) {
    (number / SECTION_BLOCKS, ((number % SECTION_BLOCKS) as u16).to_be_bytes())
}

fn parse(value: &[u8]) -> Option<RoaringBitmap> {
    match value {
        [high, low] => Some(RoaringBitmap::from([u32::from(u16::from_be_bytes([*high, *low]))])),
        _ => RoaringBitmap::deserialize_from(value).ok(),
    }
}

/// Union of the stored bitmap and the operands. Associative: its result is an operand too. `None`
/// (a value that is not a bitmap) makes RocksDB report corruption.
pub(crate) fn merge(
    _key: &[u8],
    existing: Option<&[u8]>,
    operands: &MergeOperands,
) -> Option<Vec<u8>> {
    union(existing.into_iter().chain(operands))
}

fn union<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut blocks = RoaringBitmap::new();
    for value in values {
        match value {
            [high, low] => {
                blocks.insert(u32::from(u16::from_be_bytes([*high, *low])));
            }
            _ => blocks |= parse(value)?,
        }
    }
    let mut out = Vec::with_capacity(blocks.serialized_size());
    blocks.serialize_into(&mut out).ok()?;
    Some(out)
}

/// Adds the blocks of a row to `into`.
pub(crate) fn collect(row: &[u8], section: u64, into: &mut BlockBitmap) -> ProviderResult<()> {
    let blocks =
        parse(row).ok_or_else(|| ProviderError::codec(COLUMN, "row is not a bitmap of blocks"))?;
    let first = section.saturating_mul(SECTION_BLOCKS);
    for offset in blocks {
        into.insert(first.saturating_add(u64::from(offset)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_is_associative() {
        let operands: Vec<_> = [5u64, 4095, 7, 5, 0].iter().map(|n| operand(*n).1).collect();
        let all = union(operands.iter().map(|o| o.as_slice())).expect("bitmaps");
        let left = union(operands[..2].iter().map(|o| o.as_slice())).expect("bitmaps");
        let right = union(operands[2..].iter().map(|o| o.as_slice())).expect("bitmaps");
        assert_eq!(union([left.as_slice(), right.as_slice()].into_iter()), Some(all.clone()));
        let mut blocks = BlockBitmap::default();
        collect(&all, 2, &mut blocks).expect("bitmap");
        assert_eq!(blocks.iter().collect::<Vec<_>>(), [8192, 8197, 8199, 12287]);
    }

    #[test]
    fn junk_is_refused() {
        assert_eq!(union([[1, 2, 3].as_slice()].into_iter()), None);
        assert!(collect(&[1], 0, &mut BlockBitmap::default()).is_err());
    }
}
