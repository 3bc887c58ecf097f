//! T15: a block of 1,000 ERC-20 transfers over a large state, imported (decoded, senders recovered,
//! executed, root computed and compared, committed with a sync), beside the same senders recovered
//! and the same transactions run in bare revm. Both may use every core.

use crate::{
    bare::BareRevm,
    chain::Chain,
    machine::{Quiet, own_cpu_time},
    stats::Summary,
};
use alloy_consensus::{proofs::calculate_transaction_root, transaction::SignerRecoverable};
use alloy_primitives::{Address, B256, U256};
use alloy_rlp::{Decodable, Encodable};
use eyre::{Result, ensure};
use peruri_primitives::{Block, RecoveredBlock, TransactionSigned};
use peruri_storage::{ProviderResult, StateProvider, StateProviderBox};
use peruri_trie::{AccountProof, HashedPostState, StateRootOutput};
use rayon::prelude::*;
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;
use serde::Serialize;
use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Transactions of a block.
const BLOCK: usize = 1_000;
/// Blocks of a round.
const BLOCKS: usize = 10;

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

/// Where the wall time of an import goes, in milliseconds a block.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Phases {
    /// Decoding, transactions root, senders.
    pub recover: f64,
    /// Execution, checks and hashing.
    pub execute: f64,
    /// State root and trie nodes.
    pub root: f64,
    /// The synced batch.
    pub commit: f64,
}

/// One round.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Round {
    /// The machine before it.
    pub quiet: Quiet,
    /// Block import.
    pub import: Side,
    /// Its phases.
    pub phases: Phases,
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
    let mut chain = Chain::create(&folder.join("import"), accounts)?;
    let mut bare = BareRevm::new(&chain.holders())?;
    let warm = blocks(&mut chain, &mut bare, folder)?;
    eprintln!("T15: warm-up {:.1} ms a block", warm.import.block_ms);
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let figures = blocks(&mut chain, &mut bare, folder)?;
        eprintln!(
            "T15: round {round}: import {:.1} ms {:.1?}, bare revm {:.1} ms a block",
            figures.import.block_ms, figures.phases, figures.bare.block_ms
        );
        measured.push(figures);
    }
    Ok(Import { accounts, transactions: BLOCK, rounds: measured })
}

/// One round: each block is built (untimed), then imported and run bare, one after the other.
fn blocks(chain: &mut Chain, bare: &mut BareRevm, folder: &Path) -> Result<Round> {
    let quiet = Quiet::wait(folder)?;
    let (mut import, mut revm) = (Clock::default(), Clock::default());
    let mut run_only = Duration::ZERO;
    let mut phases = Phases::default();
    let mut gas = 0;
    for _ in 0..BLOCKS {
        let transactions = chain.token_transfers(BLOCK)?;
        let built = chain.build(&transactions)?.executed;
        let mut bytes = Vec::new();
        built.recovered_block.clone_block().encode(&mut bytes);
        let env = chain.evm.evm_env(built.recovered_block.header());
        gas += built.execution_output.gas_used;
        drop(built);

        import.time(|| import_block(chain, &bytes, &mut phases))?;
        run_only += revm.time(|| run_bare(bare, env, &bytes))?;
    }
    let side = |clock: &Clock| Side {
        mgas_per_second: gas as f64 / 1e6 / clock.wall.as_secs_f64(),
        cpu_us: clock.cpu.as_secs_f64() * 1e6 / (BLOCK * BLOCKS) as f64,
        block_ms: clock.wall.as_secs_f64() * 1e3 / BLOCKS as f64,
    };
    let bare_run_only_ms = run_only.as_secs_f64() * 1e3 / BLOCKS as f64;
    Ok(Round { quiet, import: side(&import), phases, bare: side(&revm), bare_run_only_ms })
}

fn import_block(chain: &Chain, mut bytes: &[u8], phases: &mut Phases) -> Result<()> {
    let mut start = Instant::now();
    let mut lap = |phase: &mut f64| {
        *phase += start.elapsed().as_secs_f64() * 1e3 / BLOCKS as f64;
        start = Instant::now();
    };
    let block = Block::decode(&mut bytes)?;
    let root = calculate_transaction_root(&block.body.transactions);
    ensure!(root == block.header.transactions_root, "transactions root");
    let senders = recover(&block.body.transactions)?;
    let block = RecoveredBlock::new_unhashed(block, senders);
    lap(&mut phases.recover);
    let state = TimedState { inner: chain.factory.latest()?, root: AtomicU64::new(0) };
    let executed = chain.evm.process_block(block, &state)?;
    lap(&mut phases.execute);
    let root = state.root.load(Ordering::Relaxed) as f64 / 1e6 / BLOCKS as f64;
    (phases.execute, phases.root) = (phases.execute - root, phases.root + root);
    drop(state);
    chain.factory.commit_block(&executed)?;
    lap(&mut phases.commit);
    Ok(())
}

/// A state that notes how long its roots take, in nanoseconds.
#[derive(Debug)]
struct TimedState {
    inner: StateProviderBox,
    root: AtomicU64,
}

impl StateProvider for TimedState {
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>> {
        self.inner.account(address)
    }

    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256> {
        self.inner.storage(address, slot)
    }

    fn bytecode_by_hash(&self, hash: &B256) -> ProviderResult<Option<Bytecode>> {
        self.inner.bytecode_by_hash(hash)
    }

    fn block_hash(&self, number: u64) -> ProviderResult<Option<B256>> {
        self.inner.block_hash(number)
    }

    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        let start = Instant::now();
        let output = self.inner.state_root_with_updates(state);
        self.root.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        output
    }

    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof> {
        self.inner.proof(address, slots)
    }
}

/// Returns the time of the execution alone.
fn run_bare(bare: &mut BareRevm, env: alloy_evm::EvmEnv, mut bytes: &[u8]) -> Result<Duration> {
    let block = Block::decode(&mut bytes)?;
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
            Chain::create(&folder.path().join("import"), SENDERS as u64 + 100).expect("chain");
        let mut bare = BareRevm::new(&chain.holders()).expect("state");
        let transactions = chain.token_transfers(20).expect("signed");
        let built = chain.build(&transactions).expect("built").executed;
        let mut bytes = Vec::new();
        built.recovered_block.clone_block().encode(&mut bytes);
        let env = chain.evm.evm_env(built.recovered_block.header());
        import_block(&chain, &bytes, &mut Phases::default()).expect("imported");
        run_bare(&mut bare, env, &bytes).expect("the same gas");
    }
}
