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
use tokio::{sync::broadcast::error::RecvError, time::sleep};
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
    /// When the head was committed or found.
    head_since: Instant,
    /// Whether the last look at the disk found too little space.
    disk_full: bool,
}

/// What an attempt to produce a block came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Produced {
    /// A block is committed.
    Block,
    /// There is nothing to put into a block, and an empty one is not due yet.
    NothingYet,
    /// The disk is too full to begin.
    DiskFull,
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
        Self { parts, pool, new_transactions, head_since: Instant::now(), disk_full: false }
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
            let task_parent = parent.clone();
            let (engine, produced) = tokio::task::spawn_blocking(move || {
                let produced = self.produce(&task_parent, &validators);
                (self, produced)
            })
            .await
            .map_err(|error| EngineError::Task { name: "produce", reason: error.to_string() })?;
            self = engine;
            let nothing_yet = match produced {
                Ok(Produced::Block) => continue,
                Ok(Produced::NothingYet) => true,
                Ok(Produced::DiskFull) => false,
                Err(error) if error.forbids_signing() => return Err(error),
                Err(error) => {
                    error!(target: "consensus::engine", %error, "no block produced, trying again");
                    false
                }
            };
            let period = self.period(&parent);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                () = self.work(&parent), if nothing_yet => {}
                () = sleep(period), if !nothing_yet => {}
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

    /// Waits until it is time for the block after `parent`; where the chain has an empty-block
    /// period, also until there is something to put into it or an empty one is due.
    async fn turn(&mut self, parent: &SealedHeader) {
        let number = parent.number.saturating_add(1);
        let earliest = clock::earliest_time(&self.parts.schedule, parent);
        let wait = match self.parts.schedule.params(number, earliest).period {
            BlockPeriod::Seconds(seconds) => self.until(earliest, seconds),
            BlockPeriod::Milliseconds(ms) => {
                Duration::from_millis(ms).saturating_sub(self.head_since.elapsed())
            }
        };
        sleep(wait).await;
        // What became pending until here the pool shows; what comes later is a notification, also
        // while a block is being built.
        self.new_transactions = self.new_transactions.resubscribe();
        if self.pool.status().pending == 0 {
            self.work(parent).await;
        }
    }

    /// Waits for a new transaction, at most until an empty block is due.
    async fn work(&mut self, parent: &SealedHeader) {
        let due = self.until_empty_block(parent);
        if due.is_zero() {
            return;
        }
        let new_transaction = async {
            // A listener that lags is told so, and that is news enough.
            if let Err(RecvError::Closed) = self.new_transactions.recv().await {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = sleep(due) => {}
            () = new_transaction => {}
        }
    }

    /// How long an empty block has to wait; zero where empty blocks do not wait.
    fn until_empty_block(&self, parent: &SealedHeader) -> Duration {
        match self.parts.schedule.config().empty_block_period_seconds {
            0 => Duration::ZERO,
            seconds => self.until(parent.timestamp.saturating_add(seconds), seconds),
        }
    }

    /// How long to wait for the clock to reach `time` (seconds), which lies `period` seconds after
    /// the parent. Not longer than the period and a second after the head was found, whatever the
    /// clock says.
    fn until(&self, time: u64, period: u64) -> Duration {
        let longest = Duration::from_secs(period.saturating_add(1));
        let longest = longest.saturating_sub(self.head_since.elapsed());
        clock::wait_until(time.saturating_mul(1_000), clock::unix_millis(), longest)
    }

    /// Produces the block after `parent`. Blocking.
    fn produce(
        &mut self,
        parent: &SealedHeader,
        validators: &ValidatorSet,
    ) -> Result<Produced, EngineError> {
        if !self.has_space()? {
            return Ok(Produced::DiskFull);
        }
        let started_ms = clock::unix_millis();
        let started = Instant::now();
        let block = self.parts.proposer.propose(&self.parts.schedule, validators, parent)?;
        let is_empty = block.recovered_block.body().transactions.is_empty();
        if is_empty && !self.until_empty_block(parent).is_zero() {
            return Ok(Produced::NothingYet);
        }
        let built = started.elapsed();
        self.parts.sign_store.may_sign(block.number())?;
        let block = self.parts.proposer.seal(block)?;
        let encoded = alloy_rlp::encode(block.recovered_block.sealed_block());
        self.parts.sign_store.persist(block.number(), block.hash(), &encoded)?;
        let extras = CommitExtras {
            rounds: Some(self.round_record(started_ms)),
            sign_record_seq: Some(self.parts.sign_store.record().sequence),
            ..CommitExtras::default()
        };
        self.parts.provider.commit_block_with(&block, &extras)?;
        self.head_since = Instant::now();
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
        Ok(Produced::Block)
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

    /// Whether the disk has room for another block. Raises the alarm when that changes.
    fn has_space(&mut self) -> Result<bool, EngineError> {
        let free_bytes = free_space(&self.parts.data_dir)?;
        metrics::gauge!("peruri_engine_disk_free_bytes").set(free_bytes as f64);
        let min_free_bytes = self.parts.min_free_bytes;
        let was_full = std::mem::replace(&mut self.disk_full, free_bytes < min_free_bytes);
        match (was_full, self.disk_full) {
            (false, true) => error!(
                target: "consensus::engine",
                free_bytes,
                min_free_bytes,
                "disk nearly full: no blocks are proposed until there is space again"
            ),
            (true, false) => {
                info!(target: "consensus::engine", free_bytes, "disk has space again: proposing");
            }
            _ => {}
        }
        Ok(!self.disk_full)
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
