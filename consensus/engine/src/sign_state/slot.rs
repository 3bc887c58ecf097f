//! The frame of every file of the sign state: magic, version, length, payload, CRC-32C over all of it.
//!
//! Files are overwritten in place and keep their length, so what lies behind the checksum is left over
//! from an earlier, longer content.

/// First bytes of a file.
const MAGIC: &[u8; 8] = b"PERURISS";
/// Version of the form.
const VERSION: u8 = 3;
/// Magic, version, length (4 bytes, big-endian).
const HEADER_LEN: usize = MAGIC.len() + 1 + 4;
/// Length of the checksum.
const CRC_LEN: usize = 4;

/// The bytes that hold `payload`.
pub(super) fn encode(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN + payload.len() + CRC_LEN);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    out.extend_from_slice(payload);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_be_bytes());
    out
}

/// The payload at the front of `bytes`, or what is wrong with it.
pub(super) fn decode(bytes: &[u8]) -> Result<&[u8], &'static str> {
    let (head, rest) = bytes.split_at_checked(HEADER_LEN).ok_or("too short")?;
    let (magic, head) = head.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err("not a file of a sign state");
    }
    let [version, length @ ..] = head else { return Err("too short") };
    if *version != VERSION {
        return Err("unknown version");
    }
    let length: [u8; 4] = length.try_into().map_err(|_| "too short")?;
    let length = u32::from_be_bytes(length) as usize;
    let (payload, rest) = rest.split_at_checked(length).ok_or("wrong length")?;
    let crc = rest.first_chunk::<CRC_LEN>().ok_or("too short")?;
    let framed = bytes.get(..HEADER_LEN + length).ok_or("wrong length")?;
    if crc32c::crc32c(framed).to_be_bytes() != *crc {
        return Err("checksum mismatch");
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &[u8] = b"what this validator has signed";

    #[test]
    fn round_trip() {
        assert_eq!(decode(&encode(PAYLOAD)), Ok(PAYLOAD));
        assert_eq!(decode(&encode(b"")), Ok(&[][..]));
    }

    #[test]
    fn what_an_earlier_content_has_left_behind_is_no_part_of_it() {
        let bytes = [encode(PAYLOAD), encode(&[7; 99])].concat();
        assert_eq!(decode(&bytes), Ok(PAYLOAD));
    }

    #[test]
    fn every_single_bit_flip_is_found() {
        // The longer content behind it is what a flip in the length could reach.
        let front = encode(PAYLOAD);
        let bytes = [front.clone(), vec![7; 99]].concat();
        for bit in 0..front.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_is_found() {
        let bytes = encode(PAYLOAD);
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "length {len}");
        }
    }
}
