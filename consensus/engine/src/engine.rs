//! The engine of a lone validator: one block after the other, each durable before it is shown.

use crate::{EngineError, Proposer, SignStore, clock};
use peruri_chainspec::ChainSpec;
use peruri_ibft2::{BlockPeriod, Ibft2Schedule, ValidatorSet};
use peruri_primitives::SealedHeader;
use peruri_storage::{CommitExtras, ExecutedBlock, ProviderFactory, RoundRecord, free_space};
use peruri_txpool::{CanonicalStateUpdate, PendingTransactionsReceiver, TransactionPool};
use peruri_validation::ValidatorSource;
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// What the engine works with.
#[derive(Debug)]
pub struct EngineParts {
    /// The chain.
    pub chain_spec: Arc<ChainSpec>,
    /// Its `config.ibft2`.
    pub schedule: Arc<Ibft2Schedule>,
    /// The database.
    pub provider: ProviderFactory,
    /// Validator sets.
    pub validators: Arc<dyn ValidatorSource>,
    /// Builds and seals.
    pub proposer: Arc<Proposer>,
    /// What was signed, already resumed from ([`resume`](crate::resume)).
    pub sign_store: SignStore,
    /// Folder whose file system must have [`Self::min_free_bytes`].
    pub data_dir: PathBuf,
    /// Free bytes below which nothing is proposed.
    pub min_free_bytes: u64,
}

/// Produces the blocks of a chain whose only validator is this node.
///
/// A block goes through five steps, each finished before the next begins: build and check, seal,
/// make the sealed block durable in the sign state, commit it to the database (one synced batch),
/// announce it. After a crash between any two of them [`resume`](crate::resume) goes on with the
/// block that was signed, so that no second block of its height is ever sealed.
pub struct Engine {
    parts: EngineParts,
    pool: Arc<dyn TransactionPool>,
    new_transactions: PendingTransactionsReceiver,
    /// When the head was committed or found, Unix milliseconds.
    head_imported_ms: u64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine on the head of the database.
    pub fn new(parts: EngineParts, pool: Arc<dyn TransactionPool>) -> Self {
        let new_transactions = pool.pending_transactions_listener();
        Self { parts, pool, new_transactions, head_imported_ms: clock::unix_millis() }
    }

