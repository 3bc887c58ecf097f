//! A source of the transparency log: makes entries and signs their appends, as a mirror does.

use crate::{Network, Result, SignedTransaction, Wallet};
use alloy_primitives::{Address, B256, Bytes, b256, hex};
use alloy_sol_types::SolCall;
use peruri_plog::{
    Entry, EntryType, PLOG_ADDRESS,
    entry::{commitment, subject},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// The log that `genesis create --plog-source` begins: `activity`, padded with zeros.
pub const ACTIVITY_LOG: B256 =
    b256!("6163746976697479000000000000000000000000000000000000000000000000");

/// Gas offered for an append, beside what each entry needs.
const APPEND_GAS: u64 = 500_000;
/// Gas offered for an entry: its calldata at the floor price (EIP-7623), and its hashes.
const ENTRY_GAS: u64 = 10_000;
/// The number of the source that `genesis create` names first.
const SOURCE_ID: u32 = 1;
/// The schema of the payloads made here.
const SCHEMA: u16 = 1;

mod calls {
    alloy_sol_types::sol! {
        function append(bytes32 logId, uint32 sourceId, uint64 firstSeq, bytes entries)
            returns (uint64 firstIndex, uint64 newSize, bytes32 root);
    }
}

/// An entry with what its source keeps to itself.
#[derive(Debug, Clone)]
pub struct SourceEntry {
    /// What reaches the chain.
    pub entry: Entry,
    /// Opens the commitment, together with the payload.
    pub salt: B256,
    /// What the entry is about.
    pub payload: String,
}

/// Source 1, with the number of its next entry.
#[derive(Debug)]
pub struct LogSource {
    wallet: Wallet,
    subject_key: [u8; 32],
    next_seq: u64,
}

impl LogSource {
    /// The source with this key, which has appended nothing yet.
    ///
    /// # Errors
    /// As [`Wallet::new`].
    pub fn new(key: &B256, network: Network) -> Result<Self> {
        Ok(Self { wallet: Wallet::new(key, network)?, subject_key: rand::random(), next_seq: 1 })
    }

    /// The address that signs.
    pub const fn address(&self) -> Address {
        self.wallet.address()
    }

    /// Makes the next `count` entries: attendances of as many users.
    pub fn next_entries(&mut self, count: u64) -> Vec<SourceEntry> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let occurred_at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let first = self.next_seq;
        self.next_seq += count;
        (first..self.next_seq).map(|seq| self.entry(seq, occurred_at)).collect()
    }

    fn entry(&self, source_seq: u64, occurred_at: u64) -> SourceEntry {
        let (salt, payload) = (B256::new(rand::random()), format!(r#"{{"hadir":{source_seq}}}"#));
        let entry = Entry {
            kind: EntryType::Activity,
            flags: 0,
            schema: SCHEMA,
            source_id: SOURCE_ID,
            source_seq,
            occurred_at,
            activity_id: rand::random(),
            subject: subject(&self.subject_key, &format!("PRI-{source_seq:06}")),
            commitment: commitment(&salt, payload.as_bytes()),
            effect: B256::ZERO,
        };
        SourceEntry { entry, salt, payload }
    }

    /// Signs the append of entries that follow one another.
    ///
    /// # Errors
    /// As [`Wallet::sign`].
    pub fn append(&mut self, entries: &[SourceEntry]) -> Result<SignedTransaction> {
        let bytes: Vec<u8> = entries.iter().flat_map(|it| it.entry.encode()).collect();
        let call = calls::appendCall {
            logId: ACTIVITY_LOG,
            sourceId: SOURCE_ID,
            firstSeq: entries.first().map_or(self.next_seq, |it| it.entry.source_seq),
            entries: Bytes::from(bytes),
        };
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let gas = APPEND_GAS.saturating_add(count.saturating_mul(ENTRY_GAS));
        self.wallet.call(PLOG_ADDRESS, call.abi_encode().into(), gas)
    }
}

impl SourceEntry {
    /// The salt as `plog-verify --salt` takes it.
    pub fn salt_hex(&self) -> String {
        hex::encode(self.salt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_entries_follow_the_last_ones() {
        let network = Network { chain_id: 7251, max_fee_per_gas: 0 };
        let mut source = LogSource::new(&B256::repeat_byte(1), network).expect("key");
        let entries = [source.next_entries(2), source.next_entries(1)].concat();
        let numbers: Vec<_> = entries.iter().map(|it| it.entry.source_seq).collect();
        assert_eq!(numbers, [1, 2, 3]);
        let opened = commitment(&entries[2].salt, entries[2].payload.as_bytes());
        assert_eq!(entries[2].entry.commitment, opened);
        assert_ne!(entries[0].salt, entries[1].salt);
        assert_eq!(ACTIVITY_LOG, B256::right_padding_from(b"activity"));
    }
}
