//! The pool: the data behind a lock, and what surrounds it.

mod admit;
mod persist;

use crate::{
    AccountReader, BestTransactions, BestTransactionsAttributes, BlockInfo, CanonicalStateUpdate,
    JournalError, JournalLoad, JournalSync, PermissionError, PoolConfig, PoolContent, PoolResult,
    PoolSize, Reload, SenderPermissions, SubPool, TransactionOrigin, TransactionPool,
    ValidPoolTransaction,
    head::Rules,
    journal::RECORD_HEADER,
    metrics::PoolMetrics,
    state::{Changes, PoolState, Removal},
    validate,
};
use admit::Input;
use alloy_eips::{eip2718::Encodable2718, eip7594::BlobTransactionSidecarVariant};
use alloy_primitives::{Address, Bytes, TxHash};
use parking_lot::RwLock;
use persist::PoolJournal;
use peruri_chainspec::ChainSpec;
use peruri_primitives::PooledTransaction;
use rayon::prelude::*;
use std::{collections::BTreeMap, fmt, path::Path, sync::Arc};
use tokio::sync::broadcast;

/// Batches of transactions that became pending, in the order in which they did.
pub type PendingTransactionsReceiver = broadcast::Receiver<Arc<[Arc<ValidPoolTransaction>]>>;

