//! Retention: windows move with the head, rows behind them are removed in bounded steps.

use std::sync::Arc;

use crate::{
    HistoryWindows, ProviderResult,
    codecs::{changes::BlockChanges, keys},
    db::{Batch, Column, Db, ReadView},
    provider::Windows,
};

/// Blocks whose history one commit removes per committed block. Above one, so that a window that was
/// shortened is reached in time.
const STEP: u64 = 4;

/// What the windows follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// Number of the new head.
    pub(super) number: u64,
    /// Blocks of the batch that it ends.
    pub(super) committed: u64,
    /// Newest block that every extension has done; the next one must be readable to it as it was when
    /// it was committed.
    pub(super) finished: Option<u64>,
}

/// Moves the windows to a new head and removes what falls out of them.
pub(super) fn advance(
    db: &Arc<Db>,
    batch: &mut Batch,
    windows: &mut Windows,
    history: &HistoryWindows,
    head: Head,
) -> ProviderResult<()> {
    let Head { number: head, committed, finished } = head;
    let oldest_state = finished.unwrap_or(u64::MAX);
    let oldest_receipts = oldest_state.saturating_add(1);
    let limit = STEP.saturating_mul(committed);
    // Versions of blocks in this same batch are not in the database yet; they are never due, as the
    // window is at least as long as a batch is new.
    let newest_due = head.saturating_sub(committed);
    if let Some(window) = history.state {
        let target = head.saturating_sub(window).min(newest_due).min(oldest_state);
        let until = target.min(windows.state.saturating_add(limit));
        for number in windows.state..until {
            prune_state(db, batch, number.saturating_add(1))?;
        }
        windows.state = windows.state.max(until);
    }
    if let Some(window) = history.receipts {
        let target = head.saturating_sub(window).min(oldest_receipts);
        let until = target.min(windows.receipts.saturating_add(limit));
        for number in windows.receipts..until {
            batch.delete(Column::Receipts, keys::number(number));
        }
        windows.receipts = windows.receipts.max(until);
    }
    let oldest_proof = match history.proofs {
        Some(0) => head,
        Some(window) => windows.proofs.max(head.saturating_sub(window)),
        None => windows.proofs,
    };
    // A proof at a block reads flat rows as of it.
    windows.proofs = oldest_proof.max(windows.state);
    Ok(())
}

/// Makes `oldest` the oldest readable block: what it changed hides older versions for good.
fn prune_state(db: &Arc<Db>, batch: &mut Batch, oldest: u64) -> ProviderResult<()> {
    batch.delete(Column::BlockChanges, keys::number(oldest.saturating_sub(1)));
    let Some(row) = db.get(Column::BlockChanges, keys::number(oldest))? else { return Ok(()) };
    let changes = BlockChanges::decode(&row)?;
    let view = ReadView::new(Arc::clone(db));
    let Some(before) = oldest.checked_sub(1) else { return Ok(()) };
    let mut accounts = view.cursor(Column::AccountVersions)?;
    for (address, _) in &changes.accounts {
        drop_older(
            &mut accounts,
            batch,
            Column::AccountVersions,
            address.as_slice(),
            &keys::account_version(address, before),
        )?;
    }
    let mut slots = view.cursor(Column::StorageVersions)?;
    for (address, changed) in &changes.storages {
        for (slot, _) in changed {
            drop_older(
                &mut slots,
                batch,
                Column::StorageVersions,
                &keys::storage(address, slot),
                &keys::storage_version(address, slot, before),
            )?;
        }
    }
    Ok(())
}

fn drop_older(
    rows: &mut crate::db::Cursor<'_>,
    batch: &mut Batch,
    column: Column,
    prefix: &[u8],
    from: &[u8],
) -> ProviderResult<()> {
    let mut row = rows.seek(from)?;
    while let Some((key, _)) = row {
        if !key.starts_with(prefix) {
            break;
        }
        batch.delete(column, key);
        row = rows.next()?;
    }
    Ok(())
}