    /// Produces blocks until `shutdown` fires; the block in hand is finished then.
    ///
    /// # Errors
    /// A failure after which nothing more may be signed: of the sign state, of the database's write,
    /// or of the key.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), EngineError> {
        loop {
            let parent = self.parts.provider.last_header()?;
            let state =
                self.parts.validators.state_after(&parent).map_err(EngineError::Validators)?;
            let validators = state.validators().clone();
            if !self.is_alone(&validators) {
                shutdown.cancelled().await;
                return Ok(());
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                () = self.turn(&parent) => {}
            }
            let retry_after = self.period(&parent);
            let (engine, produced) = tokio::task::spawn_blocking(move || {
                let produced = self.produce(&parent, &validators);
                (self, produced)
            })
            .await
            .map_err(|error| EngineError::Task { name: "produce", reason: error.to_string() })?;
            self = engine;
            match produced {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) if error.forbids_signing() => return Err(error),
                Err(error) => {
                    error!(target: "consensus::engine", %error, "no block produced, trying again");
                }
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                () = sleep(retry_after) => {}
            }
        }
    }

    /// Whether this node is the whole validator set.
    fn is_alone(&self, validators: &ValidatorSet) -> bool {
        let own = self.parts.proposer.signer().address();
        let alone = validators.len() == 1 && validators.contains(&own);
        if !alone {
            warn!(
                target: "consensus::engine",
                %own,
                validators = validators.len(),
                "this node is not the only validator: it serves the chain and produces no blocks"
            );
        }
        alone
    }

    fn period(&self, parent: &SealedHeader) -> Duration {
        let number = parent.number.saturating_add(1);
        let period = self.parts.schedule.params(number, parent.timestamp).period;
        Duration::from_millis(period.as_millis())
    }

    /// Waits until it is time for the block after `parent`; an empty block waits longer where the
    /// chain has an empty-block period.
    async fn turn(&mut self, parent: &SealedHeader) {
        let number = parent.number.saturating_add(1);
        let target_ms = match self.parts.schedule.params(number, parent.timestamp).period {
            BlockPeriod::Seconds(seconds) => {
                parent.timestamp.saturating_add(seconds).saturating_mul(1_000)
            }
            BlockPeriod::Milliseconds(ms) => self.head_imported_ms.saturating_add(ms),
        };
        let longest = self.period(parent).saturating_mul(2);
        sleep(clock::wait_until(target_ms, clock::unix_millis(), longest)).await;
        let empty_period = self.parts.schedule.config().empty_block_period_seconds;
        if empty_period > 0 && self.pool.status().pending == 0 {
            let until_ms = parent.timestamp.saturating_add(empty_period).saturating_mul(1_000);
            let longest = Duration::from_secs(empty_period).saturating_mul(2);
            tokio::select! {
                () = sleep(clock::wait_until(until_ms, clock::unix_millis(), longest)) => {}
                _ = self.new_transactions.recv() => {}
            }
        }
    }

    /// Produces the block after `parent`; false if the disk is too full to begin. Blocking.
    fn produce(
        &mut self,
        parent: &SealedHeader,
        validators: &ValidatorSet,
    ) -> Result<bool, EngineError> {
        if !self.has_space()? {
            return Ok(false);
        }
        let started_ms = clock::unix_millis();
        let started = Instant::now();
        let block = self.parts.proposer.propose(&self.parts.schedule, validators, parent)?;
        let built = started.elapsed();
        let block = self.parts.proposer.seal(block)?;
        let encoded = alloy_rlp::encode(block.recovered_block.sealed_block());
        self.parts.sign_store.persist(block.number(), block.hash(), &encoded)?;
        let extras = CommitExtras {
            rounds: Some(self.round_record(started_ms)),
            sign_record_seq: Some(self.parts.sign_store.record().sequence),
            ..CommitExtras::default()
        };
        self.parts.provider.commit_block_with(&block, &extras)?;
        self.head_imported_ms = clock::unix_millis();
        self.update_pool(&block);
        info!(
            target: "consensus::engine",
            number = block.number(),
            hash = %block.hash(),
            txs = block.recovered_block.body().transactions.len(),
            gas = block.recovered_block.header().gas_used,
            build_ms = built.as_millis(),
            total_ms = started.elapsed().as_millis(),
            "block produced"
        );
        metrics::counter!("peruri_engine_blocks_total").increment(1);
        Ok(true)
    }

    fn round_record(&self, started_ms: u64) -> RoundRecord {
        let own = self.parts.proposer.signer().address();
        RoundRecord {
            round: 0,
            proposer: own,
            started_ms,
            committed_ms: clock::unix_millis(),
            prepared: Vec::new(),
            committed: vec![own],
            changes: Vec::new(),
        }
    }

    fn has_space(&self) -> Result<bool, EngineError> {
        let free = free_space(&self.parts.data_dir)?;
        metrics::gauge!("peruri_engine_disk_free_bytes").set(free as f64);
        let enough = free >= self.parts.min_free_bytes;
        if !enough {
            error!(
                target: "consensus::engine",
                free_bytes = free,
                min_free_bytes = self.parts.min_free_bytes,
                "disk nearly full: no blocks are proposed until there is space again"
            );
        }
        Ok(enough)
    }

    fn update_pool(&self, block: &ExecutedBlock) {
        let header = block.recovered_block.header();
        let next_base_fee =
            self.parts.chain_spec.next_base_fee(&header.0, header.timestamp).unwrap_or(0);
        self.pool.on_canonical_state_change(CanonicalStateUpdate::new(
            &block.recovered_block,
            block.hashed_state.clone(),
            next_base_fee,
            0,
        ));
    }
}
