//! [`NodeBuilder`]: the only place where the parts of the node meet.

use crate::{
    activity,
    cli::exit::OrUsage,
    config::Config,
    consensus::{self, ConsensusHandles},
    environment::{self, LoadedChain},
    exex::{ExExFuture, Extensions},
    metrics::Readiness,
    rpc,
    tasks::TaskManager,
};
use alloy_primitives::Address;
use jsonrpsee::Methods;
use peruri_chainspec::ChainSpec;
use peruri_engine::BlockImporter;
use peruri_evm::PeruriEvmConfig;
use peruri_exex::ExExContext;
use peruri_ibft2::Ibft2Schedule;
use peruri_storage::ProviderFactory;
use peruri_txpool::{BlockInfo, JournalSync, Pool, PoolConfig, SenderPermissions, SubPoolLimit};
use peruri_validation::{
    EthereumConsensus, FullConsensus, IbftConsensus, StoredValidators, ValidatorSource,
};
use std::sync::Arc;
use tracing::info;

/// Puts a node together from its configuration.
#[derive(Debug)]
pub struct NodeBuilder {
    config: Config,
    chain: LoadedChain,
    extensions: Extensions,
    rpc: rpc::ExtraModules,
}

/// The parts of a node that extensions and their RPC methods work with.
#[derive(Debug, Clone)]
pub struct NodeComponents {
    /// The store.
    pub provider: ProviderFactory,
    /// The pool.
    pub pool: Pool,
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
    consensus: Arc<ConsensusHandles>,
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
        Ok(Self {
            config,
            chain,
            extensions: Extensions::default(),
            rpc: rpc::ExtraModules::default(),
        })
    }

    /// Installs an execution extension (`peruri_exex`) under a name of its own: 1 to 64 characters of
    /// `a-z`, `0-9`, `-` and `_`.
    ///
    /// `exex` prepares the extension before the node does anything else, and gives the future that
    /// runs as long as the node: when it fails, or ends before the node stops, the node stops and
    /// names it.
    #[must_use]
    pub fn install_exex<Prepared, Running>(
        mut self,
        name: &'static str,
        exex: impl FnOnce(ExExContext, NodeComponents) -> Prepared + Send + 'static,
    ) -> Self
    where
        Prepared: Future<Output = eyre::Result<Running>> + Send + 'static,
        Running: Future<Output = eyre::Result<()>> + Send + 'static,
    {
        self.extensions.add(name, |context, components| {
            let prepared = exex(context, components);
            Box::pin(async move { Ok(Box::pin(prepared.await?) as ExExFuture) })
        });
        self
    }

    /// Adds JSON-RPC methods to a namespace, new or existing. The authenticated server offers them,
    /// a public one if its configuration names the namespace.
    #[must_use]
    pub fn extend_rpc_modules(
        mut self,
        namespace: &'static str,
        methods: impl FnOnce(&NodeComponents) -> eyre::Result<Methods> + Send + 'static,
    ) -> Self {
        self.rpc.add(namespace, methods);
        self
    }

    /// Opens everything and starts the tasks.
    ///
    /// # Errors
    /// What could not be opened or started; nothing keeps running then.
    pub async fn launch(self) -> eyre::Result<Node> {
        peruri_primitives::assert_libsecp256k1().map_err(|got| {
            eyre::eyre!("senders would be recovered by {got}: build with libsecp256k1")
        })?;
        let Self { config, chain, mut extensions, rpc: extra } = self;
        let lock = environment::lock(&config.data_dir())?;
        let provider = environment::open_database(&config, chain.spec.clone())?;
        environment::check_state(&provider)?;
        announce(&config, &chain.spec, &provider)?;
        let pool = open_pool(&config, &chain.spec, &provider)?;
        let components = NodeComponents { provider: provider.clone(), pool: pool.clone() };
        let mut tasks = TaskManager::new();
        let mirror = activity::install(&config, &chain.spec, &mut extensions)?;
        // Before the first block can be committed.
        extensions.start(&components, &mut tasks).await?;
        let consensus =
            consensus::start(&config, &chain.spec, &provider, &pool, &mut tasks).await?;
        let consensus = Arc::new(consensus);
        let activity = mirror.as_ref().map(activity::Mirror::handle).transpose()?;
        if let Some(mirror) = &mirror {
            mirror.begin(consensus.clone());
        }
        let parts = rpc::Parts { components: &components, consensus: consensus.clone(), activity };
        let rpc = rpc::start(&config, parts, extra, &mut tasks).await?;
        Ok(Node { tasks, provider, pool, rpc, consensus, _lock: lock })
    }
}

impl Node {
    /// What answers whether the node can be relied on.
    pub(crate) fn readiness(&self) -> Readiness {
        Readiness {
            spec: self.provider.chain_spec().clone(),
            provider: self.provider.clone(),
            consensus: self.consensus.clone(),
        }
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
pub fn importer(spec: &Arc<ChainSpec>, provider: &ProviderFactory) -> BlockImporter {
    BlockImporter::new(
        spec.clone(),
        provider.clone(),
        PeruriEvmConfig::new(spec.clone()),
        rules(spec, provider),
    )
}

/// The rules of a chain of either kind.
pub(crate) fn rules(spec: &Arc<ChainSpec>, provider: &ProviderFactory) -> Arc<dyn FullConsensus> {
    match spec.ibft2() {
        Some(schedule) => {
            Arc::new(IbftConsensus::new(spec.clone(), validators(schedule, provider)))
        }
        None => Arc::new(EthereumConsensus::new(spec.clone(), Arc::new(provider.clone()))),
    }
}

pub(crate) fn validators(
    schedule: &Ibft2Schedule,
    provider: &ProviderFactory,
) -> Arc<dyn ValidatorSource> {
    Arc::new(StoredValidators::new(provider.clone(), Arc::new(schedule.clone())))
}

pub(crate) fn open_pool(
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
