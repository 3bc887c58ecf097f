//! T15: blocks of 1,000 ERC-20 transfers over a large state, imported as from a file or a peer
//! (decoded, senders recovered, seals and all rules checked, executed, root computed and compared,
//! committed), beside the same senders recovered and the same transactions run in bare revm. Both may
//! use every core.

use crate::{
    bare::BareRevm,
    chain::Chain,
    machine::{Quiet, own_cpu_time},
    stats::Summary,
};
use alloy_consensus::transaction::SignerRecoverable;
use alloy_primitives::Address;
use alloy_rlp::Decodable;
use eyre::{Result, ensure};
use peruri_engine::{BlockImporter, chain_file::BlockReader};
use peruri_evm::PeruriEvmConfig;
use peruri_primitives::{Block, TransactionSigned};
use rayon::prelude::*;
use serde::Serialize;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// Transactions of a block.
const BLOCK: usize = 1_000;
/// Blocks of a round.
const BLOCKS: usize = 32;

/// Wall and CPU time of one side in one round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Side {
    /// Millions of gas a second.
    pub mgas_per_second: f64,
    /// CPU time per transaction in microseconds.
    pub cpu_us: f64,
    /// Wall time per block in milliseconds.
    pub block_ms: f64,
}

/// One round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    /// The machine before it.
    pub quiet: Quiet,
    /// Block import.
    pub import: Side,
    /// Bare revm with recovery.
    pub bare: Side,
    /// Bare revm without recovery, reported beside.
    pub bare_run_only_ms: f64,
}

/// All rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Import {
    /// Accounts and token holders in the state.
    pub accounts: u64,
    /// Transactions of a block.
    pub transactions: usize,
    /// The rounds.
    pub rounds: Vec<Round>,
}

impl Import {
    /// Median and range of a figure over the undisturbed rounds.
    pub fn of(&self, figure: impl Fn(&Round) -> f64) -> Option<Summary> {
        Summary::of(self.rounds.iter().filter(|round| round.quiet.quiet).map(figure))
    }
}

/// Measures `rounds` rounds over `accounts` accounts, with files under `folder`.
///
/// # Errors
/// If the store fails or results differ.
pub fn measure(folder: &Path, accounts: u64, rounds: usize) -> Result<Import> {
    eprintln!("T15: creating a chain of {accounts} accounts and token holders");
    let mut chain = Chain::create(&folder.join("made"), accounts)?;
    let importer = chain.importer(&folder.join("import"))?;
    let mut bare = BareRevm::new(&chain.holders())?;
    // All blocks are made first, so that nothing works in the background while it is measured.
    let made = (0..=rounds).map(|_| make_blocks(&mut chain, BLOCKS)).collect::<Result<Vec<_>>>()?;
    let evm = chain.evm.clone();
    drop(chain);
    let mut made = made.into_iter();
    if let Some(warm_up) = made.next() {
        let warm = one_round(&importer, &mut bare, &evm, &warm_up, folder)?;
        eprintln!("T15: warm-up {:.1} ms a block", warm.import.block_ms);
    }
    let mut measured = Vec::new();
    for blocks in made {
        let figures = one_round(&importer, &mut bare, &evm, &blocks, folder)?;
        eprintln!(
            "T15: round {}: import {:.1} ms, bare revm {:.1} ms a block",
            measured.len() + 1,
            figures.import.block_ms,
            figures.bare.block_ms
        );
        measured.push(figures);
    }
    Ok(Import { accounts, transactions: BLOCK, rounds: measured })
}

/// RLP of blocks of transfers, and the gas they use.
struct Made {
    blocks: Vec<Vec<u8>>,
    gas: u64,
}

fn make_blocks(chain: &mut Chain, count: usize) -> Result<Made> {
    let mut made = Made { blocks: Vec::with_capacity(count), gas: 0 };
    for _ in 0..count {
        let transactions = chain.token_transfers(BLOCK)?;
        let block = chain.build(&transactions)?.executed;
        chain.factory.commit_block(&block)?;
        made.gas += block.execution_output.gas_used;
        made.blocks.push(chain.sealed(&block)?);
    }
    Ok(made)
}

/// One round: the blocks are imported, then run bare.
fn one_round(
    importer: &BlockImporter,
    bare: &mut BareRevm,
    evm: &PeruriEvmConfig,
    made: &Made,
    folder: &Path,
) -> Result<Round> {
    let quiet = Quiet::wait(folder)?;
    let (mut import, mut revm) = (Clock::default(), Clock::default());
    import.time(|| import_blocks(importer, &made.blocks))?;
    let mut run_only = Duration::ZERO;
    for block in &made.blocks {
        run_only += revm.time(|| run_bare(bare, evm, block))?;
    }
    let count = made.blocks.len() as f64;
    let side = |clock: &Clock| Side {
        mgas_per_second: made.gas as f64 / 1e6 / clock.wall.as_secs_f64(),
        cpu_us: clock.cpu.as_secs_f64() * 1e6 / (BLOCK as f64 * count),
        block_ms: clock.wall.as_secs_f64() * 1e3 / count,
    };
    let bare_run_only_ms = run_only.as_secs_f64() * 1e3 / count;
    Ok(Round { quiet, import: side(&import), bare: side(&revm), bare_run_only_ms })
}

fn import_blocks(importer: &BlockImporter, blocks: &[Vec<u8>]) -> Result<()> {
    let file = blocks.concat();
    let summary = importer.import(BlockReader::new(file.as_slice()), |_| {})?;
    ensure!(summary.imported == blocks.len() as u64, "imported {}", summary.imported);
    Ok(())
}

/// Returns the time of the execution alone.
fn run_bare(bare: &mut BareRevm, evm: &PeruriEvmConfig, mut bytes: &[u8]) -> Result<Duration> {
    let block = Block::decode(&mut bytes)?;
    let env = evm.evm_env(&block.header);
    let senders = recover(&block.body.transactions)?;
    let start = Instant::now();
    let gas = bare.run(env, &block.body.transactions, &senders)?;
    let elapsed = start.elapsed();
    ensure!(gas == block.header.gas_used, "gas: {gas}, in the header {}", block.header.gas_used);
    Ok(elapsed)
}

fn recover(transactions: &[TransactionSigned]) -> Result<Vec<Address>> {
    Ok(transactions.par_iter().map(|tx| tx.recover_signer()).collect::<Result<_, _>>()?)
}

/// Adds up wall and CPU time of what it is given.
#[derive(Debug, Default)]
struct Clock {
    wall: Duration,
    cpu: Duration,
}

impl Clock {
    fn time<T>(&mut self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let (cpu, start) = (own_cpu_time()?, Instant::now());
        let value = work()?;
        self.wall += start.elapsed();
        self.cpu += own_cpu_time()?.saturating_sub(cpu);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::SENDERS;

    #[test]
    fn both_sides_agree_on_a_small_state() {
        let folder = tempfile::tempdir().expect("folder");
        let mut chain =
            Chain::create(&folder.path().join("made"), SENDERS as u64 + 100).expect("chain");
        let importer = chain.importer(&folder.path().join("import")).expect("store");
        let mut bare = BareRevm::new(&chain.holders()).expect("state");
        let made = make_blocks(&mut chain, 2).expect("made");
        import_blocks(&importer, &made.blocks).expect("imported");
        for block in &made.blocks {
            run_bare(&mut bare, &chain.evm, block).expect("the same gas");
        }
    }
}
