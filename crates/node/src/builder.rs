//! [`NodeBuilder`]: the only place where the parts of the node meet.

use crate::{
    cli::exit::{OrUsage, UsageError},
    config::Config,
    environment::{self, LoadedChain},
    pending::PendingBlocks,
    rpc,
    tasks::TaskManager,
};
use alloy_primitives::Address;
use alloy_signer_local::PrivateKeySigner;
use parking_lot::Mutex;
use peruri_chainspec::ChainSpec;
use peruri_engine::{
    BlockImporter, Engine, EngineConfig, EngineError, EngineParts, Proposer, SealSigner, SignStore,
    resume, self_validation,
};
use peruri_evm::PeruriEvmConfig;
use peruri_ibft2::{Ibft2Schedule, sealing};
use peruri_payload::PayloadBuilder;
use peruri_rpc::{NoPendingBlock, PendingBlockSource};
use peruri_storage::ProviderFactory;
use peruri_txpool::{BlockInfo, JournalSync, Pool, PoolConfig, SenderPermissions, SubPoolLimit};
use peruri_validation::{
    EthereumConsensus, FullConsensus, IbftConsensus, StoredValidators, ValidatorSource,
};
use std::{sync::Arc, time::Duration};
use tracing::info;

/// Puts a node together from its configuration.
#[derive(Debug)]
pub struct NodeBuilder {
    config: Config,
    chain: LoadedChain,
}

/// A node whose parts run.
#[derive(Debug)]
pub struct Node {
    /// The running tasks; [`TaskManager::run_until`] waits for them.
    pub tasks: TaskManager,
    /// The store.
    pub provider: ProviderFactory,
    /// The pool.
    pub pool: Pool,
    /// Where the servers listen.
    pub rpc: rpc::RpcAddresses,
    /// Keeps other processes out of the data folder.
    _lock: std::fs::File,
}

impl NodeBuilder {
    /// A builder for a node with this configuration.
    ///
    /// # Errors
    /// If the genesis file is bad.
    pub fn new(config: Config) -> eyre::Result<Self> {
        let chain = environment::load_chain(&config.chain)?;
        Ok(Self { config, chain })
    }

    /// Opens everything and starts the tasks.
    ///
    /// # Errors
    /// What could not be opened or started; nothing keeps running then.
    pub async fn launch(self) -> eyre::Result<Node> {
        peruri_primitives::assert_libsecp256k1().map_err(|got| {
            eyre::eyre!("senders would be recovered by {got}: build with libsecp256k1")
        })?;
        let Self { config, chain } = self;
        let lock = environment::lock(&config.data_dir())?;
        let provider = environment::open_database(&config, chain.spec.clone())?;
        announce(&config, &chain.spec, &provider)?;
        // Before the pool: a block that was signed before the stop becomes the head here.
        let producer = Producer::prepare(&config, &chain.spec, &provider)?;
        let pool = open_pool(&config, &chain.spec, &provider)?;
        let mut tasks = TaskManager::new();
        let pending: Arc<dyn PendingBlockSource> = match producer {
            Some(producer) => producer.start(&config, &provider, &pool, &mut tasks),
            None => Arc::new(NoPendingBlock),
        };
        let rpc = rpc::start(&config, &provider, &pool, pending, &mut tasks).await?;
        Ok(Node { tasks, provider, pool, rpc, _lock: lock })
    }
}

/// What an operator wants to see first.
fn announce(config: &Config, spec: &ChainSpec, provider: &ProviderFactory) -> eyre::Result<()> {
    let head = provider.last_header()?;
    info!(
        target: "node",
        version = env!("CARGO_PKG_VERSION"),
        chain_id = spec.chain_id(),
        genesis = %spec.genesis_hash(),
        head = head.number,
        datadir = %config.datadir.display(),
        "starting"
    );
    info!(
        target: "node",
        state = config.history.state.map_or("all".to_owned(), |blocks| blocks.to_string()),
        proofs = config.history.proofs,
        receipts = config.history.receipts.map_or("all".to_owned(), |blocks| blocks.to_string()),
        "history kept, in blocks; a full block of 1,250 token transfers adds about 0.5 MB, \
         and 2 MB more while proofs are kept for it"
    );
    Ok(())
}

/// The importer of a chain of either kind.
pub(crate) fn importer(spec: &Arc<ChainSpec>, provider: &ProviderFactory) -> BlockImporter {
    BlockImporter::new(
        spec.clone(),
        provider.clone(),
        PeruriEvmConfig::new(spec.clone()),
        consensus(spec, provider),
    )
}

fn consensus(spec: &Arc<ChainSpec>, provider: &ProviderFactory) -> Arc<dyn FullConsensus> {
    match spec.ibft2() {
        Some(schedule) => {
            Arc::new(IbftConsensus::new(spec.clone(), validators(schedule, provider)))
        }
        None => Arc::new(EthereumConsensus::new(spec.clone(), Arc::new(provider.clone()))),
    }
}

fn validators(schedule: &Ibft2Schedule, provider: &ProviderFactory) -> Arc<dyn ValidatorSource> {
    Arc::new(StoredValidators::new(provider.clone(), Arc::new(schedule.clone())))
}

