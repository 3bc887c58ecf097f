//! Handles and look-ups that all methods share.

use crate::{
    RpcError, RpcLimits,
    cache::{BlockCache, CachedBlock},
    calls::{CallPool, Deadline},
    error::RpcResult,
    head_state::HeadState,
    send::SendQueue,
    source::{NodeStatus, PendingBlockSource},
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks};
use alloy_primitives::B256;
use peruri_activity::ActivityHandle;
use peruri_chainspec::ChainSpec;
use peruri_engine::EngineHandle;
use peruri_evm::PeruriEvmConfig;
use peruri_network::NetworkHandle;
use peruri_primitives::{RecoveredBlock, SealedHeader};
use peruri_storage::{ExecutedBlock, ProviderFactory, StateProviderBox};
use peruri_txpool::TransactionPool;
use std::{fmt, ops::RangeInclusive, sync::Arc};

/// What the methods answer from.
#[derive(Clone)]
pub struct RpcHandles {
    /// The store.
    pub factory: ProviderFactory,
    /// The pool.
    pub pool: Arc<dyn TransactionPool>,
    /// How this chain executes.
    pub evm_config: PeruriEvmConfig,
    /// The block that would be built now.
    pub pending: Arc<dyn PendingBlockSource>,
    /// State of network and engine.
    pub status: Arc<dyn NodeStatus>,
    /// Consensus; `None` on a chain without it.
    pub engine: Option<EngineHandle>,
    /// The network; `None` if it is switched off.
    pub network: Option<NetworkHandle>,
    /// The activity mirror; `None` where the node has none.
    pub activity: Option<ActivityHandle>,
    /// Name and version, as `web3_clientVersion` gives them.
    pub client_version: String,
}

impl fmt::Debug for RpcHandles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcHandles").field("factory", &self.factory).finish_non_exhaustive()
    }
}

/// Shared state of all servers.
#[derive(Clone)]
pub(crate) struct Context(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) handles: RpcHandles,
    pub(crate) limits: RpcLimits,
    pub(crate) calls: CallPool,
    pub(crate) traces: CallPool,
    pub(crate) sends: SendQueue,
    cache: BlockCache,
    head_state: HeadState,
}

impl std::ops::Deref for Context {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// A block that a state belongs to: committed or pending.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Committed(Box<SealedHeader>),
    Pending(Arc<ExecutedBlock>),
}

impl Context {
    /// Starts the queue of raw transactions; needs a tokio runtime.
    pub(crate) fn new(handles: RpcHandles, limits: RpcLimits) -> Self {
        let sends = SendQueue::spawn(handles.pool.clone(), limits.max_waiting_transactions);
        Self(Arc::new(Inner {
            calls: CallPool::calls(&limits),
            traces: CallPool::traces(&limits),
            sends,
            cache: BlockCache::new(),
            head_state: HeadState::default(),
            handles,
            limits,
        }))
    }
}

impl Context {
    /// Runs `work`, which executes blocks again, when it is its turn among the traces.
    pub(crate) async fn trace<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, Deadline) -> RpcResult<T> + Send + 'static,
    ) -> jsonrpsee::core::RpcResult<T> {
        let ctx = self.clone();
        Ok(self.traces.run(move |deadline| work(&ctx, deadline)).await?)
    }
}

impl Inner {
    pub(crate) fn factory(&self) -> &ProviderFactory {
        &self.handles.factory
    }

    pub(crate) fn chain_spec(&self) -> &ChainSpec {
        self.handles.evm_config.chain_spec()
    }

    pub(crate) fn pool(&self) -> &dyn TransactionPool {
        &*self.handles.pool
    }

    pub(crate) fn pending_block(&self) -> Option<Arc<ExecutedBlock>> {
        let pending = self.handles.pending.pending()?;
        // A candidate that was overtaken by a commit is not pending any more.
        let head = self.factory().best_block_hash().ok()?;
        (pending.parent_hash() == head).then_some(pending)
    }

    /// Bytes that an answer may have.
    pub(crate) const fn max_response(&self) -> usize {
        self.limits.max_response_bytes as usize
    }

    /// Number of a committed block by tag; `None` for `pending`.
    pub(crate) fn number_of(&self, tag: BlockNumberOrTag) -> RpcResult<Option<u64>> {
        Ok(match tag {
            BlockNumberOrTag::Number(number) => Some(number),
            BlockNumberOrTag::Earliest => Some(0),
            BlockNumberOrTag::Latest | BlockNumberOrTag::Safe | BlockNumberOrTag::Finalized => {
                Some(self.factory().best_block_number()?)
            }
            BlockNumberOrTag::Pending => None,
        })
    }

