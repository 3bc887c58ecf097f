//! Handing a source over from one node to another: what is in the file, and when it is taken.
//!
//! The file is NDJSON, one object a line, hashes and bytes in hex:
//!
//! | line | content |
//! |---|---|
//! | `{"header": …}` | whose source it is, how far the chain has it, what its mark says |
//! | `{"row": …}` | a number that is accepted and not included, ascending from `nextSeq` without gaps |
//! | `{"sealed": …}` | a signed transaction that is not included, ascending from `nonce` without gaps |
//! | `{"end": {"sha256": …}}` | of all bytes before this line |
//!
//! It holds what the inbox holds: pseudonyms and commitments, no payload, user id, salt or key.

mod error;
mod file;

pub use error::HandoverError;

use crate::{
    mark::SealedMark,
    rows::{Closing, Record, Sealed},
};
use alloy_primitives::{Address, B256, Bytes, FixedBytes};
use peruri_plog::{ENTRY_LEN, Entry, EntryType};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The only version there is.
pub(crate) const VERSION: u32 = 1;

/// A source as it is handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// Whose it is and where it stands.
    pub header: Header,
    /// What is accepted and not included.
    pub rows: Vec<Row>,
    /// What is signed and not included.
    pub sealed: Vec<SealedRow>,
}

/// Whose source it is and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// Version of the file's form.
    pub version: u32,
    /// Genesis hash of the chain.
    pub genesis: B256,
    /// Chain id.
    pub chain_id: u64,
    /// Number of the source.
    pub source: u32,
    /// Address of its key.
    pub signer: Address,
    /// The log.
    pub log: B256,
    /// The source's next number on chain, which is that of the first row.
    pub next_seq: u64,
    /// The signer's next nonce on chain, which is that of the first sealed transaction.
    pub nonce: u64,
    /// Nonces below this one may be signed anew: an operator gave up what was signed for them.
    pub granted: u64,
    /// The mark's count of starts: a later handover of the source has a higher one.
    pub session: u64,
    /// No number above this one was told.
    pub highest: u64,
    /// The last transaction that was sealed.
    pub last_sealed: Option<SealedMark>,
}

/// A number that is accepted and not included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Row {
    /// The number.
    pub seq: u64,
    /// When it was accepted, Unix ms.
    pub accepted_ms: u64,
    /// The entry that was fixed at acceptance.
    pub entry: FixedBytes<ENTRY_LEN>,
    /// The VOID that takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<FixedBytes<ENTRY_LEN>>,
    /// Where another source has published the activity, if the VOID says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<Duplicate>,
}

/// Where another source has published an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Duplicate {
    /// The log.
    pub log: B256,
    /// Index in it.
    pub index: u64,
}

/// A signed transaction that is not included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealedRow {
    /// Its nonce.
    pub nonce: u64,
    /// Its first number.
    pub first_seq: u64,
    /// How many numbers.
    pub count: u32,
    /// Its bytes (EIP-2718).
    pub raw: Bytes,
}

/// What became of a file that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Adopted {
    /// Numbers that are accepted here now, as they were.
    pub rows: u64,
    /// Sealed transactions that are offered by the next start.
    pub sealed: u64,
    /// Numbers that were included meanwhile.
    pub included: u64,
    /// Numbers that will be in doubt at the next start; empty when only a nonce is.
    pub doubt: Option<RangeInclusive<u64>>,
    /// Old and new numbers.
    pub renumbered: Vec<(u64, u64)>,
    /// Old numbers that got no new one, and why.
    pub left_out: Vec<(u64, LeftOut)>,
}

/// Why a number got no new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// It is in a signed transaction that may still be included.
    Sealed,
    /// It was closed by a VOID.
    Closed,
}

impl Handover {
    /// The number after the last row.
    pub(crate) fn end(&self) -> u64 {
        self.header.next_seq.saturating_add(self.rows.len() as u64)
    }

    /// The end of the nonces that were signed, as far as the file knows.
    pub(crate) fn nonces_end(&self) -> u64 {
        let header = &self.header;
        let marked = header.last_sealed.map_or(0, |it| it.nonce.saturating_add(1));
        marked.max(header.nonce.saturating_add(self.sealed.len() as u64)).max(header.granted)
    }

    /// Whether the parts fit together.
    pub(crate) fn check(&self) -> Result<(), HandoverError> {
        let header = &self.header;
        if header.version != VERSION {
            return Err(HandoverError::Version(header.version));
        }
        for (seq, row) in (header.next_seq..).zip(&self.rows) {
            if row.seq != seq || !row.is_of(header.source) {
                let reason = format!("number {seq} is not what its row says");
                return Err(HandoverError::Inconsistent(reason));
            }
        }
        if self.end() > header.highest.saturating_add(1) {
            let reason = format!("numbers above the highest, {}", header.highest);
            return Err(HandoverError::Inconsistent(reason));
        }
        for (nonce, sealed) in (header.nonce..).zip(&self.sealed) {
            let numbers = header.next_seq..self.end();
            let within = numbers.contains(&sealed.first_seq) && sealed.end() <= numbers.end;
            if sealed.nonce != nonce || sealed.count == 0 || !within {
                let reason = format!("the transaction with nonce {nonce} does not fit the rows");
                return Err(HandoverError::Inconsistent(reason));
            }
        }
        Ok(())
    }
}

impl Row {
    pub(crate) fn new(seq: u64, record: &Record) -> Self {
        let duplicate_of = record.closing.and_then(|closing| closing.duplicate_of);
        Self {
            seq,
            accepted_ms: record.accepted_ms,
            entry: record.entry.into(),
            closing: record.closing.map(|closing| closing.entry.into()),
            duplicate_of: duplicate_of.map(|(log, index)| Duplicate { log, index }),
        }
    }

    pub(crate) fn record(&self) -> Record {
        let duplicate_of = self.duplicate_of.map(|it| (it.log, it.index));
        let closing = self.closing.map(|entry| Closing { entry: entry.0, duplicate_of });
        let (entry, accepted_ms) = (self.entry.0, self.accepted_ms);
        Record { entry, accepted_ms, closing, place: None }
    }

    /// Whether it holds an entry of this number, and a VOID of the same activity if any.
    fn is_of(&self, source: u32) -> bool {
        let own = |bytes| Entry::check_appended(bytes, source, self.seq, false).ok();
        let Some(entry) = own(&self.entry.0) else { return false };
        match &self.closing {
            None => self.duplicate_of.is_none(),
            Some(closing) => own(&closing.0).is_some_and(|void| {
                void.kind == EntryType::Void && void.activity_id == entry.activity_id
            }),
        }
    }
}

impl SealedRow {
    pub(crate) fn new(sealed: &Sealed) -> Self {
        let Sealed { nonce, first_seq, count, .. } = *sealed;
        Self { nonce, first_seq, count, raw: sealed.raw.clone() }
    }

    pub(crate) fn end(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.count))
    }
}