fn open_pool(
    config: &Config,
    spec: &Arc<ChainSpec>,
    provider: &ProviderFactory,
) -> eyre::Result<Pool> {
    let head = provider.last_header()?;
    let always = always_allowed(spec, provider)?;
    // Where transactions cost something, a fee keeps floods out.
    let open = config.txpool.open || !spec.zero_base_fee();
    let senders = config.txpool.senders.clone();
    let permissions = SenderPermissions::new(senders, always, open).or_usage("--txpool.senders")?;
    let defaults = PoolConfig::default();
    let pool_config = PoolConfig {
        pending: SubPoolLimit { max_txs: config.txpool.max_pending, ..defaults.pending },
        queued: SubPoolLimit { max_txs: config.txpool.max_queued, ..defaults.queued },
        max_account_slots: config.txpool.max_account_slots,
        ..defaults
    };
    let info = BlockInfo {
        number: head.number,
        timestamp: head.timestamp,
        gas_limit: head.gas_limit,
        next_base_fee: spec.next_base_fee(&head.header().0, head.timestamp).unwrap_or(0),
        next_blob_fee: 0,
    };
    let accounts = Arc::new(provider.clone());
    let pool = Pool::new(pool_config, spec.clone(), accounts, Arc::new(permissions), info);
    pool.open_journal(&config.data_dir().pool_journal(), JournalSync::Flush)?;
    Ok(pool)
}

/// Validators and log sources may always send.
fn always_allowed(spec: &Arc<ChainSpec>, provider: &ProviderFactory) -> eyre::Result<Vec<Address>> {
    let mut allowed = Vec::new();
    if let Some(schedule) = spec.ibft2() {
        let state = validators(schedule, provider).state_after(&provider.last_header()?)?;
        allowed.extend(state.validators().iter().copied());
    }
    allowed
        .extend(spec.plog().into_iter().flat_map(|plog| &plog.sources).map(|source| source.signer));
    Ok(allowed)
}

/// What a node of a chain with `config.ibft2` needs to build blocks, and to sign them if it may.
struct Producer {
    spec: Arc<ChainSpec>,
    schedule: Arc<Ibft2Schedule>,
    validators: Arc<dyn ValidatorSource>,
    key: PrivateKeySigner,
    /// `None`: the node is no validator.
    sign_store: Option<SignStore>,
}

impl Producer {
    /// Loads the key and brings sign state and database together. `None` on a chain without
    /// `config.ibft2`.
    fn prepare(
        config: &Config,
        spec: &Arc<ChainSpec>,
        provider: &ProviderFactory,
    ) -> eyre::Result<Option<Self>> {
        let Some(schedule) = spec.ibft2() else {
            info!(target: "node", "no config.ibft2 in the genesis: the chain is served, not continued");
            return Ok(None);
        };
        let key = environment::load_key(config)?;
        let validators = validators(schedule, provider);
        let state = validators.state_after(&provider.last_header()?)?;
        let sign_store = if state.validators().contains(&key.address()) {
            Some(open_sign_state(config, spec, provider, &key)?)
        } else {
            info!(target: "node", address = %key.address(), "not a validator: the chain is served only");
            None
        };
        let schedule = Arc::new(schedule.clone());
        Ok(Some(Self { spec: spec.clone(), schedule, validators, key, sign_store }))
    }

    /// Starts the engine if the node is a validator. Returns what answers the tag `pending`.
    fn start(
        self,
        config: &Config,
        provider: &ProviderFactory,
        pool: &Pool,
        tasks: &mut TaskManager,
    ) -> Arc<dyn PendingBlockSource> {
        let proposer = Arc::new(self.proposer(config, provider, pool));
        let pending = PendingBlocks {
            provider: provider.clone(),
            proposer: proposer.clone(),
            schedule: self.schedule.clone(),
            validators: self.validators.clone(),
            last: Mutex::new(None),
        };
        if let Some(sign_store) = self.sign_store {
            let parts = EngineParts {
                chain_spec: self.spec,
                schedule: self.schedule,
                provider: provider.clone(),
                validators: self.validators,
                proposer,
                sign_store,
                data_dir: config.datadir.clone(),
                min_free_bytes: config.db.min_free.saturating_mul(1 << 20),
            };
            let engine = Engine::new(parts, Arc::new(pool.clone()));
            let shutdown = tasks.shutdown_token();
            tasks.spawn_critical("engine", async move { Ok(engine.run(shutdown).await?) });
        }
        Arc::new(pending)
    }

    fn proposer(&self, config: &Config, provider: &ProviderFactory, pool: &Pool) -> Proposer {
        let engine_config = EngineConfig {
            vanity: sealing::vanity(config.builder.extradata.as_bytes()),
            gas_limit_target: config.builder.gaslimit,
            build_budget: Duration::from_millis(config.builder.deadline_ms),
        };
        let consensus = consensus(&self.spec, provider);
        Proposer::new(
            self.spec.clone(),
            provider.clone(),
            Arc::new(pool.clone()),
            PayloadBuilder::new(PeruriEvmConfig::new(self.spec.clone())),
            SealSigner::new(self.key.clone()),
            engine_config,
            self_validation(self.spec.clone(), self.schedule.clone(), consensus),
        )
    }
}

/// Opens the sign state and finishes the block that was signed before the stop.
fn open_sign_state(
    config: &Config,
    spec: &Arc<ChainSpec>,
    provider: &ProviderFactory,
    key: &PrivateKeySigner,
) -> eyre::Result<SignStore> {
    let path = config.sign_state();
    let store = SignStore::open(&path, spec.genesis_hash(), key.address())
        .or_usage(format!("sign state {}", path.display()))?;
    match resume(&store, provider, &importer(spec, provider)) {
        Ok(_) => Ok(store),
        Err(EngineError::SignState(error)) => {
            Err(UsageError::with_source("this validator must not sign", error).into())
        }
        Err(error) => Err(error.into()),
    }
}
