//! The hash chain over the entries of one subject: a person's history, of which nothing can be left
//! out unseen. Kept by logs whose mode asks for it.

use crate::hash::sha256;
use alloy_primitives::B256;

const CHAIN_PREFIX: u8 = 4;

/// The chain of a subject without entries.
pub const EMPTY_CHAIN: B256 = B256::ZERO;

/// The chain after the entry with this leaf hash at `index` of the log:
/// SHA-256(`04` ‖ chain ‖ leaf ‖ index as 8 bytes).
///
/// Entries without a subject (zero) belong to no chain; that is the caller's to check.
pub fn chain_step(chain: &B256, leaf: &B256, index: u64) -> B256 {
    sha256(&[&[CHAIN_PREFIX], chain.as_slice(), leaf.as_slice(), &index.to_be_bytes()])
}
