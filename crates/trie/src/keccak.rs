//! Hashing several short messages.

use alloy_primitives::{B256, keccak256};

/// Hashes the messages that lie one after the other in `data`; `ends` are their ends.
pub(crate) fn keccak_batch(data: &[u8], ends: &[usize], out: &mut Vec<B256>) {
    let mut start = 0;
    for end in ends {
        out.push(keccak256(&data[start..*end]));
        start = *end;
    }
}
