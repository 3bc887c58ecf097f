//! Block import: full validation, execution, commit.

use crate::EngineError;
use peruri_chainspec::ChainSpec;
use peruri_evm::PeruriEvmConfig;
use peruri_primitives::{Block, RecoveredBlock, SealedBlock, SealedHeader};
use peruri_storage::{ExecutedBlock, ProviderFactory};
use peruri_validation::{
    Clock, FullConsensus, IbftConsensus, StoredValidators, SystemClock, recover_block,
};
use reth_primitives_traits::Block as _;
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

/// Blocks that are checked before they are committed with one sync.
const BLOCKS_PER_COMMIT: usize = 64;
/// Transactions in such blocks after which they are committed.
const TRANSACTIONS_PER_COMMIT: usize = 16_384;
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
        self.check_on(block, &parent, &[])
    }

    /// [`check`](Self::check) for a block that this node sealed itself: its time is not held against
    /// the clock, which may have been set back since.
    ///
    /// # Errors
    /// As [`check`](Self::check); [`EngineError::NotIbft2`] on a chain that nobody seals.
    pub(crate) fn check_own(&self, block: Block) -> Result<ExecutedBlock, EngineError> {
        let schedule = self.chain_spec.ibft2().ok_or(EngineError::NotIbft2)?;
        let validators = StoredValidators::new(self.provider.clone(), Arc::new(schedule.clone()));
        let clock = NotBefore(block.header.timestamp);
        let consensus = IbftConsensus::new(self.chain_spec.clone(), Arc::new(validators))
            .with_clock(Arc::new(clock));
        Self { consensus: Arc::new(consensus), ..self.clone() }.check(block)
    }

    /// Imports blocks in ascending order, from a file for instance. Senders are recovered on other
    /// cores ahead of execution; several blocks share one synced batch. Blocks that the database holds
    /// are skipped. `progress` is told the number of each block that was checked.
    ///
    /// # Errors
    /// The first block that is unreadable or breaks a rule; all blocks before it are committed.
    pub fn import<E: Into<EngineError> + Send>(
        &self,
        blocks: impl Iterator<Item = Result<Block, E>> + Send,
        mut progress: impl FnMut(u64),
    ) -> Result<ImportSummary, EngineError> {
        let (sender, receiver) = sync_channel(RECOVERED_AHEAD);
        thread::scope(|scope| {
            scope.spawn(|| recover_ahead(&self.chain_spec, blocks, sender));
            self.import_recovered(receiver, &mut progress)
        })
    }

    fn import_recovered(
        &self,
        blocks: Receiver<Result<RecoveredBlock, EngineError>>,
        progress: &mut impl FnMut(u64),
    ) -> Result<ImportSummary, EngineError> {
        let mut summary = ImportSummary::default();
        let mut parent = self.provider.last_header()?;
        let mut uncommitted: Vec<Arc<ExecutedBlock>> = Vec::new();
        let mut failure = None;
        for block in blocks {
            let checked = block.and_then(|block| self.check_next(block, &parent, &uncommitted));
            match checked {
                Ok(None) => summary.known = summary.known.saturating_add(1),
                Ok(Some(block)) => {
                    let header = block.recovered_block.clone_sealed_header();
                    summary.count(&block);
                    progress(header.number);
                    parent = header;
                    uncommitted.push(Arc::new(block));
                    if is_full(&uncommitted) {
                        self.commit(&mut uncommitted)?;
                    }
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        self.commit(&mut uncommitted)?;
        failure.map_or(Ok(summary), Err)
    }

    /// Checks the block after `parent`; `None` if the database holds it.
    fn check_next(
        &self,
        block: RecoveredBlock,
        parent: &SealedHeader,
        uncommitted: &[Arc<ExecutedBlock>],
    ) -> Result<Option<ExecutedBlock>, EngineError> {
        let number = block.header().number;
        if number <= parent.number && self.provider.block_hash(number)? == Some(block.hash()) {
            return Ok(None);
        }
        self.check_on(block, parent, uncommitted).map(Some)
    }

    fn check_on(
        &self,
        block: RecoveredBlock,
        parent: &SealedHeader,
        uncommitted: &[Arc<ExecutedBlock>],
    ) -> Result<ExecutedBlock, EngineError> {
        let number = block.header().number;
        let header = block.clone_sealed_header();
        self.consensus
            .validate_header(&header)
            .and_then(|()| self.consensus.validate_header_against_parent(&header, parent))
            .and_then(|()| self.consensus.validate_block_pre_execution(block.sealed_block()))
            .map_err(|source| EngineError::Refused { number, source })?;
        let state = self.provider.overlay(parent.hash(), uncommitted.to_vec())?;
        self.evm_config
            .process_block(block, &*state)
            .map_err(|source| EngineError::Execution { number, source })
    }

    fn commit(&self, blocks: &mut Vec<Arc<ExecutedBlock>>) -> Result<(), EngineError> {
        if !blocks.is_empty() {
            let batch: Vec<ExecutedBlock> = blocks.drain(..).map(Arc::unwrap_or_clone).collect();
            self.provider.commit_blocks(&batch)?;
        }
        Ok(())
    }
}

/// The machine's clock, but never before a time (seconds).
#[derive(Debug)]
struct NotBefore(u64);

impl Clock for NotBefore {
    fn unix_seconds(&self) -> u64 {
        SystemClock.unix_seconds().max(self.0)
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

fn is_full(blocks: &[Arc<ExecutedBlock>]) -> bool {
    let transactions: usize =
        blocks.iter().map(|block| block.recovered_block.body().transactions.len()).sum();
    blocks.len() >= BLOCKS_PER_COMMIT || transactions >= TRANSACTIONS_PER_COMMIT
}

/// Recovers the senders of `blocks` and hands them on, until the other side has had enough.
fn recover_ahead<E: Into<EngineError>>(
    chain_spec: &ChainSpec,
    blocks: impl Iterator<Item = Result<Block, E>>,
    sender: SyncSender<Result<RecoveredBlock, EngineError>>,
) {
    for block in blocks {
        let recovered =
            block.map_err(Into::into).and_then(|block| recover(chain_spec, block.seal_slow()));
        // A closed channel means that the import failed on an earlier block.
        if sender.send(recovered).is_err() {
            return;
        }
    }
}

fn recover(chain_spec: &ChainSpec, block: SealedBlock) -> Result<RecoveredBlock, EngineError> {
    let number = block.header().number;
    recover_block(chain_spec, block).map_err(|source| EngineError::Refused { number, source })
}
