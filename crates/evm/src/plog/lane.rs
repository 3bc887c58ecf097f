//! What a call appends, known from its bytes alone: pool and block building sort transactions by it.

use super::call::{Append, AppendRoot, Call, Place};

/// `append` or `appendRoot`, decoded as strictly as the precompile does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendCall {
    /// Number of the source.
    pub source: u32,
    /// Sequence number of the first entry.
    pub first_seq: u64,
    /// Sequence number that the source continues with.
    pub next_seq: u64,
}

impl AppendCall {
    /// Decodes the input of a call; `None` if it appends nothing or is refused for its form.
    pub fn decode(input: &[u8]) -> Option<Self> {
        let (place, entries) = match Call::decode(input, false).ok()? {
            Call::Append(Append { place, entries }) => (place, entries.len() as u64),
            Call::AppendRoot(AppendRoot { place, .. }) => (place, 1),
            _ => return None,
        };
        let Place { source, first_seq, .. } = place;
        Some(Self { source, first_seq, next_seq: first_seq.checked_add(entries)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plog::abi::IPlog;
    use alloy_primitives::B256;
    use alloy_sol_types::SolCall;
    use peruri_plog::ENTRY_LEN;

    fn append(entries: usize, first_seq: u64) -> Vec<u8> {
        let entries = vec![0; entries * ENTRY_LEN].into();
        IPlog::appendCall { logId: B256::ZERO, sourceId: 7, firstSeq: first_seq, entries }
            .abi_encode()
    }

    #[test]
    fn an_append_uses_a_number_per_entry_and_a_root_uses_one() {
        let call = AppendCall::decode(&append(3, 5));
        assert_eq!(call, Some(AppendCall { source: 7, first_seq: 5, next_seq: 8 }));
        let root = IPlog::appendRootCall {
            logId: B256::ZERO,
            sourceId: 2,
            firstSeq: 9,
            root: B256::ZERO,
            count: 1_000,
        };
        let call = AppendCall::decode(&root.abi_encode());
        assert_eq!(call, Some(AppendCall { source: 2, first_seq: 9, next_seq: 10 }));
    }

    #[test]
    fn other_calls_and_bad_forms_are_none() {
        let head = IPlog::headCall { logId: B256::ZERO }.abi_encode();
        let trailing = [append(1, 1), vec![0; 32]].concat();
        for input in [vec![], head, trailing, append(0, 1), append(1_025, 1), append(2, u64::MAX)] {
            assert_eq!(AppendCall::decode(&input), None);
        }
    }
}
