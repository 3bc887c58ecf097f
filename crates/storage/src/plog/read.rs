//! Reading the index.

use super::rows::{self, BatchRow, LogNumber, LogRow};
use crate::{
    ProviderError, ProviderFactory, ProviderResult,
    db::{Column, Cursor, ReadView},
};
use alloy_primitives::{B256, BlockNumber};
use peruri_plog::{ENTRY_LEN, Entry, TreeNodes, leaf_hash};
use std::{collections::BTreeMap, sync::Arc};

/// Most entries that a look-up by activity or content returns.
const MOST_FOUND: usize = 1_000;

/// An entry with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlogRecord {
    /// Id of the log.
    pub log: B256,
    /// Index in the log.
    pub index: u64,
    /// The entry.
    pub entry: [u8; ENTRY_LEN],
    /// Its block.
    pub block: BlockNumber,
    /// Its transaction within the block.
    pub tx_index: u32,
}

impl PlogRecord {
    /// The leaf hash (RFC 9162 §2.1).
    pub fn leaf(&self) -> B256 {
        leaf_hash(&self.entry)
    }
}

/// The index at one moment. Cheap to make and to clone.
#[derive(Debug, Clone)]
pub struct PlogView {
    view: Arc<ReadView>,
    logs: Arc<BTreeMap<B256, LogRow>>,
}

impl ProviderFactory {
    /// The index of the transparency log as it is now.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn plog(&self) -> ProviderResult<PlogView> {
        let view = ReadView::new(Arc::clone(self.db()));
        let logs = Arc::new(read_logs(&view)?);
        Ok(PlogView { view: Arc::new(view), logs })
    }
}

fn read_logs(view: &ReadView) -> ProviderResult<BTreeMap<B256, LogRow>> {
    let mut cursor = view.cursor(Column::PlogLogs)?;
    let (mut logs, mut row) = (BTreeMap::new(), cursor.first()?);
    while let Some((key, value)) = row {
        let id = B256::try_from(key).map_err(|_| rows::damaged(Column::PlogLogs))?;
        logs.insert(id, LogRow::decode(value)?);
        row = cursor.next()?;
    }
    Ok(logs)
}