    /// Header of a committed block; the head for `pending` without a pending block.
    pub(crate) fn header(&self, id: BlockId) -> RpcResult<Option<SealedHeader>> {
        let number = match id {
            BlockId::Hash(hash) => {
                return Ok(self.factory().sealed_header_by_hash(hash.block_hash)?);
            }
            BlockId::Number(BlockNumberOrTag::Pending) => {
                if let Some(pending) = self.pending_block() {
                    return Ok(Some(pending.recovered_block.clone_sealed_header()));
                }
                return Ok(Some(self.factory().last_header()?));
            }
            BlockId::Number(BlockNumberOrTag::Number(number)) => number,
            BlockId::Number(BlockNumberOrTag::Earliest) => 0,
            BlockId::Number(_) => return Ok(Some(self.factory().last_header()?)),
        };
        Ok(self.factory().sealed_header(number)?)
    }

    /// The block whose state is meant; the head by default.
    pub(crate) fn target(&self, id: Option<BlockId>) -> RpcResult<Target> {
        let id = id.unwrap_or_default();
        if id.is_pending()
            && let Some(pending) = self.pending_block()
        {
            return Ok(Target::Pending(pending));
        }
        self.header(id)?
            .map(|header| Target::Committed(header.into()))
            .ok_or(RpcError::HeaderNotFound)
    }

    /// State after a block; the head's by default.
    pub(crate) fn state(&self, id: Option<BlockId>) -> RpcResult<StateProviderBox> {
        match id {
            None
            | Some(BlockId::Number(
                BlockNumberOrTag::Latest | BlockNumberOrTag::Safe | BlockNumberOrTag::Finalized,
            )) => Ok(self.head_state.of(self.factory(), &self.factory().last_header()?)?),
            Some(BlockId::Number(BlockNumberOrTag::Number(number))) => {
                Ok(self.factory().history_by_block_number(number)?)
            }
            id => self.state_of(&self.target(id)?),
        }
    }

    /// State after a block.
    pub(crate) fn state_of(&self, target: &Target) -> RpcResult<StateProviderBox> {
        Ok(match target {
            Target::Committed(header) => self.head_state.of(self.factory(), header)?,
            Target::Pending(block) => self.factory().overlay(block.hash(), vec![block.clone()])?,
        })
    }

    /// A committed block by number, through the cache.
    pub(crate) fn block_by_number(&self, number: u64) -> RpcResult<Option<Arc<CachedBlock>>> {
        if let Some(block) = self.cached_number(number) {
            return Ok(Some(block));
        }
        self.load(number)
    }

    /// Hash of a committed block, through the cache.
    pub(crate) fn block_hash(&self, number: u64) -> RpcResult<Option<B256>> {
        if let Some(hash) = self.cache.hash(number) {
            return Ok(Some(hash));
        }
        let hash = self.factory().block_hash(number)?;
        if let Some(hash) = hash {
            self.cache.insert_hash(number, hash);
        }
        Ok(hash)
    }

    fn cached_number(&self, number: u64) -> Option<Arc<CachedBlock>> {
        self.cache.hash(number).and_then(|hash| self.cache.get(&hash))
    }

    /// A committed block by hash, through the cache.
    pub(crate) fn block_by_hash(&self, hash: B256) -> RpcResult<Option<Arc<CachedBlock>>> {
        if let Some(block) = self.cache.get(&hash) {
            return Ok(Some(block));
        }
        match self.factory().block_number(hash)? {
            Some(number) => self.load(number),
            None => Ok(None),
        }
    }

    /// A committed block only if the cache has it.
    pub(crate) fn cached_block(&self, id: BlockId) -> Option<Arc<CachedBlock>> {
        match id {
            BlockId::Hash(hash) => self.cache.get(&hash.block_hash),
            BlockId::Number(tag) => self.cached_number(self.number_of(tag).ok()??),
        }
    }

    /// A block by any id; the pending one is not cached.
    pub(crate) fn block(&self, id: BlockId) -> RpcResult<Option<Arc<CachedBlock>>> {
        match id {
            BlockId::Hash(hash) => self.block_by_hash(hash.block_hash),
            BlockId::Number(tag) => match self.number_of(tag)? {
                Some(number) => self.block_by_number(number),
                None => match self.pending_block() {
                    Some(pending) => Ok(Some(self.executed(&pending))),
                    None => self.block_by_number(self.factory().best_block_number()?),
                },
            },
        }
    }

