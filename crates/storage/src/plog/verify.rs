//! The index against itself and against the state.

use super::{
    PlogView,
    rows::{self, BatchRow, LogNumber, LogRow},
};
use crate::{
    ProviderFactory, ProviderResult,
    db::Column,
    tools::{Counter, Progress},
};
use alloy_primitives::{B256, U256};
use peruri_plog::{
    EMPTY_ROOT, Entry, Frontier, PLOG_ADDRESS,
    layout::{LogHead, LogSlots},
    leaf_hash,
};
use std::collections::BTreeMap;

/// What was looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlogReport {
    /// Logs with entries.
    pub logs: u64,
    /// Entries of all logs.
    pub entries: u64,
    /// What is wrong.
    pub discrepancies: Vec<PlogDiscrepancy>,
}

/// Something wrong in the index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlogDiscrepancy {
    /// The entries of a log do not follow one another.
    #[error("log {log}: entries end at {expected}, the next ones begin at {got}")]
    Gap {
        /// Id of the log.
        log: B256,
        /// Index that should follow.
        expected: u64,
        /// Index that does.
        got: u64,
    },
    /// A row does not decode.
    #[error("log {log}: the entries from {index} on are damaged")]
    Damaged {
        /// Id of the log.
        log: B256,
        /// Index of the first entry of the row.
        index: u64,
    },
    /// A node is missing, another one, or one too many.
    #[error("log {log}: the node at level {level}, index {index} is missing, wrong or too many")]
    Node {
        /// Id of the log.
        log: B256,
        /// Its level.
        level: u8,
        /// Its index in the level.
        index: u64,
    },
    /// A look-up is missing.
    #[error("log {log}: a look-up of entry {index} is missing")]
    Lookup {
        /// Id of the log.
        log: B256,
        /// Index of the entry.
        index: u64,
    },
    /// Size or root are not those of the state.
    #[error("log {log}: size {size} and root {root}, the chain says {state_size} and {state_root}")]
    State {
        /// Id of the log.
        log: B256,
        /// Size in the index.
        size: u64,
        /// Root over its entries.
        root: B256,
        /// Size in the newest state.
        state_size: u64,
        /// Root in the newest state.
        state_root: B256,
    },
}

impl ProviderFactory {
    /// Recomputes every tree from its entries and compares nodes, look-ups, sizes and roots, the latter
    /// two with the state of the newest block.
    ///
    /// # Errors
    /// The database is empty or cannot be read.
    pub fn verify_plog(&self, progress: &mut dyn Progress) -> ProviderResult<PlogReport> {
        // Nothing is committed between the two views.
        let _writer = self.write_lock();
        let (view, state) = (self.plog()?, self.latest()?);
        let total = view.logs().map(|(_, size)| size).sum();
        let mut check = Check::new(&view, Counter::new(progress, total));
        check.entries()?;
        check.no_other_nodes()?;
        let Check { mut report, logs, mut counter, .. } = check;
        counter.finish();
        for id in self.plog_ids()? {
            let slots = LogSlots::new(id);
            let word =
                |slot: U256| -> ProviderResult<U256> { state.storage(PLOG_ADDRESS, slot.into()) };
            let state_size = LogHead::unpack(word(slots.head())?).size;
            let state_root = B256::from(word(slots.root())?);
            let found = logs.get(&id);
            // A log without entries has no rows.
            let (size, root) = found.map_or((0, EMPTY_ROOT), |it| (it.tree.size(), it.tree.root()));
            let in_row = found.map_or(0, |it| it.row.size);
            let same = if state_size == 0 {
                in_row == 0 && size == 0
            } else {
                size == in_row && (size, root) == (state_size, state_root)
            };
            if !same {
                let log = id;
                let wrong = PlogDiscrepancy::State { log, size, root, state_size, state_root };
                report.discrepancies.push(wrong);
            }
        }
        Ok(report)
    }
}

/// A log as its entries give it.
struct Found {
    row: LogRow,
    tree: Frontier,
}

struct Check<'a> {
    view: &'a PlogView,
    ids: BTreeMap<LogNumber, B256>,
    logs: BTreeMap<B256, Found>,
    report: PlogReport,
    counter: Counter<'a>,
}

