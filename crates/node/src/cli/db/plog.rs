//! `db verify-plog` and `db rebuild-plog`.

use crate::{cli::exit::UsageError, progress::ProgressLine};
use peruri_evm::PeruriEvmConfig;
use peruri_storage::{ProviderFactory, plog_size};

pub(super) fn verify(provider: &ProviderFactory) -> eyre::Result<()> {
    let mut progress = ProgressLine::new("verify-plog", "entries");
    let report = provider.verify_plog(&mut |done, total| progress.report(done, total))?;
    drop(progress);
    println!("logs          {}", report.logs);
    println!("entries       {}", report.entries);
    for discrepancy in &report.discrepancies {
        println!("discrepancy   {discrepancy}");
    }
    match report.discrepancies.len() {
        0 => {
            println!("ok");
            Ok(())
        }
        found => Err(eyre::eyre!(
            "{found} discrepancies found: `peruri-node db rebuild-plog` makes the index anew"
        )),
    }
}

/// Empties the index and fills it again. A rebuild that was interrupted is begun anew.
pub(super) fn rebuild(provider: &ProviderFactory) -> eyre::Result<()> {
    check_history(provider)?;
    let evm = PeruriEvmConfig::new(provider.chain_spec().clone());
    let blocks = provider.plog_blocks()?;
    let mut progress = ProgressLine::new("rebuild-plog", "blocks");
    let mut rebuild = provider.rebuild_plog()?;
    for (done, number) in (1..).zip(&blocks) {
        let block = provider.recovered_block(*number)?;
        let block = block.ok_or_else(|| eyre::eyre!("block {number} is not in the database"))?;
        let parent = provider.history_by_block_number(number.saturating_sub(1))?;
        let outcome = evm.execute_block(&block, &*parent)?;
        rebuild.add(*number, &outcome.plog_appends)?;
        progress.report(done, blocks.len() as u64);
    }
    let entries = rebuild.finish()?;
    drop(progress);
    provider.check_plog_sizes()?;
    println!("blocks        {}", blocks.len());
    println!("entries       {entries}");
    Ok(())
}

/// All blocks that appended must be there to be found, and the states before them.
fn check_history(provider: &ProviderFactory) -> eyre::Result<()> {
    let windows = provider.windows()?;
    let oldest = windows.receipts.max(windows.state.saturating_add(1));
    let before = provider.history_by_block_number(oldest.saturating_sub(1))?;
    for log in provider.plog_ids()? {
        let entries = plog_size(&*before, log)?;
        if entries > 0 {
            return Err(UsageError::new(format!(
                "log {log} has {entries} entries from before block {oldest}, the oldest that can be \
                 executed again: import the chain anew (`peruri-node import`), or let a new data \
                 folder catch up"
            ))
            .into());
        }
    }
    Ok(())
}
