//! One slot file: magic, version, length, record (RLP), CRC-32C over all of it.

use peruri_ibft2::SignRecord;

/// First bytes of a slot file.
const MAGIC: &[u8; 8] = b"PERURISS";
/// Version of the slot's form.
const VERSION: u8 = 2;
/// Magic, version, length (4 bytes, big-endian).
const HEADER_LEN: usize = MAGIC.len() + 1 + 4;
/// Length of the checksum.
const CRC_LEN: usize = 4;

/// The bytes of a slot that holds `record`.
pub(super) fn encode(record: &SignRecord) -> Vec<u8> {
    let payload = record.encode();
    let mut out = Vec::with_capacity(HEADER_LEN + payload.len() + CRC_LEN);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(&payload);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_be_bytes());
    out
}

/// The record of a slot, or what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<SignRecord, &'static str> {
    let body_len = bytes.len().checked_sub(CRC_LEN).ok_or("too short")?;
    let (body, crc) = bytes.split_at(body_len);
    if crc32c::crc32c(body).to_be_bytes() != crc {
        return Err("checksum mismatch");
    }
    if body.len() < HEADER_LEN || &body[..MAGIC.len()] != MAGIC {
        return Err("not a sign state slot");
    }
    if body[MAGIC.len()] != VERSION {
        return Err("unknown version");
    }
    let (head, payload) = body.split_at(HEADER_LEN);
    if head[MAGIC.len() + 1..] != (payload.len() as u32).to_be_bytes() {
        return Err("wrong length");
    }
    SignRecord::decode(payload).map_err(|_| "malformed record")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256};
    use peruri_ibft2::RoundId;

    fn record() -> SignRecord {
        let position = RoundId::new(12, 3);
        SignRecord::released(B256::repeat_byte(7), Address::repeat_byte(9), position, 5)
    }

    #[test]
    fn round_trip() {
        assert_eq!(decode(&encode(&record())), Ok(record()));
    }

    #[test]
    fn every_single_bit_flip_is_found() {
        let bytes = encode(&record());
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_is_found() {
        let bytes = encode(&record());
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "length {len}");
        }
    }
}
