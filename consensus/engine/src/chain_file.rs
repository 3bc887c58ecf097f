//! Files of blocks: RLP, one after the other, as geth's and Besu's `export` write them.

use crate::EngineError;
use alloy_rlp::{Decodable, Encodable};
use peruri_primitives::Block;
use std::io::{BufRead, BufReader, Read, Write};

/// Longest block that is read, in bytes.
const MAX_BLOCK_BYTES: usize = 64 << 20;

/// Reads a file of blocks, one block in memory at a time.
#[derive(Debug)]
pub struct BlockReader<R> {
    input: BufReader<R>,
    index: u64,
    offset: u64,
    failed: bool,
}

impl<R: Read> BlockReader<R> {
    /// A reader of `input`.
    pub fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(1 << 20, input), index: 0, offset: 0, failed: false }
    }

    fn read_block(&mut self) -> Result<Option<Block>, EngineError> {
        let Some(bytes) = self.read_list().map_err(|reason| self.error(reason))? else {
            return Ok(None);
        };
        let mut rest = bytes.as_slice();
        let block = Block::decode(&mut rest).map_err(|error| self.error(error.to_string()))?;
        if !rest.is_empty() {
            return Err(self.error(format!("{} bytes after the block's fields", rest.len())));
        }
        self.index = self.index.saturating_add(1);
        self.offset = self.offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(Some(block))
    }

    /// The bytes of the next RLP list, header included; `None` at the end of the file.
    fn read_list(&mut self) -> Result<Option<Vec<u8>>, String> {
        if self.input.fill_buf().map_err(|error| error.to_string())?.is_empty() {
            return Ok(None);
        }
        let mut list = vec![0];
        self.fill(&mut list, 0)?;
        let payload = match list[0] {
            first @ 0xc0..=0xf7 => usize::from(first - 0xc0),
            first @ 0xf8..=0xff => {
                list.resize(1 + usize::from(first - 0xf7), 0);
                self.fill(&mut list, 1)?;
                big_endian(&list[1..]).ok_or("the list header's length overflows")?
            }
            first => return Err(format!("not an RLP list (first byte {first:#04x})")),
        };
        if payload > MAX_BLOCK_BYTES {
            return Err(format!("{payload} bytes, at most {MAX_BLOCK_BYTES} are read"));
        }
        let header = list.len();
        list.resize(header + payload, 0);
        self.fill(&mut list, header)?;
        Ok(Some(list))
    }

    /// Fills `list` from index `from` on.
    fn fill(&mut self, list: &mut [u8], from: usize) -> Result<(), String> {
        self.input.read_exact(&mut list[from..]).map_err(|error| error.to_string())
    }

    fn error(&self, reason: String) -> EngineError {
        EngineError::ChainFile { index: self.index, offset: self.offset, reason }
    }
}

fn big_endian(bytes: &[u8]) -> Option<usize> {
    bytes.iter().try_fold(0usize, |value, byte| value.checked_mul(256)?.checked_add((*byte).into()))
}

impl<R: Read> Iterator for BlockReader<R> {
    type Item = Result<Block, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let block = self.read_block().transpose();
        self.failed = matches!(block, Some(Err(_)));
        block
    }
}

/// Appends `block` to a file of blocks.
///
/// # Errors
/// What the file system says.
pub fn write_block(block: &Block, output: &mut impl Write) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(block.length());
    block.encode(&mut bytes);
    output.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use peruri_primitives::Header;

    fn block(number: u64, extra: usize) -> Block {
        let header = alloy_consensus::Header {
            number,
            extra_data: vec![7; extra].into(),
            ..alloy_consensus::Header::default()
        };
        Block { header: Header::from(header), ..Block::default() }
    }

    fn file(blocks: &[Block]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for block in blocks {
            write_block(block, &mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn what_is_written_is_read_back() {
        let blocks = [block(1, 0), block(2, 100), block(3, 70_000)];
        let read: Result<Vec<_>, _> = BlockReader::new(file(&blocks).as_slice()).collect();
        assert_eq!(read.unwrap(), blocks);
    }

    #[test]
    fn a_truncated_file_names_the_block() {
        let bytes = file(&[block(1, 0), block(2, 0)]);
        let mut reader = BlockReader::new(&bytes[..bytes.len() - 1]);
        assert!(reader.next().unwrap().is_ok());
        let error = reader.next().unwrap().unwrap_err();
        assert!(matches!(error, EngineError::ChainFile { index: 1, .. }), "{error}");
        assert!(reader.next().is_none());
    }

    #[test]
    fn bytes_that_are_no_list_and_monstrous_lengths_are_refused() {
        for bytes in [vec![0x80], vec![0xff; 9], vec![0xfb, 0xff, 0xff, 0xff, 0xff], vec![0xf9, 1]]
        {
            let mut reader = BlockReader::new(bytes.as_slice());
            assert!(reader.next().unwrap().is_err(), "{bytes:x?}");
        }
    }
}
