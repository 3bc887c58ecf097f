//! Sync from genesis: a fresh node gets a chain of blocks of 500 ERC-20 transfers from a peer, beside
//! `import` of the same blocks from a file. Both from the start of the process to the last block, both
//! with all checks of seals and rules.

use crate::{
    chain::{Chain, SENDERS},
    machine::Quiet,
    stats::Summary,
    subject::Programs,
};
use eyre::{Result, ensure};
use peruri_testnet::{Cluster, ClusterOptions, Placement};
use serde::Serialize;
use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Transactions of a block.
const BLOCK: usize = 500;
/// Accounts and token holders.
const ACCOUNTS: u64 = SENDERS as u64 * 2;
/// Longest wait for the last block.
const PATIENCE: Duration = Duration::from_secs(300);
/// The node that has the chain.
const SERVER: usize = 0;
const JOINER: usize = 1;

/// Blocks a second of both ways in one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    /// The machine before it.
    pub quiet: Quiet,
    /// From a peer.
    pub sync: f64,
    /// From a file.
    pub import: f64,
}

/// All rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Sync {
    /// Blocks of the chain.
    pub blocks: u64,
    /// The rounds.
    pub rounds: Vec<Round>,
}

impl Sync {
    /// Median and range of a figure over the undisturbed rounds.
    pub fn of(&self, figure: impl Fn(&Round) -> f64) -> Option<Summary> {
        Summary::of(self.rounds.iter().filter(|round| round.quiet.quiet).map(figure))
    }
}

/// Measures `rounds` rounds over a chain of `blocks` blocks.
///
/// # Errors
/// If a node fails, or does not get the chain.
pub async fn measure(programs: &Programs, blocks: u64, rounds: usize) -> Result<Sync> {
    eprintln!("sync: making {blocks} blocks of {BLOCK} transfers");
    let made = Made::create(&programs.folder, blocks)?;
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let figures = one_round(programs, &made).await?;
        eprintln!(
            "sync: round {round}: from a peer {:.1}, from a file {:.1} blocks a second",
            figures.sync, figures.import
        );
        measured.push(figures);
    }
    Ok(Sync { blocks, rounds: measured })
}

/// A chain in files.
struct Made {
    genesis: PathBuf,
    chain: PathBuf,
    blocks: u64,
}

impl Made {
    fn create(folder: &Path, blocks: u64) -> Result<Self> {
        let mut chain = Chain::create(&folder.join("sync-made"), ACCOUNTS)?;
        let this =
            Self { genesis: folder.join("sync.json"), chain: folder.join("sync.rlp"), blocks };
        fs::write(&this.genesis, chain.genesis()?)?;
        let mut file = BufWriter::new(File::create(&this.chain)?);
        for _ in 0..blocks {
            let transactions = chain.token_transfers(BLOCK)?;
            let block = chain.build(&transactions)?.executed;
            chain.factory.commit_block(&block)?;
            file.write_all(&chain.sealed(&block)?)?;
        }
        file.flush()?;
        Ok(this)
    }
}

async fn one_round(programs: &Programs, made: &Made) -> Result<Round> {
    let folder = programs.folder.join("sync");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let quiet = Quiet::wait(&programs.folder)?;
    // Neither is a validator of the chain, so that it ends where the file ends.
    let mut options = ClusterOptions::new(&programs.node, &folder, 2);
    options.placement = Placement::Loopback;
    options.genesis = Some(made.genesis.clone());
    let mut cluster = Cluster::create(options).await?;
    let start = Instant::now();
    cluster.member(SERVER).options.run(&["import".as_ref(), made.chain.as_os_str()]).await?;
    let import = start.elapsed();
    cluster.start(SERVER).await?;
    let start = Instant::now();
    cluster.start(JOINER).await?;
    let head = cluster.member(JOINER).client().wait_block(made.blocks, PATIENCE).await?;
    let sync = start.elapsed();
    ensure!(head == made.blocks, "the chain goes on to {head}");
    cluster.stop_all().await?;
    let rate = |wall: Duration| made.blocks as f64 / wall.as_secs_f64();
    Ok(Round { quiet, sync: rate(sync), import: rate(import) })
}
