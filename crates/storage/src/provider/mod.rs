//! The provider: opening, state views, commits, readers.

mod account_history;
mod changes;
mod commit;
mod genesis;
mod logs;
mod prune;
mod readers;
mod records;
mod rows;
mod tries;

use std::{path::Path, sync::Arc};

use alloy_primitives::{B256, BlockHash, BlockNumber};
use parking_lot::{Mutex, RwLock};
use peruri_chainspec::ChainSpec;
use peruri_primitives::SealedHeader;
use tokio::sync::broadcast;

pub use account_history::Direction;

use crate::{
    CandidateChain, CanonStateNotification, DbOptions, ExecutedBlock, Head, ProviderError,
    ProviderResult, StateProviderBox,
    codecs::{blocks, keys, meta},
    db::{Column, Db},
    extension::Heights,
    state::{Caches, CommittedState, OverlayState},
};

/// Notifications a slow subscriber may lag behind before it is told that it lost some.
const NOTIFICATION_BUFFER: usize = 256;

/// Oldest blocks whose history can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Windows {
    /// Oldest block whose state can be read.
    pub state: BlockNumber,
    /// Oldest block whose trie can be walked: proofs, and roots on top of it.
    pub proofs: BlockNumber,
    /// Oldest block whose receipts are kept.
    pub receipts: BlockNumber,
}

/// The store, opened for one chain. Clones share everything.
#[derive(Debug, Clone)]
pub struct ProviderFactory {
    inner: Arc<Inner>,
}

struct Inner {
    db: Arc<Db>,
    chain_spec: Arc<ChainSpec>,
    options: DbOptions,
    /// Header of the committed head; `None` before genesis.
    head: RwLock<Option<SealedHeader>>,
    /// Held for the whole of a write to the chain's column families: there is one writer.
    writer: Mutex<()>,
    caches: Arc<Caches>,
    extension_heights: Heights,
    notifications: broadcast::Sender<CanonStateNotification>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProviderFactory")
            .field("db", &self.db)
            .field("head", &self.head.read().as_ref().map(|head| head.number))
            .finish_non_exhaustive()
    }
}

impl ProviderFactory {
    /// Opens or creates the database in `path` for a chain.
    ///
    /// # Errors
    /// The folder is locked, foreign, damaged, of another schema version, or holds another chain.
    pub fn open(
        path: impl AsRef<Path>,
        chain_spec: Arc<ChainSpec>,
        options: DbOptions,
    ) -> ProviderResult<Self> {
        let db = Db::open(path.as_ref(), &options)?;
        let extension_heights = Heights::read(&db)?;
        let factory = Self {
            inner: Arc::new(Inner {
                db,
                chain_spec,
                options,
                head: RwLock::new(None),
                writer: Mutex::new(()),
                caches: Arc::new(Caches::new(options.node_cache_bytes)),
                extension_heights,
                notifications: broadcast::Sender::new(NOTIFICATION_BUFFER),
            }),
        };
        if let Some(head) = factory.stored_head()? {
            factory.check_genesis()?;
            let header = factory
                .sealed_header(head.number)?
                .ok_or(ProviderError::BlockNotFound(head.number))?;
            if header.hash() != head.hash {
                return Err(ProviderError::HeaderMismatch {
                    number: head.number,
                    expected: head.hash,
                    got: header.hash(),
                });
            }
            *factory.inner.head.write() = Some(header);
            factory.inner.publish_trie_floor(&factory.windows()?);
        }
        Ok(factory)
    }

    /// The chain this store holds.
    pub fn chain_spec(&self) -> &Arc<ChainSpec> {
        &self.inner.chain_spec
    }

    /// Folder of the database.
    pub fn path(&self) -> &Path {
        self.inner.db.path()
    }

    /// Options the store was opened with.
    pub fn options(&self) -> &DbOptions {
        &self.inner.options
    }

    /// True after a failed write: nothing more can be committed.
    pub fn is_poisoned(&self) -> bool {
        self.inner.db.is_poisoned()
    }

    /// State of the newest committed block.
    ///
    /// # Errors
    /// The database is empty or cannot be read.
    pub fn latest(&self) -> ProviderResult<StateProviderBox> {
        Ok(Box::new(self.committed_state()?))
    }

    /// State of a committed block.
    ///
    /// # Errors
    /// [`ProviderError::BlockNotFound`] above the head, [`ProviderError::OutsideWindow`] below the
    /// state window.
    pub fn history_by_block_number(&self, number: BlockNumber) -> ProviderResult<StateProviderBox> {
        Ok(Box::new(self.committed_state_at(number)?))
    }

    /// State of a committed block.
    ///
    /// # Errors
    /// As [`history_by_block_number`](Self::history_by_block_number), and
    /// [`ProviderError::HashNotFound`].
    pub fn state_by_block_hash(&self, hash: BlockHash) -> ProviderResult<StateProviderBox> {
        let number = self.block_number(hash)?.ok_or(ProviderError::HashNotFound(hash))?;
        self.history_by_block_number(number)
    }

