//! Block import: full validation, execution, commit.
//!
//! The import of many blocks is a line of three workers: senders are recovered ahead, blocks are
//! executed on top of those that are not committed yet, and several blocks at a time are committed
//! with one sync while the next ones are executed.

mod pipeline;

use crate::EngineError;
use peruri_chainspec::ChainSpec;
use peruri_evm::PeruriEvmConfig;
use peruri_primitives::{Block, RecoveredBlock, SealedBlock, SealedHeader};
use peruri_storage::{CandidateChain, ExecutedBlock, ProviderFactory};
use peruri_validation::{FullConsensus, recover_block};
use pipeline::Uncommitted;
use reth_primitives_traits::Block as _;
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

/// Blocks whose senders are recovered ahead of execution.
const RECOVERED_AHEAD: usize = 16;

/// Checks blocks of any chain as if they came from a stranger, and commits them. Blocking.
#[derive(Debug, Clone)]
pub struct BlockImporter {
    chain_spec: Arc<ChainSpec>,
    provider: ProviderFactory,
    evm_config: PeruriEvmConfig,
    consensus: Arc<dyn FullConsensus>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportSummary {
    /// Blocks that were executed and committed.
    pub imported: u64,
    /// Blocks that the database held already.
    pub known: u64,
    /// Transactions in the imported blocks.
    pub transactions: u64,
    /// Gas used by the imported blocks.
    pub gas_used: u64,
}

impl BlockImporter {
    /// An importer into `provider`.
    pub const fn new(
        chain_spec: Arc<ChainSpec>,
        provider: ProviderFactory,
        evm_config: PeruriEvmConfig,
        consensus: Arc<dyn FullConsensus>,
    ) -> Self {
        Self { chain_spec, provider, evm_config, consensus }
    }

    /// Validates and executes a child of the committed head. Nothing is committed.
    ///
    /// # Errors
    /// The broken rule, or the failure of the node.
    pub fn check(&self, block: Block) -> Result<ExecutedBlock, EngineError> {
        let parent = self.provider.last_header()?;
        let block = recover(&self.chain_spec, block.seal_slow())?;
        self.check_on(block, &parent, CandidateChain::default())
    }

    /// Imports blocks in ascending order, from a file for instance. Blocks that the database holds are
    /// skipped. `progress` is told the number of each block that was checked.
    ///
    /// # Errors
    /// The first block that is unreadable or breaks a rule; all blocks before it are committed.
    pub fn import<E: Into<EngineError> + Send>(
        &self,
        blocks: impl Iterator<Item = Result<Block, E>> + Send,
        mut progress: impl FnMut(u64),
    ) -> Result<ImportSummary, EngineError> {
        let (recovered, receiver) = sync_channel(RECOVERED_AHEAD);
        let (mut uncommitted, committer) = pipeline::commit_line(&self.provider);
        thread::scope(|scope| {
            scope.spawn(|| pipeline::recover_ahead(&self.chain_spec, blocks, recovered));
            let committer = scope.spawn(|| committer.run());
            let checked = self.check_all(receiver, &mut uncommitted, &mut progress);
            uncommitted.finish();
            match committer.join() {
                Ok(committed) => committed.and(checked),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Executes blocks in ascending order on top of each other and hands each to `deliver`, which sees to
    /// it that they are committed; it waits there while too many are not. Ends when `deliver` says so.
    ///
    /// # Errors
    /// The first block that is unreadable or breaks a rule; all blocks before it are delivered.
    pub(crate) fn execute<E: Into<EngineError> + Send>(
        &self,
        blocks: impl Iterator<Item = Result<Block, E>> + Send,
        mut deliver: impl FnMut(ExecutedBlock) -> ControlFlow<()>,
    ) -> Result<(), EngineError> {
        let (recovered, receiver) = sync_channel(RECOVERED_AHEAD);
        thread::scope(|scope| {
            scope.spawn(|| pipeline::recover_ahead(&self.chain_spec, blocks, recovered));
            let mut parent = self.provider.last_header()?;
            let mut uncommitted = CandidateChain::default();
            for block in receiver {
                let committed = self.provider.best_block_number()?;
                let stored = uncommitted.blocks().iter().filter(|it| it.number() <= committed);
                let stored = stored.count();
                if stored > 0 {
                    uncommitted.drop_oldest(stored);
                }
                let Some(block) = self.check_next(block?, &parent, &uncommitted)? else { continue };
                parent = block.recovered_block.clone_sealed_header();
                uncommitted.push(Arc::new(block.clone()));
                if deliver(block).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn check_all(
        &self,
        blocks: Receiver<Result<RecoveredBlock, EngineError>>,
        uncommitted: &mut Uncommitted,
        progress: &mut impl FnMut(u64),
    ) -> Result<ImportSummary, EngineError> {
        let mut summary = ImportSummary::default();
        let mut parent = self.provider.last_header()?;
        for block in blocks {
            let block = block?;
            // The kin of ommers is looked up in the database.
            if !block.body().ommers.is_empty() && uncommitted.settle().is_err() {
                break;
            }
            let Some(block) = self.check_next(block, &parent, uncommitted.chain())? else {
                summary.known = summary.known.saturating_add(1);
                continue;
            };
            parent = block.recovered_block.clone_sealed_header();
            summary.count(&block);
            progress(parent.number);
            if uncommitted.push(block).is_err() {
                break;
            }
        }
        Ok(summary)
    }

    /// Checks the block after `parent`; `None` if the database holds it.
    fn check_next(
        &self,
        block: RecoveredBlock,
        parent: &SealedHeader,
        uncommitted: &CandidateChain,
    ) -> Result<Option<ExecutedBlock>, EngineError> {
        let number = block.header().number;
        if number <= parent.number && self.provider.block_hash(number)? == Some(block.hash()) {
            return Ok(None);
        }
        self.check_on(block, parent, uncommitted.clone()).map(Some)
    }

    fn check_on(
        &self,
        block: RecoveredBlock,
        parent: &SealedHeader,
        uncommitted: CandidateChain,
    ) -> Result<ExecutedBlock, EngineError> {
        let number = block.header().number;
        let header = block.clone_sealed_header();
        self.consensus
            .validate_header(&header)
            .and_then(|()| self.consensus.validate_header_against_parent(&header, parent))
            .and_then(|()| self.consensus.validate_block_pre_execution(block.sealed_block()))
            .map_err(|source| EngineError::Refused { number, source })?;
        let state = self.provider.overlay(parent.hash(), uncommitted)?;
        self.evm_config
            .process_block(block, &*state)
            .map_err(|source| EngineError::Execution { number, source })
    }
}

impl ImportSummary {
    fn count(&mut self, block: &ExecutedBlock) {
        let transactions = block.recovered_block.body().transactions.len();
        self.imported = self.imported.saturating_add(1);
        self.transactions =
            self.transactions.saturating_add(u64::try_from(transactions).unwrap_or(u64::MAX));
        self.gas_used = self.gas_used.saturating_add(block.execution_output.gas_used);
    }
}

fn recover(chain_spec: &ChainSpec, block: SealedBlock) -> Result<RecoveredBlock, EngineError> {
    let number = block.header().number;
    recover_block(chain_spec, block).map_err(|source| EngineError::Refused { number, source })
}