/// The transaction pool. A clone is another handle to the same pool.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    config: PoolConfig,
    chain: Arc<ChainSpec>,
    accounts: Arc<dyn AccountReader>,
    permissions: Arc<SenderPermissions>,
    state: Arc<RwLock<PoolState>>,
    journal: PoolJournal,
    pending: broadcast::Sender<Arc<[Arc<ValidPoolTransaction>]>>,
    metrics: PoolMetrics,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Pool {
    /// An empty pool that stands on the block `head`. `accounts` reads the state of the last
    /// committed block.
    ///
    /// Metrics go to the recorder that is installed at this moment.
    pub fn new(
        config: PoolConfig,
        chain: Arc<ChainSpec>,
        accounts: Arc<dyn AccountReader>,
        permissions: Arc<SenderPermissions>,
        head: BlockInfo,
    ) -> Self {
        let state = PoolState::new(config.clone(), Rules::new(&chain, head));
        let (pending, _) = broadcast::channel(config.listener_capacity.max(1));
        Self {
            shared: Arc::new(Shared {
                state: Arc::new(RwLock::new(state)),
                journal: PoolJournal::default(),
                metrics: PoolMetrics::new(),
                config,
                chain,
                accounts,
                permissions,
                pending,
            }),
        }
    }

    /// Restores the local transactions from the journal `path` and journals them there from now on.
    /// Call it once, before others add transactions.
    ///
    /// # Errors
    /// [`JournalError`] if the file cannot be read or written, or is not a journal.
    pub fn open_journal(
        &self,
        path: &Path,
        sync: JournalSync,
    ) -> Result<JournalLoad, JournalError> {
        let load = self.restore(path)?;
        self.shared.journal.open(path, sync, &self.shared.state)?;
        self.shared.metrics.journal_bytes.set(self.shared.journal.len() as f64);
        tracing::info!(
            target: "txpool::journal",
            path = %path.display(),
            records = load.records,
            restored = load.restored,
            corrupt = load.corrupt,
            torn_bytes = load.torn_bytes,
            "transaction journal opened"
        );
        Ok(load)
    }

    /// Who may send.
    pub fn permissions(&self) -> &Arc<SenderPermissions> {
        &self.shared.permissions
    }

    /// The limits in force.
    pub fn config(&self) -> &PoolConfig {
        &self.shared.config
    }

    /// Reads the list of senders again. Where only listed senders may send, what others have in the
    /// pool is removed.
    ///
    /// # Errors
    /// [`PermissionError`]; the list in use stays in use.
    pub fn reload_senders(&self) -> Result<Reload, PermissionError> {
        let reload = self.shared.permissions.reload().inspect_err(|_| {
            self.shared.metrics.reload_errors.increment(1);
        })?;
        self.apply_permissions(reload);
        Ok(reload)
    }

    /// Replaces the senders that are allowed whatever the file says (validators, log sources).
    pub fn set_always_allowed(&self, senders: impl IntoIterator<Item = Address>) {
        self.shared.permissions.set_always(senders);
        self.reclassify();
    }

    /// Looks at the list's file, at most once a second.
    fn poll_permissions(&self) {
        match self.shared.permissions.reload_if_changed() {
            Ok(None) => {}
            Ok(Some(reload)) => self.apply_permissions(reload),
            Err(error) => {
                self.shared.metrics.reload_errors.increment(1);
                tracing::error!(
                    target: "txpool::permission",
                    %error,
                    "list of senders refused, the old one stays in use"
                );
            }
        }
    }

    fn apply_permissions(&self, reload: Reload) {
        let Reload { listed, added, removed } = reload;
        tracing::info!(
            target: "txpool::permission", listed, added, removed, "list of senders loaded"
        );
        self.reclassify();
    }

    fn reclassify(&self) {
        let permissions = &self.shared.permissions;
        let mut changes = Changes::default();
        let mut state = self.shared.state.write();
        let listed_only = self.listed_only(&state.rules());
        state.reclassify(|sender| permissions.class(sender), listed_only, &mut changes);
        drop(state);
        self.finish(changes);
    }

    /// Whether only listed senders may send: no fee keeps anybody out.
    fn listed_only(&self, rules: &Rules) -> bool {
        rules.block.next_base_fee == 0 && !self.shared.permissions.is_open()
    }

    /// What follows from a change, outside the lock: books, metrics, listeners.
    fn finish(&self, changes: Changes) {
        let Changes { promoted, removed } = changes;
        let metrics = &self.shared.metrics;
        let mut journalled = 0;
        for (tx, why) in &removed {
            if tx.origin.is_local() {
                journalled += (RECORD_HEADER + tx.encoded_length) as u64;
            }
            match why {
                Removal::Mined => metrics.mined.increment(1),
                Removal::Replaced => metrics.replaced.increment(1),
                Removal::Overflow => metrics.overflow.increment(1),
                Removal::Stale | Removal::NotAllowed | Removal::Asked => {
                    metrics.dropped.increment(1);
                }
            }
        }
        self.shared.journal.forget(journalled);
        let listened = !promoted.is_empty() && self.shared.pending.receiver_count() > 0;
        let state = self.shared.state.read();
        let size = state.size();
        let pending: Vec<_> = match listened {
            true => promoted.into_iter().filter(|tx| state.is_pending(tx)).collect(),
            false => Vec::new(),
        };
        drop(state);
        metrics.set_size(&size);
        if !pending.is_empty() {
            // An error says that the last listener has just gone.
            let _ = self.shared.pending.send(pending.into());
        }
    }

    fn remove_with(
        &self,
        hashes: &[TxHash],
        mut remove: impl FnMut(
            &mut PoolState,
            &TxHash,
            &mut Changes,
        ) -> Option<Arc<ValidPoolTransaction>>,
    ) -> Vec<Arc<ValidPoolTransaction>> {
        let mut changes = Changes::default();
        let mut state = self.shared.state.write();
        let removed =
            hashes.iter().filter_map(|hash| remove(&mut state, hash, &mut changes)).collect();
        drop(state);
        self.finish(changes);
        removed
    }
}

impl TransactionPool for Pool {
    fn add_raw_transactions(
        &self,
        origin: TransactionOrigin,
        raw: Vec<Bytes>,
    ) -> Vec<PoolResult<TxHash>> {
        let config = &self.shared.config;
        let inputs: Vec<PoolResult<Input>> = if raw.len() < admit::PARALLEL_FROM {
            raw.into_iter().map(|raw| Input::decode(raw, config)).collect()
        } else {
            let raw = raw.into_par_iter().with_min_len(admit::PARALLEL_PART);
            raw.map(|raw| Input::decode(raw, config)).collect()
        };
        self.admit(origin, inputs)
    }

    fn add_transactions(
        &self,
        origin: TransactionOrigin,
        transactions: Vec<PooledTransaction>,
    ) -> Vec<PoolResult<TxHash>> {
        let config = &self.shared.config;
        let inputs = transactions.into_iter().map(|tx| Input::check(tx, config)).collect();
        self.admit(origin, inputs)
    }

    fn add_raw_transaction(&self, origin: TransactionOrigin, raw: Bytes) -> PoolResult<TxHash> {
        let results = self.admit(origin, vec![Input::decode(raw, &self.shared.config)]);
        results.into_iter().next().unwrap_or_else(|| {
            let kind = crate::PoolErrorKind::AccountRead("no result".to_owned());
            Err(crate::PoolError::new(TxHash::ZERO, kind))
        })
    }

