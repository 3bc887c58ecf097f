//! A row of many items, of which one can be read without decoding the others.
//!
//! Items stand in chunks of [`CHUNK_ITEMS`], each compressed on its own with a zstd dictionary trained
//! for its kind. The dictionary makes small chunks worth compressing; the chunk makes compression of
//! small items worth its time.
//!
//! ```text
//! varint item count ‖ for each chunk: varint length ‖ chunks
//! chunk  = 0 ‖ items | 1 ‖ zstd(items)
//! items  = varint length ‖ bytes, for each item
//! ```

use super::reader::{Reader, put_varint};
use crate::{ProviderError, ProviderResult};

/// Items compressed together.
const CHUNK_ITEMS: usize = 32;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Which dictionary compresses a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dictionary {
    Transactions,
    Receipts,
}

impl Dictionary {
    fn compress(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Transactions => {
                reth_zstd_compressors::with_tx_compressor(|zstd| zstd.compress(bytes))
            }
            Self::Receipts => {
                reth_zstd_compressors::with_receipt_compressor(|zstd| zstd.compress(bytes))
            }
        }
    }

    /// The bytes come from a row whose checksum RocksDB has verified.
    fn decompress(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Transactions => {
                reth_zstd_compressors::with_tx_decompressor(|zstd| zstd.decompress(bytes).to_vec())
            }
            Self::Receipts => reth_zstd_compressors::with_receipt_decompressor(|zstd| {
                zstd.decompress(bytes).to_vec()
            }),
        }
    }
}

/// Encodes `count` items; `write` appends item `index` to the buffer it is given.
pub(crate) fn encode(
    dictionary: Dictionary,
    count: usize,
    mut write: impl FnMut(usize, &mut Vec<u8>),
) -> Vec<u8> {
    let mut chunks = Vec::with_capacity(count.div_ceil(CHUNK_ITEMS));
    let mut item = Vec::new();
    for start in (0..count).step_by(CHUNK_ITEMS) {
        let mut plain = Vec::new();
        for index in start..count.min(start + CHUNK_ITEMS) {
            item.clear();
            write(index, &mut item);
            put_varint(&mut plain, item.len() as u64);
            plain.extend_from_slice(&item);
        }
        chunks.push(pack(dictionary, plain));
    }
    let mut row = Vec::with_capacity(10 + chunks.iter().map(|c| c.len() + 4).sum::<usize>());
    put_varint(&mut row, count as u64);
    for chunk in &chunks {
        put_varint(&mut row, chunk.len() as u64);
    }
    for chunk in &chunks {
        row.extend_from_slice(chunk);
    }
    row
}

fn pack(dictionary: Dictionary, plain: Vec<u8>) -> Vec<u8> {
    let (tag, body) = match dictionary.compress(&plain) {
        Ok(packed) if packed.len() < plain.len() => (ZSTD, packed),
        // Compression is an economy: what it cannot shrink is stored as it is.
        _ => (PLAIN, plain),
    };
    let mut chunk = Vec::with_capacity(body.len() + 1);
    chunk.push(tag);
    chunk.extend_from_slice(&body);
    chunk
}

/// A row of items.
pub(crate) struct Frames<'a> {
    column: &'static str,
    dictionary: Dictionary,
    count: usize,
    chunks: Vec<&'a [u8]>,
}

impl<'a> Frames<'a> {
    /// Reads the table of a row; decompresses nothing.
    pub(crate) fn parse(
        column: &'static str,
        dictionary: Dictionary,
        row: &'a [u8],
    ) -> ProviderResult<Self> {
        let mut reader = Reader::new(column, row);
        let count = reader.varint()?;
        let count = usize::try_from(count)
            .ok()
            // Every chunk takes at least two bytes of the row.
            .filter(|count| count.div_ceil(CHUNK_ITEMS) <= row.len())
            .ok_or_else(|| ProviderError::codec(column, format_args!("{count} items")))?;
        let mut lengths = Vec::with_capacity(count.div_ceil(CHUNK_ITEMS));
        for _ in 0..count.div_ceil(CHUNK_ITEMS) {
            lengths.push(reader.len()?);
        }
        let chunks =
            lengths.into_iter().map(|len| reader.take(len)).collect::<ProviderResult<Vec<_>>>()?;
        reader.finish()?;
        Ok(Self { column, dictionary, count, chunks })
    }

