//! Adding the rows of a block.

use super::{
    PlogAppend,
    rows::{self, BatchRow, LogRow},
};
use crate::{
    ProviderError, ProviderResult,
    db::{Batch, Column, Db, ReadView},
};
use alloy_primitives::B256;
use peruri_plog::{ENTRY_LEN, Entry, Frontier};
use std::{collections::BTreeMap, sync::Arc};

/// The logs as they will be when the batch that is being made is written.
#[derive(Debug, Default)]
pub(crate) struct Index {
    logs: BTreeMap<B256, Growing>,
    /// Number of the next log that is new here; known once one was.
    next_number: Option<u32>,
}

#[derive(Debug)]
struct Growing {
    row: LogRow,
    tree: Frontier,
}

impl Index {
    /// Adds the rows of what a block appended.
    ///
    /// # Errors
    /// [`ProviderError::PlogIndex`] if the index does not end where an append begins; the database
    /// cannot be read.
    pub(crate) fn write(
        &mut self,
        db: &Arc<Db>,
        batch: &mut Batch,
        block: u64,
        appends: &[PlogAppend],
    ) -> ProviderResult<()> {
        for append in appends {
            self.append(db, batch, block, append)?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        db: &Arc<Db>,
        batch: &mut Batch,
        block: u64,
        append: &PlogAppend,
    ) -> ProviderResult<()> {
        let log = self.log(db, append.log)?;
        let (number, size) = (log.row.number, log.row.size);
        if size != append.first_index {
            let (log, got) = (append.log, size);
            return Err(ProviderError::PlogIndex { log, expected: append.first_index, got });
        }
        let (entries, _) = append.entries.as_chunks::<ENTRY_LEN>();
        for (index, bytes) in (size..).zip(entries) {
            let entry = Entry::decode(bytes).map_err(|e| damaged(&e))?;
            let leaf = peruri_plog::leaf_hash(bytes);
            let node = |level, index, hash: B256| {
                batch.put(Column::PlogNodes, rows::node(number, level, index), hash);
            };
            log.tree.append(leaf, node).map_err(|e| damaged(&e))?;
            for key in rows::lookups(number, index, &entry, &leaf) {
                batch.put(Column::PlogLookup, key, []);
            }
        }
        let PlogAppend { source, first_seq, tx_index, .. } = *append;
        let key = rows::source(source, first_seq, number, size);
        batch.put(Column::PlogLookup, key, []);
        let row = BatchRow { block, tx_index, source, first_seq, entries };
        batch.put(Column::PlogBatches, rows::batch(number, size), row.encode());
        log.row.size = log.tree.size();
        batch.put(Column::PlogLogs, append.log, log.row.encode());
        Ok(())
    }

    fn log(&mut self, db: &Arc<Db>, id: B256) -> ProviderResult<&mut Growing> {
        if !self.logs.contains_key(&id) {
            let growing = match db.get(Column::PlogLogs, id)? {
                Some(row) => read(db, LogRow::decode(&row)?)?,
                None => {
                    let number = self.next_number(db)?;
                    Growing { row: LogRow { number, size: 0 }, tree: Frontier::new() }
                }
            };
            self.logs.insert(id, growing);
        }
        self.logs.get_mut(&id).ok_or_else(|| rows::damaged(Column::PlogLogs))
    }

    fn next_number(&mut self, db: &Arc<Db>) -> ProviderResult<u32> {
        let next = match self.next_number {
            Some(next) => next,
            None => count_logs(db)?,
        };
        self.next_number = Some(next.saturating_add(1));
        Ok(next)
    }
}

fn count_logs(db: &Arc<Db>) -> ProviderResult<u32> {
    let view = ReadView::new(Arc::clone(db));
    let mut cursor = view.cursor(Column::PlogLogs)?;
    let (mut count, mut row) = (0_u32, cursor.first()?.is_some());
    while row {
        count = count.saturating_add(1);
        row = cursor.next()?.is_some();
    }
    Ok(count)
}

/// The tree of a stored log, from its peaks.
fn read(db: &Db, row: LogRow) -> ProviderResult<Growing> {
    let tree = Frontier::read(row.size, |level| {
        let index = (row.size >> level).saturating_sub(1);
        let node = db.get(Column::PlogNodes, rows::node(row.number, level, index))?;
        let hash = node.and_then(|row| B256::try_from(&row[..]).ok());
        hash.ok_or_else(|| rows::damaged(Column::PlogNodes))
    })?;
    Ok(Growing { row, tree })
}

fn damaged(error: &dyn std::fmt::Display) -> ProviderError {
    ProviderError::codec(Column::PlogBatches.name(), error)
}
