use super::{Reader, SEALED, StoreError, numbered};
use alloy_primitives::{B256, Bytes};

/// A signed transaction that appends a run of numbers and is not included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its nonce.
    pub nonce: u64,
    /// The first number.
    pub first_seq: u64,
    /// How many numbers.
    pub count: u32,
    /// Its hash.
    pub hash: B256,
    /// Its bytes (EIP-2718). They are offered again as they are, never made anew.
    pub raw: Bytes,
}

impl Sealed {
    /// The number after its last.
    pub fn end(&self) -> u64 {
        self.first_seq + u64::from(self.count)
    }

    pub(crate) fn key(&self) -> Vec<u8> {
        numbered(SEALED, self.nonce)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let (first, count) = (self.first_seq.to_be_bytes(), self.count.to_be_bytes());
        [first.as_slice(), &count, self.hash.as_slice(), &self.raw].concat()
    }

    pub(crate) fn decode(nonce: u64, row: &[u8]) -> Result<Self, StoreError> {
        let mut reader = Reader::new(row, "sealed transaction");
        let (first_seq, count, hash) = (reader.u64()?, reader.u32()?, reader.hash()?);
        Ok(Self { nonce, first_seq, count, hash, raw: reader.rest().to_vec().into() })
    }
}
