//! What became of activities, from committed rows.

use crate::{
    ActivityId,
    core::Snapshot,
    rows::{Class, ENTRIES, Record, RowStore, StoreError, decode_u64, number_of, numbered},
};
use alloy_primitives::B256;
use peruri_plog::VoidReason;

/// How far an activity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusName {
    /// Accepted.
    Queued,
    /// In a signed transaction.
    Sealed,
    /// In a block, which is final.
    Included,
    /// Closed; the reason is that of the VOID.
    Void(u16),
    /// Closed because another source has published it.
    Duplicate,
    /// Not known here.
    Unknown,
}

impl StatusName {
    /// As it is answered.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sealed => "sealed",
            Self::Included => "included",
            Self::Void(_) => "void",
            Self::Duplicate => "duplicate",
            Self::Unknown => "unknown",
        }
    }
}

/// What is known of an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The activity.
    pub activity_id: ActivityId,
    /// Its number.
    pub source_seq: Option<u64>,
    /// How far it is.
    pub status: StatusName,
    /// Its transaction, once it is sealed.
    pub tx_hash: Option<B256>,
    /// Its block.
    pub block_number: Option<u64>,
    /// The log; that of the other source for a duplicate.
    pub log_id: Option<B256>,
    /// Its index there.
    pub leaf_index: Option<u64>,
}

/// An activity that is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// The activity; nil for a number that was lost.
    pub activity_id: ActivityId,
    /// Its number.
    pub source_seq: u64,
    /// Included, void or duplicate.
    pub status: StatusName,
    /// Its transaction.
    pub tx_hash: B256,
    /// Its block.
    pub block_number: u64,
    /// Index of its entry in the log.
    pub leaf_index: u64,
}

/// Completions in the order of numbers, without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completions {
    /// Those from the number that was asked for.
    pub items: Vec<Completion>,
    /// Where to go on.
    pub next: u64,
}

/// Included, void or duplicate.
fn final_name(record: &Record) -> Result<StatusName, StoreError> {
    Ok(match record.void_reason()? {
        None => StatusName::Included,
        Some(reason) if reason == VoidReason::Duplicate.number() => StatusName::Duplicate,
        Some(reason) => StatusName::Void(reason),
    })
}

pub(super) fn status(
    rows: &dyn RowStore,
    snapshot: &Snapshot,
    log: B256,
    activity_id: ActivityId,
) -> Result<Status, StoreError> {
    let unknown = Status {
        activity_id,
        source_seq: None,
        status: StatusName::Unknown,
        tx_hash: None,
        block_number: None,
        log_id: None,
        leaf_index: None,
    };
    let key = Class::Activity.key(activity_id);
    let Some(seq) = rows.get(&key)?.map(|row| decode_u64(&row)).transpose()? else {
        return Ok(unknown);
    };
    let Some(row) = rows.get(&numbered(ENTRIES, seq))? else { return Ok(unknown) };
    let record = Record::decode(&row)?;
    let known = Status { source_seq: Some(seq), ..unknown };
    if let Some(place) = record.place {
        let status = final_name(&record)?;
        let duplicate_of = record.closing.and_then(|closing| closing.duplicate_of);
        let at = match status {
            StatusName::Duplicate => duplicate_of,
            _ => Some((log, place.index)),
        };
        return Ok(Status {
            status,
            tx_hash: Some(place.tx_hash),
            block_number: Some(place.block),
            log_id: at.map(|(log, _)| log),
            leaf_index: at.map(|(_, index)| index),
            ..known
        });
    }
    let sealed = snapshot.sealed.iter().find(|(first, end, _)| (*first..*end).contains(&seq));
    Ok(match sealed {
        Some((.., hash)) => Status { status: StatusName::Sealed, tx_hash: Some(*hash), ..known },
        None => Status { status: StatusName::Queued, ..known },
    })
}

/// Up to `limit` completions from number `from` on, of those below `end`.
pub(super) fn completions(
    rows: &dyn RowStore,
    from: u64,
    end: u64,
    limit: usize,
) -> Result<Completions, StoreError> {
    let count = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX).min(limit);
    let mut items = Vec::with_capacity(count);
    for (key, row) in rows.scan(ENTRIES, &numbered(ENTRIES, from), count)? {
        let (record, source_seq) = (Record::decode(&row)?, number_of(&key)?);
        let Some(place) = record.place else { break };
        items.push(Completion {
            activity_id: record.activity_id()?,
            source_seq,
            status: final_name(&record)?,
            tx_hash: place.tx_hash,
            block_number: place.block,
            leaf_index: place.index,
        });
    }
    let next = items.last().map_or(from, |item| item.source_seq + 1);
    Ok(Completions { items, next })
}