impl PlogView {
    /// Ids and sizes of the logs with entries.
    pub fn logs(&self) -> impl Iterator<Item = (B256, u64)> + '_ {
        self.logs.iter().map(|(id, row)| (*id, row.size))
    }

    /// Number of entries of a log; 0 for one that is not known here.
    pub fn size(&self, log: B256) -> u64 {
        self.logs.get(&log).map_or(0, |row| row.size)
    }

    /// The tree of a log; `None` for one without entries.
    pub fn tree(&self, log: B256) -> Option<PlogTree> {
        let number = self.logs.get(&log)?.number;
        Some(PlogTree { view: Arc::clone(&self.view), log: number })
    }

    /// An entry.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn entry(&self, log: B256, index: u64) -> ProviderResult<Option<PlogRecord>> {
        Ok(self.entries(log, index, 1)?.pop())
    }

    /// Up to `limit` entries from index `from` on.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn entries(&self, log: B256, from: u64, limit: usize) -> ProviderResult<Vec<PlogRecord>> {
        let Some(row) = self.logs.get(&log).filter(|row| from < row.size) else {
            return Ok(Vec::new());
        };
        let mut cursor = self.view.range_cursor(Column::PlogBatches, &row.number.to_be_bytes())?;
        let mut found = Vec::new();
        let mut batch = cursor.seek_for_prev(rows::batch(row.number, from))?;
        while let Some((key, value)) = batch {
            let (_, first) = rows::parse_batch(key).ok_or_else(damaged_batch)?;
            let batch_row = BatchRow::decode(value)?;
            for (index, entry) in (first..).zip(batch_row.entries).filter(|it| it.0 >= from) {
                if found.len() == limit {
                    return Ok(found);
                }
                let BatchRow { block, tx_index, .. } = batch_row;
                found.push(PlogRecord { log, index, entry: *entry, block, tx_index });
            }
            batch = cursor.next()?;
        }
        Ok(found)
    }

    /// The entries of an activity, in all logs; several sources may carry one id.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn find_activity(&self, id: &[u8; 16]) -> ProviderResult<Vec<PlogRecord>> {
        self.find(&rows::activity_prefix(id), |_| true)
    }

    /// The entries with a leaf hash.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn find_leaf(&self, leaf: B256) -> ProviderResult<Vec<PlogRecord>> {
        self.find(&rows::leaf_prefix(&leaf), |record| record.leaf() == leaf)
    }

    /// The entry with a sequence number of a source.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn find_seq(&self, source: u32, seq: u64) -> ProviderResult<Option<PlogRecord>> {
        let prefix = rows::source_prefix(source);
        let mut cursor = self.view.range_cursor(Column::PlogLookup, &prefix)?;
        let end = rows::source(source, seq, LogNumber::MAX, u64::MAX);
        let Some((key, _)) = cursor.seek_for_prev(end)? else { return Ok(None) };
        let (number, first_index) = rows::place(key)?;
        let first_seq = key.get(prefix.len()..).and_then(|rest| rest.first_chunk());
        let first_seq = first_seq.map(|seq| u64::from_be_bytes(*seq));
        let Some(offset) = first_seq.and_then(|first| seq.checked_sub(first)) else {
            return Ok(None);
        };
        let record = self.entry(self.id(number)?, first_index.saturating_add(offset))?;
        // Beyond the batch lies another source's entry, or nothing.
        Ok(record.filter(|record| {
            Entry::decode(&record.entry)
                .is_ok_and(|it| (it.source_id, it.source_seq) == (source, seq))
        }))
    }

    /// Up to `limit` entries of a subject from index `from` on.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn subject(
        &self,
        log: B256,
        subject: B256,
        from: u64,
        limit: usize,
    ) -> ProviderResult<Vec<PlogRecord>> {
        let Some(row) = self.logs.get(&log) else { return Ok(Vec::new()) };
        let prefix = rows::subject_prefix(row.number, &subject);
        let mut cursor = self.view.range_cursor(Column::PlogLookup, &prefix)?;
        let start = [prefix.as_slice(), &from.to_be_bytes()].concat();
        let (mut found, mut key) = (Vec::new(), cursor.seek(start)?);
        while let Some((bytes, _)) = key.filter(|_| found.len() < limit) {
            let record = self.existing(log, rows::place_of_subject(bytes)?)?;
            if Entry::decode(&record.entry).is_ok_and(|entry| entry.subject == subject) {
                found.push(record);
            }
            key = cursor.next()?;
        }
        Ok(found)
    }

    fn find(
        &self,
        prefix: &[u8],
        is_meant: impl Fn(&PlogRecord) -> bool,
    ) -> ProviderResult<Vec<PlogRecord>> {
        let mut cursor = self.view.range_cursor(Column::PlogLookup, prefix)?;
        let (mut found, mut key) = (Vec::new(), cursor.seek(prefix)?);
        while let Some((bytes, _)) = key.filter(|_| found.len() < MOST_FOUND) {
            let (number, index) = rows::place(bytes)?;
            found.extend(Some(self.existing(self.id(number)?, index)?).filter(&is_meant));
            key = cursor.next()?;
        }
        Ok(found)
    }

    /// An entry that a look-up names.
    fn existing(&self, log: B256, index: u64) -> ProviderResult<PlogRecord> {
        self.entry(log, index)?.ok_or_else(damaged_batch)
    }

    fn id(&self, number: LogNumber) -> ProviderResult<B256> {
        let id = self.logs.iter().find(|(_, row)| row.number == number).map(|(id, _)| *id);
        id.ok_or_else(|| rows::damaged(Column::PlogLogs))
    }

    /// A cursor over the batches of all logs.
    pub(super) fn batches(&self) -> ProviderResult<Cursor<'_>> {
        self.view.cursor(Column::PlogBatches)
    }

    pub(super) fn rows(&self) -> &BTreeMap<B256, LogRow> {
        &self.logs
    }

    pub(super) fn read_view(&self) -> &ReadView {
        &self.view
    }
}

/// The nodes of a log's tree.
#[derive(Debug, Clone)]
pub struct PlogTree {
    view: Arc<ReadView>,
    log: LogNumber,
}

impl TreeNodes for PlogTree {
    type Error = ProviderError;

    fn node(&self, level: u8, index: u64) -> ProviderResult<B256> {
        let row = self.view.get(Column::PlogNodes, rows::node(self.log, level, index))?;
        let hash = row.and_then(|row| B256::try_from(&row[..]).ok());
        hash.ok_or_else(|| rows::damaged(Column::PlogNodes))
    }
}

fn damaged_batch() -> ProviderError {
    rows::damaged(Column::PlogBatches)
}