    /// State after block `parent_hash`, to which `candidates` lead from a committed block; some of
    /// them may have been committed meanwhile. Without candidates `parent_hash` must be committed.
    ///
    /// # Errors
    /// [`ProviderError::Disconnected`] if the candidates are not a chain that ends in `parent_hash`;
    /// [`ProviderError::HashNotFound`] if it does not begin on a committed block;
    /// [`ProviderError::OutsideWindow`] if that block's state is gone.
    pub fn overlay(
        &self,
        parent_hash: BlockHash,
        candidates: impl Into<CandidateChain>,
    ) -> ProviderResult<StateProviderBox> {
        let chain = candidates.into();
        check_connected(parent_hash, chain.blocks())?;
        let base = self.committed_state()?;
        let head = base.head().hash;
        if head == parent_hash {
            return Ok(Box::new(base));
        }
        let Some(first) = chain.blocks().first() else {
            return self.state_by_block_hash(parent_hash);
        };
        let root = first.parent_hash();
        if head == root || chain.blocks().iter().any(|block| block.hash() == head) {
            return Ok(Box::new(OverlayState::new(base, chain)));
        }
        let number = self.block_number(root)?.ok_or(ProviderError::HashNotFound(root))?;
        let base = self.committed_state_at(number)?;
        Ok(Box::new(OverlayState::new(base, chain)))
    }

    /// Told of every block after it is on disk. A subscriber that lags by more than
    /// the buffer receives `RecvError::Lagged` and reads the rest from the store.
    pub fn subscribe_to_canonical_state(&self) -> broadcast::Receiver<CanonStateNotification> {
        self.inner.notifications.subscribe()
    }

    /// Oldest blocks whose state, proofs and receipts can be read now.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn windows(&self) -> ProviderResult<Windows> {
        match self.inner.db.get(Column::Meta, meta::WINDOWS)? {
            Some(row) => meta::decode_windows(&row),
            None => Ok(Windows::default()),
        }
    }

    /// Keeps other writers of the chain's column families out.
    pub(crate) fn write_lock(&self) -> parking_lot::MutexGuard<'_, ()> {
        self.inner.writer.lock()
    }

    pub(crate) fn db(&self) -> &Arc<Db> {
        &self.inner.db
    }

    /// How far extensions have come.
    pub(crate) fn extension_heights(&self) -> &Heights {
        &self.inner.extension_heights
    }

    /// What views keep in memory.
    pub(crate) fn caches(&self) -> &Caches {
        &self.inner.caches
    }

    pub(crate) fn committed_state(&self) -> ProviderResult<CommittedState> {
        CommittedState::latest(&self.inner.db, &self.inner.caches)
    }

    fn committed_state_at(&self, number: BlockNumber) -> ProviderResult<CommittedState> {
        CommittedState::at_number(&self.inner.db, &self.inner.caches, number)
    }

    fn stored_head(&self) -> ProviderResult<Option<Head>> {
        let row = self.inner.db.get(Column::Meta, meta::HEAD)?;
        row.map(|row| meta::decode_head(&row)).transpose()
    }

    fn stored_genesis(&self) -> ProviderResult<Option<B256>> {
        let row = self.inner.db.get(Column::Meta, meta::GENESIS)?;
        row.map(|row| meta::decode_hash(&row)).transpose()
    }

    /// The stored chain must be the one of the chain specification.
    fn check_genesis(&self) -> ProviderResult<()> {
        let found = self.stored_genesis()?.ok_or(ProviderError::NotInitialised)?;
        let expected = self.inner.chain_spec.genesis_hash();
        if found == expected {
            Ok(())
        } else {
            Err(ProviderError::GenesisMismatch { expected, found })
        }
    }

    fn header_row(&self, number: BlockNumber) -> ProviderResult<Option<SealedHeader>> {
        let row = self.inner.db.get(Column::Headers, keys::number(number))?;
        row.map(|row| blocks::decode_header(&row)).transpose()
    }
}

impl Inner {
    /// Lets compaction drop node versions nobody may read any more. The slack covers proofs that are
    /// being made on a view taken a while ago.
    fn publish_trie_floor(&self, windows: &Windows) {
        const SLACK: u64 = 64;
        if self.options.history.proofs.is_some() {
            self.db.set_trie_floor(windows.proofs.saturating_sub(SLACK));
        }
    }
}

fn check_connected(tip: BlockHash, blocks: &[Arc<ExecutedBlock>]) -> ProviderResult<()> {
    for pair in blocks.windows(2) {
        if let [parent, child] = pair
            && child.parent_hash() != parent.hash()
        {
            return Err(ProviderError::Disconnected { expected: parent.hash(), got: child.hash() });
        }
    }
    match blocks.last() {
        Some(last) if last.hash() != tip => {
            Err(ProviderError::Disconnected { expected: tip, got: last.hash() })
        }
        _ => Ok(()),
    }
}