    /// Number of items.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Hands item `index` to `read`; `None` if there are not that many.
    pub(crate) fn get<T>(
        &self,
        index: usize,
        read: impl FnOnce(&[u8]) -> ProviderResult<T>,
    ) -> ProviderResult<Option<T>> {
        if index >= self.count {
            return Ok(None);
        }
        let plain = self.unpack(index / CHUNK_ITEMS)?;
        let mut reader = Reader::new(self.column, &plain);
        for _ in 0..index % CHUNK_ITEMS {
            let len = reader.len()?;
            reader.take(len)?;
        }
        let len = reader.len()?;
        read(reader.take(len)?).map(Some)
    }

    /// Hands every item to `read`, in order.
    pub(crate) fn for_each(
        &self,
        mut read: impl FnMut(&[u8]) -> ProviderResult<()>,
    ) -> ProviderResult<()> {
        let mut seen = 0usize;
        for chunk in 0..self.chunks.len() {
            let plain = self.unpack(chunk)?;
            let mut reader = Reader::new(self.column, &plain);
            while !reader.is_empty() {
                let len = reader.len()?;
                read(reader.take(len)?)?;
                seen += 1;
            }
        }
        if seen == self.count {
            Ok(())
        } else {
            let count = self.count;
            Err(ProviderError::codec(self.column, format_args!("{seen} items, not {count}")))
        }
    }

    fn unpack(&self, chunk: usize) -> ProviderResult<Vec<u8>> {
        match self.chunks.get(chunk).and_then(|chunk| chunk.split_first()) {
            Some((&PLAIN, body)) => Ok(body.to_vec()),
            Some((&ZSTD, body)) => Ok(self.dictionary.decompress(body)),
            _ => Err(ProviderError::codec(self.column, "unknown chunk tag")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|i| format!("item {i} ").repeat(i % 9).into_bytes()).collect()
    }

    #[test]
    fn every_item_can_be_read_alone() -> ProviderResult<()> {
        for count in [0, 1, 31, 32, 33, 100] {
            let items = items(count);
            for dictionary in [Dictionary::Transactions, Dictionary::Receipts] {
                let row = encode(dictionary, count, |i, out| out.extend_from_slice(&items[i]));
                let frames = Frames::parse("test", dictionary, &row)?;
                assert_eq!(frames.len(), count);
                for (index, item) in items.iter().enumerate() {
                    let read = frames.get(index, |bytes| Ok(bytes.to_vec()))?;
                    assert_eq!(read.as_ref(), Some(item));
                }
                assert_eq!(frames.get(count, |_| Ok(()))?, None);
                let mut all = Vec::new();
                frames.for_each(|bytes| {
                    all.push(bytes.to_vec());
                    Ok(())
                })?;
                assert_eq!(all, items);
            }
        }
        Ok(())
    }

    #[test]
    fn cut_rows_are_refused() {
        let items = items(40);
        let row =
            encode(Dictionary::Receipts, items.len(), |i, out| out.extend_from_slice(&items[i]));
        for len in 0..row.len() {
            assert!(Frames::parse("test", Dictionary::Receipts, &row[..len]).is_err());
        }
    }

    #[test]
    fn repetition_is_compressed() {
        let row = encode(Dictionary::Transactions, 64, |_, out| out.extend_from_slice(&[7; 100]));
        assert!(row.len() < 400, "{}", row.len());
    }
}
