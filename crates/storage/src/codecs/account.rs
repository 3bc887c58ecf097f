//! Flat account rows and slot values.
//!
//! Account row: one byte with the length of the nonce (low 4 bits) and two flags (has code, has
//! storage), one byte with the length of the balance, then nonce and balance big-endian without
//! leading zeros, then code hash and storage root if flagged. A version row of a removed account is
//! empty; an account row never is.

use alloy_primitives::U256;
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};
use peruri_trie::TrieAccountRow;

use super::reader::Reader;
use crate::{ProviderError, ProviderResult};

const HAS_CODE: u8 = 0x10;
const HAS_STORAGE: u8 = 0x20;

/// Encodes an account row.
pub(crate) fn encode(row: &TrieAccountRow) -> Vec<u8> {
    let nonce = row.nonce.to_be_bytes();
    let nonce = trimmed(&nonce);
    let balance = row.balance.to_be_bytes::<32>();
    let balance = trimmed(&balance);
    let code = row.code_hash != KECCAK_EMPTY;
    let storage = row.storage_root != EMPTY_ROOT_HASH;
    let mut flags = nonce.len() as u8;
    if code {
        flags |= HAS_CODE;
    }
    if storage {
        flags |= HAS_STORAGE;
    }
    let mut out = Vec::with_capacity(2 + nonce.len() + balance.len() + 64);
    out.push(flags);
    out.push(balance.len() as u8);
    out.extend_from_slice(nonce);
    out.extend_from_slice(balance);
    if code {
        out.extend_from_slice(row.code_hash.as_slice());
    }
    if storage {
        out.extend_from_slice(row.storage_root.as_slice());
    }
    out
}

/// Decodes an account row.
pub(crate) fn decode(column: &'static str, bytes: &[u8]) -> ProviderResult<TrieAccountRow> {
    let mut reader = Reader::new(column, bytes);
    let flags = reader.u8()?;
    let balance_len = usize::from(reader.u8()?);
    let nonce_len = usize::from(flags & 0x0f);
    if nonce_len > 8 || balance_len > 32 || flags & !(HAS_CODE | HAS_STORAGE | 0x0f) != 0 {
        return Err(ProviderError::codec(column, "account row has an impossible header"));
    }
    let nonce = reader.take(nonce_len)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    let balance = U256::from_be_slice(reader.take(balance_len)?);
    let code_hash = if flags & HAS_CODE != 0 { reader.hash()? } else { KECCAK_EMPTY };
    let storage_root = if flags & HAS_STORAGE != 0 { reader.hash()? } else { EMPTY_ROOT_HASH };
    reader.finish()?;
    Ok(TrieAccountRow { nonce, balance, code_hash, storage_root })
}

/// Decodes a version row, which is empty where the account was removed.
pub(crate) fn decode_version(
    column: &'static str,
    bytes: &[u8],
) -> ProviderResult<Option<TrieAccountRow>> {
    if bytes.is_empty() { Ok(None) } else { decode(column, bytes).map(Some) }
}

/// Encodes a slot value: big-endian without leading zeros, so zero (a removed slot) is empty.
pub(crate) fn encode_value(value: &U256) -> Vec<u8> {
    trimmed(&value.to_be_bytes::<32>()).to_vec()
}

/// Decodes a slot value.
pub(crate) fn decode_value(column: &'static str, bytes: &[u8]) -> ProviderResult<U256> {
    if bytes.len() > 32 {
        return Err(ProviderError::codec(column, "slot value is longer than 32 bytes"));
    }
    Ok(U256::from_be_slice(bytes))
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    &bytes[zeros..]
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_round_trip(
            nonce: u64, balance: [u8; 32], code: Option<[u8; 32]>, root: Option<[u8; 32]>
        ) {
            let row = TrieAccountRow {
                nonce,
                balance: U256::from_be_bytes(balance),
                code_hash: code.map_or(KECCAK_EMPTY, B256::new),
                storage_root: root.map_or(EMPTY_ROOT_HASH, B256::new),
            };
            let bytes = encode(&row);
            prop_assert!(!bytes.is_empty());
            prop_assert_eq!(decode("test", &bytes).ok(), Some(row));
            prop_assert!(decode("test", &bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn values_round_trip(value: [u8; 32], shift in 0usize..256) {
            let value = U256::from_be_bytes(value) >> shift;
            prop_assert_eq!(decode_value("test", &encode_value(&value)).ok(), Some(value));
        }

        #[test]
        fn junk_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = decode("test", &bytes);
            let _ = decode_value("test", &bytes);
        }
    }
}
