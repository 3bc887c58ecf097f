//! What of a person and of a payload reaches the chain: a pseudonym and a salted commitment.

use crate::hash::sha256;
use alloy_primitives::B256;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// SHA-256("plog-commit-v1" ‖ `00` ‖ salt ‖ payload).
///
/// The salt is not optional: a payload such as an attendance record can be guessed without it. To
/// erase an entry is to destroy salt and payload.
pub fn commitment(salt: &[u8; 32], payload: &[u8]) -> B256 {
    sha256(&[b"plog-commit-v1", &[0], salt, payload])
}

/// HMAC-SHA256(key, "plog-subject-v1" ‖ user id): the pseudonym of a user. The id is taken as its
/// UTF-8 bytes, not normalised.
///
/// The key belongs to the organisation that owns the user ids. All its sources share it, otherwise
/// one person has several pseudonyms.
pub fn subject(key: &[u8; 32], user_id: &str) -> B256 {
    // RFC 2104 pads a key to the block of the hash with zeros.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(b"plog-subject-v1");
    mac.update(user_id.as_bytes());
    B256::new(mac.finalize().into_bytes().into())
}
