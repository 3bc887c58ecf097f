//! Versions against flat rows: the newest version of every key must be its flat row.

use alloy_primitives::hex;

use super::{Discrepancy, Progress, VerifyReport, progress::Counter};
use crate::{
    ProviderFactory, ProviderResult,
    db::{Column, Cursor, ReadView},
};

const NUMBER_LEN: usize = 8;

impl ProviderFactory {
    /// Compares the newest version of every account and slot with its flat row, both ways.
    ///
    /// # Errors
    /// The database is empty or cannot be read.
    pub fn verify_history(&self, progress: &mut dyn Progress) -> ProviderResult<VerifyReport> {
        let state = self.committed_state()?;
        let mut report = VerifyReport {
            number: state.head().number,
            state_root: state.head().state_root,
            ..VerifyReport::default()
        };
        let total = self.estimated_rows(Column::AccountVersions)?
            + self.estimated_rows(Column::StorageVersions)?;
        let mut counter = Counter::new(progress, total);
        let view = state.view();
        for (flat, versions, key_len) in [
            (Column::HashedAccounts, Column::AccountVersions, 32),
            (Column::HashedStorages, Column::StorageVersions, 64),
        ] {
            compare(view, flat, versions, key_len, &mut report, &mut counter)?;
        }
        report.rows = counter.done;
        counter.finish();
        Ok(report)
    }
}

/// A key and its row, `None` at the end.
type Row = Option<(Vec<u8>, Vec<u8>)>;

/// Walks both column families in key order side by side.
fn compare(
    view: &ReadView,
    flat: Column,
    versions: Column,
    key_len: usize,
    report: &mut VerifyReport,
    counter: &mut Counter<'_>,
) -> ProviderResult<()> {
    let mut flat_rows = view.cursor(flat)?;
    let mut version_rows = view.cursor(versions)?;
    let mut is = owned(flat_rows.first()?);
    let mut newest = first_newest(&mut version_rows, key_len)?;
    loop {
        let order = match (&is, &newest) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((flat_key, _)), Some((key, _))) => flat_key.cmp(key),
        };
        counter.step();
        // A key on one side only stands for an empty row on the other: a removed account or slot.
        let key = if order.is_gt() { &newest } else { &is };
        let empty = Vec::new();
        let flat_row = is.as_ref().filter(|_| order.is_le()).map_or(&empty, |(_, row)| row);
        let version = newest.as_ref().filter(|_| order.is_ge()).map_or(&empty, |(_, row)| row);
        if flat_row != version
            && let Some((key, _)) = key
        {
            let key = hex::encode(key);
            report.add(Discrepancy::Version { column: versions.name(), key });
        }
        if order.is_ge() {
            newest = next_newest(&mut version_rows, key_len, newest)?;
        }
        if order.is_le() {
            is = owned(flat_rows.next()?);
        }
    }
}

fn owned(row: Option<(&[u8], &[u8])>) -> Row {
    row.map(|(key, value)| (key.to_vec(), value.to_vec()))
}

/// The first row of each key is its newest version.
fn first_newest(rows: &mut Cursor<'_>, key_len: usize) -> ProviderResult<Row> {
    Ok(without_number(rows.first()?, key_len))
}

fn next_newest(rows: &mut Cursor<'_>, key_len: usize, current: Row) -> ProviderResult<Row> {
    let Some((mut oldest, _)) = current else { return Ok(None) };
    oldest.extend_from_slice(&[0xff; NUMBER_LEN]);
    let landed = rows.seek(&oldest)?.is_some_and(|(key, _)| key == oldest);
    let row = if landed { rows.next()? } else { rows.current()? };
    Ok(without_number(row, key_len))
}

fn without_number(row: Option<(&[u8], &[u8])>, key_len: usize) -> Row {
    row.map(|(key, value)| (key[..key_len.min(key.len())].to_vec(), value.to_vec()))
}