impl<'a> Check<'a> {
    fn new(view: &'a PlogView, counter: Counter<'a>) -> Self {
        let ids = view.rows().iter().map(|(id, row)| (row.number, *id)).collect();
        let found = |row: &LogRow| Found { row: *row, tree: Frontier::new() };
        let logs: BTreeMap<_, _> = view.rows().iter().map(|(id, row)| (*id, found(row))).collect();
        let report = PlogReport { logs: logs.len() as u64, ..PlogReport::default() };
        Self { view, ids, logs, report, counter }
    }

    fn entries(&mut self) -> ProviderResult<()> {
        let view = self.view;
        let mut cursor = view.batches()?;
        let mut row = cursor.first()?;
        while let Some((key, value)) = row {
            let place = rows::parse_batch(key);
            let log = place.and_then(|(number, first)| Some((*self.ids.get(&number)?, first)));
            let (log, first) = log.ok_or_else(|| rows::damaged(Column::PlogBatches))?;
            match BatchRow::decode(value) {
                Ok(batch) => self.batch(log, first, &batch)?,
                Err(_) => self.wrong(PlogDiscrepancy::Damaged { log, index: first }),
            }
            row = cursor.next()?;
        }
        Ok(())
    }

    fn batch(&mut self, log: B256, first: u64, batch: &BatchRow<'_>) -> ProviderResult<()> {
        let Some(found) = self.logs.get_mut(&log) else { return Ok(()) };
        let (number, expected) = (found.row.number, found.tree.size());
        if expected != first {
            self.wrong(PlogDiscrepancy::Gap { log, expected, got: first });
            return Ok(());
        }
        let key = rows::source(batch.source, batch.first_seq, number, first);
        let mut wrong = Vec::new();
        if !self.has(Column::PlogLookup, &key)? {
            wrong.push(PlogDiscrepancy::Lookup { log, index: first });
        }
        for (index, bytes) in (first..).zip(batch.entries) {
            self.counter.step();
            self.report.entries = self.report.entries.saturating_add(1);
            let Ok(entry) = Entry::decode(bytes) else {
                wrong.push(PlogDiscrepancy::Damaged { log, index });
                break;
            };
            let leaf = leaf_hash(bytes);
            for key in rows::lookups(number, index, &entry, &leaf) {
                if !self.has(Column::PlogLookup, &key)? {
                    wrong.push(PlogDiscrepancy::Lookup { log, index });
                }
            }
            for (level, index, hash) in self.append(log, leaf) {
                let row = self
                    .view
                    .read_view()
                    .get(Column::PlogNodes, rows::node(number, level, index))?;
                if row.as_deref() != Some(hash.as_slice()) {
                    wrong.push(PlogDiscrepancy::Node { log, level, index });
                }
            }
        }
        wrong.into_iter().for_each(|it| self.wrong(it));
        Ok(())
    }

    /// Every stored node lies in its tree.
    fn no_other_nodes(&mut self) -> ProviderResult<()> {
        let view = self.view;
        let mut cursor = view.read_view().cursor(Column::PlogNodes)?;
        let mut row = cursor.first()?;
        while let Some((key, _)) = row {
            let (number, level, index) =
                rows::parse_node(key).ok_or_else(|| rows::damaged(Column::PlogNodes))?;
            let log = self.ids.get(&number).copied().unwrap_or_default();
            let size = self.logs.get(&log).map_or(0, |found| found.tree.size());
            if size >> level <= index {
                self.wrong(PlogDiscrepancy::Node { log, level, index });
            }
            row = cursor.next()?;
        }
        Ok(())
    }

    /// The nodes that a leaf completes.
    fn append(&mut self, log: B256, leaf: B256) -> Vec<(u8, u64, B256)> {
        let mut nodes = Vec::new();
        if let Some(found) = self.logs.get_mut(&log) {
            // A log has its greatest size after 2^63 entries.
            let _ = found.tree.append(leaf, |level, index, hash| nodes.push((level, index, hash)));
        }
        nodes
    }

    fn has(&self, column: Column, key: &[u8]) -> ProviderResult<bool> {
        Ok(self.view.read_view().get(column, key)?.is_some())
    }

    fn wrong(&mut self, discrepancy: PlogDiscrepancy) {
        self.report.discrepancies.push(discrepancy);
    }
}