    /// The block and index of a committed transaction.
    pub(crate) fn locate(&self, hash: B256) -> RpcResult<Option<(Arc<CachedBlock>, usize)>> {
        let Some((number, index)) = self.factory().transaction_location(hash)? else {
            return Ok(None);
        };
        let Some(block) = self.block_by_number(number)? else { return Ok(None) };
        Ok(usize::try_from(index).ok().map(|index| (block, index)))
    }

    /// The blocks of a query that may span `limit` of them; `what` is the limit's name. Both ends
    /// default to the head.
    pub(crate) fn block_range(
        &self,
        from: Option<BlockNumberOrTag>,
        to: Option<BlockNumberOrTag>,
        what: &'static str,
        limit: u64,
    ) -> RpcResult<RangeInclusive<u64>> {
        let head = self.factory().best_block_number()?;
        let number = |tag: Option<BlockNumberOrTag>| match tag {
            Some(tag) => Ok(self.number_of(tag)?.unwrap_or(head)),
            None => Ok::<_, RpcError>(head),
        };
        let (from, to) = (number(from)?, number(to)?);
        if from > to {
            return Err(RpcError::invalid("invalid block range params"));
        }
        if to > head {
            return Err(RpcError::invalid("block range extends beyond current head block"));
        }
        let got = to - from + 1;
        if got > limit {
            return Err(RpcError::Limit { what, got, limit });
        }
        Ok(from..=to)
    }

    fn load(&self, number: u64) -> RpcResult<Option<Arc<CachedBlock>>> {
        let Some(block) = self.factory().recovered_block(number)? else { return Ok(None) };
        let block = Arc::new(self.wrap(block));
        self.cache.insert(block.clone());
        Ok(Some(block))
    }

    fn wrap(&self, block: Arc<RecoveredBlock>) -> CachedBlock {
        let params = self.chain_spec().blob_params_at_timestamp(block.header().timestamp);
        CachedBlock::new(block, params)
    }

    /// A block that was executed here, with its receipts; it is not put into the cache.
    pub(crate) fn executed(&self, block: &ExecutedBlock) -> Arc<CachedBlock> {
        let cached = self.wrap(block.recovered_block.clone());
        if !self.has_post_states(block.recovered_block.header().number) {
            cached.set_receipts(block.execution_output.receipts.clone(), Vec::new());
        }
        Arc::new(cached)
    }

    /// Takes a newly committed block, so that the first questions for it need no database.
    pub(crate) fn on_commit(&self, block: &ExecutedBlock) {
        self.head_state.release();
        self.cache.insert(self.executed(block));
    }

    /// Makes sure that the receipts are there.
    pub(crate) fn with_receipts(&self, block: &CachedBlock) -> RpcResult<()> {
        if block.has_receipts() {
            return Ok(());
        }
        let number = block.number();
        let receipts = self
            .factory()
            .receipts_by_block(number)?
            .ok_or_else(|| RpcError::internal(format_args!("no receipts of block {number}")))?;
        let roots = if self.has_post_states(number) && block.transaction_count() > 0 {
            self.post_states(block.block())?
        } else {
            Vec::new()
        };
        block.set_receipts(receipts, roots);
        Ok(())
    }

    /// Receipts before Byzantium carry a state root instead of a status (EIP-658).
    fn has_post_states(&self, number: u64) -> bool {
        !self.chain_spec().is_ethereum_fork_active_at_block(EthereumHardfork::Byzantium, number)
    }

    /// State roots after each transaction, by executing the block again. Only imported Ethereum
    /// chains have such blocks.
    fn post_states(&self, block: &RecoveredBlock) -> RpcResult<Vec<B256>> {
        let Some(parent) = block.header().number.checked_sub(1) else { return Ok(Vec::new()) };
        let state = self.factory().history_by_block_number(parent)?;
        let config = &self.handles.evm_config;
        let ctx = config.block_context(block.header());
        let mut session = config
            .begin(block.header(), ctx, &*state)
            .map_err(RpcError::internal)?
            .with_post_states();
        for tx in block.transactions_recovered() {
            session.execute_transaction(tx).map_err(RpcError::internal)?;
        }
        Ok(session.finish().map_err(RpcError::internal)?.post_states)
    }

    /// Runs blocking work on the blocking pool.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> RpcResult<T> + Send + 'static,
    ) -> RpcResult<T> {
        tokio::task::spawn_blocking(work).await.map_err(RpcError::internal)?
    }
}
