//! The workers beside execution: senders before it, commits behind it.

use super::recover;
use crate::EngineError;
use peruri_chainspec::ChainSpec;
use peruri_primitives::{Block, RecoveredBlock};
use peruri_storage::{CandidateChain, ExecutedBlock, ProviderFactory};
use reth_primitives_traits::Block as _;
use std::sync::{
    Arc,
    mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
};

/// Blocks that are committed with one sync.
const BLOCKS_PER_COMMIT: usize = 64;
/// Transactions in such blocks after which they are committed.
const TRANSACTIONS_PER_COMMIT: usize = 8_192;
/// Such groups of blocks that may wait while one is being committed.
const WAITING_GROUPS: usize = 1;

/// Recovers the senders of `blocks` and hands them on, until the other side has had enough.
pub(super) fn recover_ahead<E: Into<EngineError>>(
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

/// The two ends of the line to the committed chain.
pub(super) fn commit_line(provider: &ProviderFactory) -> (Uncommitted, Committer) {
    let (sender, groups) = sync_channel(WAITING_GROUPS);
    let (done, committed) = channel();
    let uncommitted = Uncommitted {
        chain: CandidateChain::default(),
        group: Vec::new(),
        transactions: 0,
        groups: Some(sender),
        committed,
    };
    (uncommitted, Committer { provider: provider.clone(), groups, done })
}

/// Executed blocks on their way to the database.
pub(super) struct Uncommitted {
    chain: CandidateChain,
    /// The newest blocks of the chain, not handed over yet.
    group: Vec<ExecutedBlock>,
    transactions: usize,
    /// `None` when everything is handed over.
    groups: Option<SyncSender<Vec<ExecutedBlock>>>,
    committed: Receiver<usize>,
}

/// The committer has ended; its result says why.
pub(super) struct CommitterGone;

impl Uncommitted {
    /// The blocks on top of the committed chain.
    pub(super) fn chain(&mut self) -> &CandidateChain {
        for count in self.committed.try_iter() {
            self.chain.drop_oldest(count);
        }
        &self.chain
    }

    /// Adds the next block. Waits while too many are on their way.
    pub(super) fn push(&mut self, block: ExecutedBlock) -> Result<(), CommitterGone> {
        let count = block.recovered_block.body().transactions.len();
        self.transactions = self.transactions.saturating_add(count);
        self.chain.push(Arc::new(block.clone()));
        self.group.push(block);
        let full = self.group.len() >= BLOCKS_PER_COMMIT;
        if full || self.transactions >= TRANSACTIONS_PER_COMMIT { self.hand_over() } else { Ok(()) }
    }

    /// Waits until all blocks are in the database.
    pub(super) fn settle(&mut self) -> Result<(), CommitterGone> {
        if !self.group.is_empty() {
            self.hand_over()?;
        }
        while !self.chain.blocks().is_empty() {
            let count = self.committed.recv().map_err(|_| CommitterGone)?;
            self.chain.drop_oldest(count);
        }
        Ok(())
    }

    /// Hands over what is left and closes the line.
    pub(super) fn finish(&mut self) {
        if !self.group.is_empty() {
            // If the committer is gone, its result is the error to report.
            let _ = self.hand_over();
        }
        self.groups = None;
    }

    fn hand_over(&mut self) -> Result<(), CommitterGone> {
        self.transactions = 0;
        let group = std::mem::take(&mut self.group);
        match &self.groups {
            Some(groups) => groups.send(group).map_err(|_| CommitterGone),
            None => Err(CommitterGone),
        }
    }
}

/// Commits groups of blocks, each with one sync.
pub(super) struct Committer {
    provider: ProviderFactory,
    groups: Receiver<Vec<ExecutedBlock>>,
    done: Sender<usize>,
}

impl Committer {
    /// Commits until the line is closed.
    ///
    /// # Errors
    /// The first commit that fails; nothing after it is committed.
    pub(super) fn run(self) -> Result<(), EngineError> {
        for group in self.groups {
            self.provider.commit_blocks(&group)?;
            // Nobody listens any more when the last blocks are on their way.
            let _ = self.done.send(group.len());
        }
        Ok(())
    }
}
