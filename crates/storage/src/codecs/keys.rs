//! Row keys. Numbers are big-endian; version keys end in the inverted block number, so that a forward
//! seek finds the newest version at or below a block first.

use alloy_primitives::{B256, BlockNumber};
use alloy_trie::Nibbles;
use peruri_trie::{PACKED_PATH_LEN, pack_path, unpack_path};

/// First byte of the key of a version of an account-trie node.
pub(crate) const TRIE_VERSION_ACCOUNT: u8 = 0;
/// First byte of the key of a version of a storage-trie node.
pub(crate) const TRIE_VERSION_STORAGE: u8 = 1;

const ACCOUNT_PATH_AT: usize = 1;
const STORAGE_PATH_AT: usize = 33;
const NUMBER_LEN: usize = 8;

/// `number`.
pub(crate) const fn number(number: BlockNumber) -> [u8; 8] {
    number.to_be_bytes()
}

/// Reads [`number`].
pub(crate) fn parse_number(key: &[u8]) -> Option<BlockNumber> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

/// Block number at the end of a version key.
pub(crate) fn version_number(key: &[u8]) -> Option<BlockNumber> {
    let tail = key.get(key.len().checked_sub(NUMBER_LEN)?..)?;
    Some(!u64::from_be_bytes(tail.try_into().ok()?))
}

/// `keccak(address) ‖ keccak(slot)`.
pub(crate) fn storage(address: &B256, slot: &B256) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(address.as_slice());
    key[32..].copy_from_slice(slot.as_slice());
    key
}

/// `keccak(address) ‖ !number`.
pub(crate) fn account_version(address: &B256, number: BlockNumber) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(address.as_slice());
    key[32..].copy_from_slice(&(!number).to_be_bytes());
    key
}

/// `keccak(address) ‖ keccak(slot) ‖ !number`.
pub(crate) fn storage_version(address: &B256, slot: &B256, number: BlockNumber) -> [u8; 72] {
    let mut key = [0; 72];
    key[..64].copy_from_slice(&storage(address, slot));
    key[64..].copy_from_slice(&(!number).to_be_bytes());
    key
}

/// `keccak(address) ‖ packed path`.
pub(crate) fn storage_node(address: &B256, path: &Nibbles) -> [u8; 32 + PACKED_PATH_LEN] {
    let mut key = [0; 32 + PACKED_PATH_LEN];
    key[..32].copy_from_slice(address.as_slice());
    key[32..].copy_from_slice(&pack_path(path));
    key
}

/// `00 ‖ packed path` for the account trie, `01 ‖ keccak(address) ‖ packed path` for a storage trie:
/// a [`trie_version`] key without its number.
pub(crate) fn trie_version_prefix(address: Option<&B256>, path: &Nibbles) -> Vec<u8> {
    let mut key = trie_version_scope(address);
    key.extend_from_slice(&pack_path(path));
    key
}

/// What all version keys of one trie begin with.
pub(crate) fn trie_version_scope(address: Option<&B256>) -> Vec<u8> {
    let mut key = Vec::with_capacity(STORAGE_PATH_AT + PACKED_PATH_LEN + NUMBER_LEN);
    match address {
        None => key.push(TRIE_VERSION_ACCOUNT),
        Some(address) => {
            key.push(TRIE_VERSION_STORAGE);
            key.extend_from_slice(address.as_slice());
        }
    }
    key
}

/// Key of the row with the node that stood at `path` *before* block `number`.
pub(crate) fn trie_version(address: Option<&B256>, path: &Nibbles, number: BlockNumber) -> Vec<u8> {
    let mut key = trie_version_prefix(address, path);
    key.extend_from_slice(&(!number).to_be_bytes());
    key
}

/// Path of a [`trie_version`] key.
pub(crate) fn trie_version_path(key: &[u8]) -> Option<Nibbles> {
    let at = match *key.first()? {
        TRIE_VERSION_ACCOUNT => ACCOUNT_PATH_AT,
        TRIE_VERSION_STORAGE => STORAGE_PATH_AT,
        _ => return None,
    };
    if key.len() != at + PACKED_PATH_LEN + NUMBER_LEN {
        return None;
    }
    unpack_path(key.get(at..at + PACKED_PATH_LEN)?)
}

/// Block number of a [`trie_version`] key; `None` if it is not one.
pub(crate) fn trie_version_number(key: &[u8]) -> Option<BlockNumber> {
    let len = match *key.first()? {
        TRIE_VERSION_ACCOUNT => ACCOUNT_PATH_AT,
        TRIE_VERSION_STORAGE => STORAGE_PATH_AT,
        _ => return None,
    } + PACKED_PATH_LEN
        + NUMBER_LEN;
    if key.len() == len { version_number(key) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_come_first() {
        let address = B256::repeat_byte(7);
        assert!(account_version(&address, 9) < account_version(&address, 8));
        assert!(account_version(&address, 0) > account_version(&address, u64::MAX));
        assert_eq!(version_number(&account_version(&address, 8)), Some(8));
        let slot = B256::repeat_byte(1);
        assert!(storage_version(&address, &slot, 3) < storage_version(&address, &slot, 2));
    }

    #[test]
    fn trie_version_keys_parse() {
        let path = Nibbles::from_nibbles([1, 2, 3]);
        let address = B256::repeat_byte(9);
        for scope in [None, Some(&address)] {
            let key = trie_version(scope, &path, 77);
            assert_eq!(trie_version_path(&key), Some(path));
            assert_eq!(trie_version_number(&key), Some(77));
            assert!(key.starts_with(&trie_version_scope(scope)));
        }
        assert_eq!(trie_version_number(&[0; 41]), None);
        assert_eq!(trie_version_path(&[2; 42]), None);
    }
}
