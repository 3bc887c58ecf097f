//! `import` and `export`: files of blocks.

use super::exit::OrUsage;
use crate::{
    builder,
    config::{Config, DataArgs, NodeArgs},
    environment,
    progress::ProgressLine,
};
use clap::Args;
use eyre::WrapErr;
use peruri_engine::chain_file::{BlockReader, write_block};
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    time::Instant,
};

/// Import blocks from a file, as geth's and Besu's `export` write them.
///
/// Every block is validated in full, seals included, and executed. Blocks that the database holds are
/// skipped, so an interrupted import can be started again.
#[derive(Debug, Args)]
pub struct ImportCommand {
    /// File of RLP-encoded blocks
    file: PathBuf,
    #[command(flatten)]
    node: NodeArgs,
}

impl ImportCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// The first block that is malformed or breaks a rule, with its number; blocks before it are
    /// kept.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        let config = Config::load(data, self.node)?;
        let chain = environment::load_chain(&config.chain)?;
        let name = self.file.display().to_string();
        let file = File::open(&self.file).or_usage(&name)?;
        let size = file.metadata().or_usage(&name)?.len();
        let _lock = environment::lock(&config.data_dir())?;
        let provider = environment::open_database(&config, chain.spec.clone())?;
        environment::check_state(&provider)?;
        let importer = builder::importer(&chain.spec, &provider);
        let mut progress = ProgressLine::new("import", "blocks");
        let started = Instant::now();
        let mut done = 0;
        let summary = importer
            .import(BlockReader::new(file), |_| {
                done += 1;
                progress.report(done, size / AVERAGE_BLOCK_BYTES);
            })
            .or_usage(&name)?;
        let seconds = started.elapsed().as_secs_f64().max(f64::EPSILON);
        println!("imported      {} blocks, {} known already", summary.imported, summary.known);
        println!("transactions  {}", summary.transactions);
        println!("gas           {:.1} Mgas/s", summary.gas_used as f64 / 1e6 / seconds);
        println!("head          {}", provider.best_block_number()?);
        Ok(())
    }
}

/// Size of a block for the estimate of how many a file holds.
const AVERAGE_BLOCK_BYTES: u64 = 1_024;

/// Write blocks to a file that `import`, geth and Besu read.
#[derive(Debug, Args)]
pub struct ExportCommand {
    /// File to write; must not exist
    file: PathBuf,
    /// First block
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Last block [default: the head]
    #[arg(long)]
    to: Option<u64>,
}

impl ExportCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the file exists, a block is missing, or the disk is full.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        let config = Config::load(data, NodeArgs::default())?;
        let chain = environment::load_chain(&config.chain)?;
        let _lock = environment::lock(&config.data_dir())?;
        let provider = environment::open_database(&config, chain.spec)?;
        let last = self.to.unwrap_or(provider.best_block_number()?);
        let name = self.file.display().to_string();
        let file = File::create_new(&self.file).or_usage(&name)?;
        let mut output = BufWriter::new(file);
        let mut progress = ProgressLine::new("export", "blocks");
        for number in self.from..=last {
            let block = provider
                .block_by_number(number)?
                .ok_or_else(|| eyre::eyre!("block {number} is not in the database"))?;
            write_block(&block, &mut output).wrap_err_with(|| name.clone())?;
            progress.report(number, last);
        }
        let file = output.into_inner().map_err(|error| error.into_error()).wrap_err(name)?;
        (&file).flush()?;
        file.sync_all()?;
        println!("exported      blocks {} to {last}", self.from);
        Ok(())
    }
}
