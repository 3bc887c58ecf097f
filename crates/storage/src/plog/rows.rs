//! Keys and values. Logs have numbers here, so that keys are short; numbers are big-endian.
//!
//! Look-ups have no value, all is in the key:
//!
//! | key | finds |
//! |---|---|
//! | `A`, activity id (16 bytes), log, index | the entries of an activity |
//! | `L`, first 16 bytes of the leaf hash, log, index | an entry by its content |
//! | `S`, log, first 16 bytes of the subject, index | the entries of a subject |
//! | `Q`, source, first sequence number, log, first index | the batch with a source's entry |

use crate::{ProviderError, ProviderResult, db::Column};
use alloy_primitives::B256;
use peruri_plog::{ENTRY_LEN, Entry};

/// Bytes of a leaf hash or a subject in a look-up: enough that two differ, and the entry itself is
/// compared afterwards.
const PREFIX: usize = 16;
/// Block, transaction, source, first sequence number.
const BATCH_HEAD: usize = 8 + 4 + 4 + 8;

/// Number of a log in this database.
pub(super) type LogNumber = u32;

/// A log: its number here and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogRow {
    pub(super) number: LogNumber,
    pub(super) size: u64,
}

impl LogRow {
    pub(super) fn encode(self) -> Vec<u8> {
        [self.number.to_be_bytes().as_slice(), &self.size.to_be_bytes()].concat()
    }

    pub(super) fn decode(row: &[u8]) -> ProviderResult<Self> {
        let mut reader = Reader(row);
        let read = (|| Some(Self { number: reader.u32()?, size: reader.u64()? }))();
        read.filter(|_| reader.0.is_empty()).ok_or_else(|| damaged(Column::PlogLogs))
    }
}

/// What a row of `plog_batches` says beside its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchRow<'a> {
    pub(super) block: u64,
    pub(super) tx_index: u32,
    pub(super) source: u32,
    pub(super) first_seq: u64,
    pub(super) entries: &'a [[u8; ENTRY_LEN]],
}

impl<'a> BatchRow<'a> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let entries = self.entries.as_flattened();
        let mut row = Vec::with_capacity(BATCH_HEAD + entries.len());
        row.extend(self.block.to_be_bytes());
        row.extend(self.tx_index.to_be_bytes());
        row.extend(self.source.to_be_bytes());
        row.extend(self.first_seq.to_be_bytes());
        row.extend(entries);
        row
    }

    pub(super) fn decode(row: &'a [u8]) -> ProviderResult<Self> {
        let mut reader = Reader(row);
        let read = (|| {
            let (block, tx_index) = (reader.u64()?, reader.u32()?);
            let (source, first_seq) = (reader.u32()?, reader.u64()?);
            let (entries, rest) = reader.0.as_chunks();
            let whole = rest.is_empty() && !entries.is_empty();
            whole.then_some(Self { block, tx_index, source, first_seq, entries })
        })();
        read.ok_or_else(|| damaged(Column::PlogBatches))
    }
}

/// Levels of a tile, and bits of an index within its lowest level.
const TILE_HEIGHT: u8 = 8;

/// Key of a node. Nodes lie tile by tile, as in C2SP tlog-tiles: the path of a proof passes three tiles
/// of a log of ten million entries, and those of a tile are neighbours on disk.
pub(super) fn node(log: LogNumber, level: u8, index: u64) -> [u8; 15] {
    let (tile_level, row) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
    let bits = TILE_HEIGHT - row;
    let mut key = [0; 15];
    key[..4].copy_from_slice(&log.to_be_bytes());
    key[4] = tile_level;
    key[5..13].copy_from_slice(&(index >> bits).to_be_bytes());
    key[13] = row;
    key[14] = (index & ((1 << bits) - 1)) as u8;
    key
}

