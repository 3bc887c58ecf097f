//! One source: everything that decides about its numbers, in one place and without tasks or clocks.
//!
//! A [`Core`] is owned by one thread. Each call that changes something makes it durable before it
//! returns; a crash between any two writes is survivable, and that is what the tests of this module
//! do to it. Order of writes:
//!
//! | step | what is synced before the next one |
//! |---|---|
//! | accept | the mark, if the numbers pass its highest; the rows; then callers are answered |
//! | seal | the signed bytes and what is closed as a duplicate; the mark; then the bytes are released |
//! | block | rows, progress and height in one batch; then completions are shown |
//! | export | the mark, which ends signing for good; the row that says so; then the file is written |
//! | take over | the mark of the file and of this node; all rows of the file and what follows from it |
//! | start | the inbox's session; the mark with the same session; then numbers are given out |
//!
//! **Older than the mark.** The inbox counts starts before the mark does, and the mark holds the
//! highest number of the inbox when it was written. An inbox whose session or highest number is below
//! the mark's, or that lacks the mark's transaction while its nonce is open, was restored
//! ([`Restore`](crate::rows::Restore)). After a crash, numbers between the inbox's highest and the
//! mark's were raised ahead of use and told to nobody; after a restore they may have been, and are
//! lost.

mod accept;
mod adopt;
mod block;
mod close;
mod dead;
mod export;
mod handover;
mod open;
mod reconcile;
mod seal;

#[cfg(test)]
pub(crate) mod tests;

pub use accept::{Accepted, Origin, Request};

use crate::{
    SourceKey, StopReason,
    chain::{ChainView, Lane, Terms},
    mark::MarkStore,
    rows::{Progress, Restore, RowStore, Sealed},
};
use alloy_primitives::B256;
use std::{collections::VecDeque, sync::Arc};

/// Most transactions that are sealed and not included, and most bytes of them: what the lane holds of
/// one source.
const MOST_SEALED: usize = 1_024;
const MOST_SEALED_BYTES: usize = 16 << 20;

/// What does not change while a source runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Chain id.
    pub chain_id: u64,
    /// Genesis hash.
    pub genesis: B256,
    /// The log.
    pub log: B256,
    /// Number of the source.
    pub source: u32,
    /// Its key.
    pub key: SourceKey,
    /// Most entries of one transaction.
    pub batch_max: usize,
    /// Most rows that are accepted and not included.
    pub inbox_mark: u64,
    /// By how much a queue may exceed the mark: what its broker has delivered already.
    pub prefetch: u64,
    /// An activity older than this is late, ms.
    pub late_after_ms: u64,
    /// What a caller is told to wait when the inbox is full, ms.
    pub retry_after_ms: u64,
}

impl Settings {
    pub(crate) const fn terms(&self) -> Terms<'_> {
        Terms { key: &self.key, chain_id: self.chain_id, log: self.log, source: self.source }
    }
}

/// One source.
pub struct Core {
    settings: Settings,
    rows: Arc<dyn RowStore>,
    mark: Box<dyn MarkStore>,
    chain: Arc<dyn ChainView>,
    lane: Arc<dyn Lane>,
    /// Highest number in the inbox.
    highest: u64,
    /// `None` until the chain was read for the first time.
    progress: Option<Progress>,
    /// The newest block that was seen, which may be ahead of the one in `progress`'s row.
    seen: u64,
    /// Transactions that are not included, by nonce without gaps from `progress.nonce` on.
    sealed: VecDeque<Sealed>,
    restore: Option<Restore>,
    /// The source was handed over: nothing is accepted or signed here, blocks are read on.
    exported: bool,
    /// Nonces below this one may be signed anew: an operator gave up what was signed for them.
    granted: u64,
    stopped: Option<StopReason>,
    /// The pool had no room since the last block.
    lane_full: bool,
}

/// What others may see of a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Highest number that was given out.
    pub highest: u64,
    /// Numbers below this one are included.
    pub completed_end: u64,
    /// Numbers below this one are sealed.
    pub sealed_end: u64,
    /// First number, end and hash of each transaction that is not included.
    pub sealed: Arc<[(u64, u64, B256)]>,
    /// The newest block that was read.
    pub height: u64,
    /// The pool had no room since the last block.
    pub lane_full: bool,
    /// Why nothing is accepted.
    pub stopped: Option<StopReason>,
}

impl Core {
    /// Why nothing is accepted.
    pub const fn stopped(&self) -> Option<&StopReason> {
        self.stopped.as_ref()
    }

    /// Numbers that are neither sealed nor included.
    pub fn unsealed(&self) -> u64 {
        (self.highest + 1).saturating_sub(self.sealed_end())
    }

    /// The newest block that was read and what follows from it is durable.
    pub fn finished_height(&self) -> Option<u64> {
        self.progress.map(|progress| progress.height)
    }

    /// Whether the inbox is older than the mark, so that others know what this one has forgotten.
    pub const fn is_restored(&self) -> bool {
        self.restore.is_some()
    }

    /// What others may see now.
    pub fn snapshot(&self) -> Snapshot {
        let ranges = self.sealed.iter().map(|it| (it.first_seq, it.end(), it.hash));
        Snapshot {
            highest: self.highest,
            completed_end: self.completed_end(),
            sealed_end: self.sealed_end(),
            sealed: ranges.collect(),
            height: self.seen,
            lane_full: self.lane_full,
            stopped: self.stopped.clone(),
        }
    }

    /// Stops for good after storage has failed: what is durable is known after a restart.
    pub fn fail(&mut self) {
        self.stopped = Some(StopReason::Failed);
    }

    /// Numbers below this one are included.
    fn completed_end(&self) -> u64 {
        self.progress.map_or(1, |progress| progress.next_seq)
    }

    /// Numbers below this one are sealed or included.
    fn sealed_end(&self) -> u64 {
        self.sealed.back().map_or_else(|| self.completed_end(), Sealed::end)
    }

    /// Offers what is sealed and not included, in order, until the pool is full.
    fn offer_sealed(&mut self) {
        if self.exported {
            return;
        }
        let full = |tx: &Sealed| self.lane.offer(&tx.raw) == crate::chain::Offered::Full;
        self.lane_full = self.sealed.iter().any(full);
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}
