use super::{Reader, StoreError};
use alloy_primitives::B256;

/// How far the chain has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The newest block that was read.
    pub height: u64,
    /// The source's next number there.
    pub next_seq: u64,
    /// The signer's next nonce there.
    pub nonce: u64,
    /// First number of the run that was refused, and how often; 0 and 0 for none.
    pub refused: (u64, u8),
}

/// The inbox was found older than the mark. Until everything up to here is known again, entries on
/// chain that the inbox does not know may be this source's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// Highest number that may have been told.
    pub seq: u64,
    /// Nonces below this one may have been signed.
    pub nonces_end: u64,
}

/// Why a message was rejected; not what was in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// When, Unix ms.
    pub at_ms: u64,
    /// SHA-256 of the message.
    pub sha256: B256,
    /// Why.
    pub reason: String,
}

impl Progress {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (first, times) = self.refused;
        let numbers = [self.height, self.next_seq, self.nonce, first];
        let mut row: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        row.push(times);
        row
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut reader = Reader::new(row, "progress");
        let (height, next_seq, nonce) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let refused = (reader.u64()?, reader.u8()?);
        reader.end()?;
        Ok(Self { height, next_seq, nonce, refused })
    }
}

impl Restore {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [self.seq.to_be_bytes(), self.nonces_end.to_be_bytes()].concat()
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut reader = Reader::new(row, "restore");
        let restore = Self { seq: reader.u64()?, nonces_end: reader.u64()? };
        reader.end()?;
        Ok(restore)
    }
}

impl DeadLetter {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [&self.at_ms.to_be_bytes(), self.sha256.as_slice(), self.reason.as_bytes()].concat()
    }

    pub(crate) fn decode(row: &[u8]) -> Result<Self, StoreError> {
        let mut reader = Reader::new(row, "dead letter");
        let (at_ms, sha256) = (reader.u64()?, reader.hash()?);
        Ok(Self { at_ms, sha256, reason: String::from_utf8_lossy(reader.rest()).into_owned() })
    }
}

/// One number as a row.
pub(crate) fn decode_u64(row: &[u8]) -> Result<u64, StoreError> {
    let mut reader = Reader::new(row, "number");
    let number = reader.u64()?;
    reader.end()?;
    Ok(number)
}
