//! `db`: looking at, checking and repairing the database of a stopped node.

mod plog;

use crate::{
    config::{Config, DataArgs, NodeArgs},
    environment,
    progress::ProgressLine,
};
use clap::{Args, Subcommand};
use peruri_storage::{ProviderFactory, VerifyReport};
use std::path::PathBuf;

/// Check, repair and copy the database of a stopped node.
#[derive(Debug, Args)]
pub struct DbCommand {
    #[command(subcommand)]
    action: DbAction,
}

#[derive(Debug, Subcommand)]
enum DbAction {
    /// Rows and bytes of every column family
    Stats,
    /// Compute the state root from the flat rows and compare it with the head's header, every storage
    /// root and every stored trie node
    VerifyState,
    /// Compare the newest version of every row with the flat row
    VerifyHistory,
    /// Rebuild trie nodes that differ from the flat rows
    RepairTrie {
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Recompute the trees of the transparency log from its entries and compare them with the index and
    /// with the head's state
    VerifyPlog,
    /// Make the index of the transparency log anew, by executing the blocks that appended to it again
    RebuildPlog,
    /// Write a consistent copy, sharing files where the file system can
    Checkpoint {
        /// New folder for the copy
        to: PathBuf,
    },
}

impl DbCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// A discrepancy, or what the machine says.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        let config = Config::load(data, NodeArgs::default())?;
        let chain = environment::load_chain(&config.chain)?;
        let _lock = environment::lock(&config.data_dir())?;
        let provider = environment::open_database(&config, chain.spec)?;
        match self.action {
            DbAction::Stats => stats(&provider),
            DbAction::VerifyState => {
                let mut progress = ProgressLine::new("verify-state", "rows");
                let report =
                    provider.verify_state(&mut |done, total| progress.report(done, total))?;
                verdict(&report)
            }
            DbAction::VerifyHistory => {
                let mut progress = ProgressLine::new("verify-history", "rows");
                let report =
                    provider.verify_history(&mut |done, total| progress.report(done, total))?;
                verdict(&report)
            }
            DbAction::RepairTrie { dry_run } => repair_trie(&provider, dry_run),
            DbAction::VerifyPlog => plog::verify(&provider),
            DbAction::RebuildPlog => plog::rebuild(&provider),
            DbAction::Checkpoint { to } => {
                provider.checkpoint(&to)?;
                println!("checkpoint    {}", to.display());
                Ok(())
            }
        }
    }
}

fn stats(provider: &ProviderFactory) -> eyre::Result<()> {
    let stats = provider.stats()?;
    println!("{:<18} {:>14} {:>16}", "column family", "rows (about)", "bytes on disk");
    for column in &stats.columns {
        println!("{:<18} {:>14} {:>16}", column.name, column.rows, column.disk_bytes());
    }
    println!("{:<18} {:>14} {:>16}", "total", "", stats.disk_bytes());
    Ok(())
}

fn verdict(report: &VerifyReport) -> eyre::Result<()> {
    print_report(report);
    if report.is_clean() {
        println!("ok");
        Ok(())
    } else {
        Err(eyre::eyre!("{} discrepancies found", report.discrepancies))
    }
}

fn print_report(report: &VerifyReport) {
    println!("block         {}", report.number);
    println!("state root    {:#x}", report.state_root);
    println!("rows          {}", report.rows);
    println!("trie nodes    {}", report.nodes);
    for discrepancy in &report.listed {
        println!("discrepancy   {discrepancy}");
    }
}

fn repair_trie(provider: &ProviderFactory, dry_run: bool) -> eyre::Result<()> {
    let mut progress = ProgressLine::new("repair-trie", "rows");
    let report = provider.repair_trie(dry_run, &mut |done, total| progress.report(done, total))?;
    print_report(&report.found);
    println!("repaired      {} trie nodes", report.repaired);
    if report.found.is_clean() || report.repaired > 0 || dry_run {
        Ok(())
    } else {
        Err(eyre::eyre!(
            "the flat rows themselves do not have the head's state root: restore the data folder"
        ))
    }
}