    fn best_transactions(&self) -> BestTransactions {
        BestTransactions::new(self.shared.state.clone(), None)
    }

    fn best_transactions_with_attributes(
        &self,
        attributes: BestTransactionsAttributes,
    ) -> BestTransactions {
        BestTransactions::new(self.shared.state.clone(), Some(attributes))
    }

    fn get(&self, hash: &TxHash) -> Option<Arc<ValidPoolTransaction>> {
        self.shared.state.read().get(hash).cloned()
    }

    fn get_all(&self, hashes: &[TxHash]) -> Vec<Option<Arc<ValidPoolTransaction>>> {
        let state = self.shared.state.read();
        hashes.iter().map(|hash| state.get(hash).cloned()).collect()
    }

    fn contains(&self, hash: &TxHash) -> bool {
        self.shared.state.read().get(hash).is_some()
    }

    fn get_pooled_transaction(&self, hash: &TxHash) -> Option<PooledTransaction> {
        let state = self.shared.state.read();
        let tx = state.get(hash)?.clone();
        let sidecar = state.sidecar(hash).cloned();
        drop(state);
        validate::join_sidecar(tx.transaction.inner().clone(), sidecar.as_deref())
    }

    fn get_blob_sidecar(&self, hash: &TxHash) -> Option<Arc<BlobTransactionSidecarVariant>> {
        self.shared.state.read().sidecar(hash).cloned()
    }

    fn status(&self) -> PoolSize {
        self.shared.state.read().size()
    }

    fn content(&self) -> PoolContent {
        self.shared.state.read().content()
    }

    fn content_from(
        &self,
        sender: &Address,
    ) -> (BTreeMap<u64, Arc<ValidPoolTransaction>>, BTreeMap<u64, Arc<ValidPoolTransaction>>) {
        let state = self.shared.state.read();
        state.sender(sender).map(|entry| entry.content()).unwrap_or_default()
    }

    fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        self.shared.state.read().sender(sender).map(|entry| entry.pending_nonce())
    }

    fn pending_transactions_listener(&self) -> PendingTransactionsReceiver {
        self.shared.pending.subscribe()
    }

    fn lane_due(&self, entered_by: u64) -> Vec<Arc<ValidPoolTransaction>> {
        self.shared.state.read().lane_due(entered_by)
    }

    fn lane_reverted(&self, hashes: &[TxHash]) {
        if hashes.is_empty() {
            return;
        }
        let mut state = self.shared.state.write();
        hashes.iter().for_each(|hash| state.lane_reverted(hash));
    }

    fn remove_transactions(&self, hashes: &[TxHash]) -> Vec<Arc<ValidPoolTransaction>> {
        self.remove_with(hashes, |state, hash, changes| state.remove(hash, Removal::Asked, changes))
    }

    fn evict_transactions(&self, hashes: &[TxHash]) -> Vec<Arc<ValidPoolTransaction>> {
        self.shared.metrics.evicted.increment(hashes.len() as u64);
        for hash in hashes {
            tracing::warn!(target: "txpool", %hash, "transaction evicted: it broke block building");
        }
        self.remove_with(hashes, PoolState::evict)
    }

    fn on_canonical_state_change(&self, update: CanonicalStateUpdate) {
        let rules = Rules::new(&self.shared.chain, update.block);
        let mut changes = Changes::default();
        self.shared.state.write().update(rules, update, &mut changes);
        self.finish(changes);
        self.poll_permissions();
    }

    fn block_info(&self) -> BlockInfo {
        self.shared.state.read().rules().block
    }
}

impl PoolState {
    /// Whether `tx` itself is in the pool, and pending.
    fn is_pending(&self, tx: &Arc<ValidPoolTransaction>) -> bool {
        self.sender(tx.sender_ref())
            .and_then(|entry| entry.slots.get(&tx.nonce()))
            .is_some_and(|slot| slot.sub == SubPool::Pending && slot.tx.hash == tx.hash)
    }
}

/// Length of a pooled transaction's EIP-2718 encoding in bytes.
fn encoded_length(tx: &PooledTransaction) -> usize {
    tx.encode_2718_len()
}