/// Log, level and index of a [`node`] key.
pub(super) fn parse_node(key: &[u8]) -> Option<(LogNumber, u8, u64)> {
    let mut reader = Reader(key);
    let (log, tile_level, tile) = (reader.u32()?, reader.u8()?, reader.u64()?);
    let (row, within) = (reader.u8()?, reader.u8()?);
    let level = tile_level.checked_mul(TILE_HEIGHT)?.checked_add(row)?;
    let bits = TILE_HEIGHT.checked_sub(row)?;
    let index = tile.checked_mul(1 << bits)?.checked_add(within.into())?;
    (node(log, level, index) == key).then_some((log, level, index))
}

pub(super) fn batch(log: LogNumber, first_index: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&log.to_be_bytes());
    key[4..].copy_from_slice(&first_index.to_be_bytes());
    key
}

/// Log and first index of a [`batch`] key.
pub(super) fn parse_batch(key: &[u8]) -> Option<(LogNumber, u64)> {
    let mut reader = Reader(key);
    Some((reader.u32()?, reader.u64()?))
}

/// The look-ups of an entry whose leaf hash is known. A zero subject is nobody.
pub(super) fn lookups(
    log: LogNumber,
    index: u64,
    entry: &Entry,
    leaf: &B256,
) -> impl Iterator<Item = Vec<u8>> {
    let place = batch(log, index);
    let subject = (!entry.subject.is_zero())
        .then(|| [subject_prefix(log, &entry.subject).as_slice(), &index.to_be_bytes()].concat());
    let always = [
        [activity_prefix(&entry.activity_id).as_slice(), &place].concat(),
        [leaf_prefix(leaf).as_slice(), &place].concat(),
    ];
    always.into_iter().chain(subject)
}

pub(super) fn activity_prefix(id: &[u8; 16]) -> Vec<u8> {
    [b"A".as_slice(), id].concat()
}

pub(super) fn leaf_prefix(leaf: &B256) -> Vec<u8> {
    [b"L", &leaf[..PREFIX]].concat()
}

pub(super) fn subject_prefix(log: LogNumber, subject: &B256) -> Vec<u8> {
    [b"S".as_slice(), &log.to_be_bytes(), &subject[..PREFIX]].concat()
}

pub(super) fn source_prefix(source: u32) -> Vec<u8> {
    [b"Q".as_slice(), &source.to_be_bytes()].concat()
}

pub(super) fn source(source: u32, first_seq: u64, log: LogNumber, first_index: u64) -> Vec<u8> {
    let place = batch(log, first_index);
    [source_prefix(source).as_slice(), &first_seq.to_be_bytes(), &place].concat()
}

/// Log and index at the end of a look-up by activity, leaf or source.
pub(super) fn place(key: &[u8]) -> ProviderResult<(LogNumber, u64)> {
    let tail = key.len().checked_sub(12).and_then(|at| key.get(at..));
    tail.and_then(parse_batch).ok_or_else(|| damaged(Column::PlogLookup))
}

/// Index at the end of a look-up by subject.
pub(super) fn place_of_subject(key: &[u8]) -> ProviderResult<u64> {
    let index = key.last_chunk().map(|index| u64::from_be_bytes(*index));
    index.ok_or_else(|| damaged(Column::PlogLookup))
}

pub(super) fn damaged(column: Column) -> ProviderError {
    ProviderError::codec(column.name(), "a row of another form")
}

/// Takes numbers from the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_node_is_found_by_its_key(log: u32, level in 0..64u8, index: u64) {
            let index = index >> level;
            prop_assert_eq!(parse_node(&node(log, level, index)), Some((log, level, index)));
        }

        #[test]
        fn another_key_is_no_node(key in prop::collection::vec(any::<u8>(), 0..17)) {
            if let Some((log, level, index)) = parse_node(&key) {
                prop_assert_eq!(&node(log, level, index)[..], &key[..]);
            }
        }
    }

    #[test]
    fn the_nodes_of_a_tile_are_neighbours() {
        let tile = |level, index| node(1, level, index)[..13].to_vec();
        assert!((0..256).all(|index| tile(0, index) == tile(7, 0)));
        assert_ne!(tile(0, 256), tile(0, 255));
        assert_eq!(tile(7, 3), tile(0, 3 * 128), "128 leaves below each");
        assert_ne!(tile(8, 0), tile(7, 0));
    }
}
