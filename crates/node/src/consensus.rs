//! Consensus and the network, wired to the node's parts.

use crate::{
    builder::{importer, rules, validators},
    cli::exit::{OrUsage, UsageError},
    config::Config,
    environment,
    gossip::TransactionGossip,
    pending::PendingBlocks,
    tasks::TaskManager,
};
use alloy_signer_local::PrivateKeySigner;
use parking_lot::Mutex;
use peruri_chainspec::ChainSpec;
use peruri_engine::{
    Engine, EngineConfig, EngineHandle, EngineNetwork, EngineParts, FoundSignState, LocalStatus,
    Proposer, SignStore, SyncStatus, ValidatorSigner, self_validation,
};
use peruri_evm::PeruriEvmConfig;
use peruri_ibft2::{Ibft2Schedule, core::StoredRecord, sealing};
use peruri_network::{Enode, Multiaddr, NetworkConfig, NetworkError, NetworkHandle, NodeIdentity};
use peruri_payload::PayloadBuilder;
use peruri_storage::ProviderFactory;
use peruri_txpool::Pool;
use peruri_validation::ValidatorSource;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tracing::info;

/// Gossip messages that may wait for the pool.
const WAITING_GOSSIP: usize = 1_024;

/// What the RPC servers ask. All parts are absent on a chain without `config.ibft2`.
#[derive(Debug, Default)]
pub(crate) struct ConsensusHandles {
    pub(crate) pending: Option<Arc<PendingBlocks>>,
    pub(crate) engine: Option<EngineHandle>,
    pub(crate) sync: SyncStatus,
    pub(crate) network: Option<NetworkHandle>,
}

/// Starts the network and the engine.
pub(crate) async fn start(
    config: &Config,
    spec: &Arc<ChainSpec>,
    provider: &ProviderFactory,
    pool: &Pool,
    tasks: &mut TaskManager,
) -> eyre::Result<ConsensusHandles> {
    let Some(schedule) = spec.ibft2() else {
        info!(target: "node", "no config.ibft2 in the genesis: the chain is served, not continued");
        return Ok(ConsensusHandles::default());
    };
    check_lane(config)?;
    let schedule = Arc::new(schedule.clone());
    let key = environment::load_key(config)?;
    let source = validators(&schedule, provider);
    let sign_state = open_sign_state(config, spec, provider, &*source, &key)?;
    let status = Arc::new(LocalStatus::new(spec));
    let network = start_network(config, spec, &key, &status, pool, tasks).await?;
    let handle = network.as_ref().map(|network| network.handle.clone());
    let proposer = Arc::new(proposer(config, spec, &schedule, provider, pool));
    let pending = PendingBlocks {
        provider: provider.clone(),
        proposer: proposer.clone(),
        validators: source.clone(),
        coinbase: key.address(),
        last: Mutex::new(None),
    };
    let (engine, engine_handle, sync) = Engine::new(EngineParts {
        chain_spec: spec.clone(),
        schedule,
        provider: provider.clone(),
        validators: source,
        evm_config: PeruriEvmConfig::new(spec.clone()),
        pool: Arc::new(pool.clone()),
        proposer,
        importer: importer(spec, provider),
        signer: ValidatorSigner::new(key),
        sign_state,
        network,
        status,
        config: engine_config(config),
        data_dir: config.datadir.clone(),
        min_free_bytes: config.db.min_free.saturating_mul(1 << 20),
    });
    let (shutdown, network) = (tasks.shutdown_token(), handle.clone());
    tasks.spawn_critical("engine", async move {
        let ended = engine.run(shutdown).await;
        // After the engine: it still hands over the running height.
        if let Some(network) = network {
            network.shutdown().await;
        }
        Ok(ended?)
    });
    Ok(ConsensusHandles {
        pending: Some(Arc::new(pending)),
        engine: Some(engine_handle),
        sync,
        network: handle,
    })
}

fn check_lane(config: &Config) -> Result<(), UsageError> {
    match config.lane.gas_share {
        0..=100 => Ok(()),
        share => Err(UsageError::new(format!("--lane.gas-share {share}: at most 100 percent"))),
    }
}

fn engine_config(config: &Config) -> EngineConfig {
    EngineConfig {
        vanity: sealing::vanity(config.builder.extradata.as_bytes()),
        gas_limit_target: config.builder.gaslimit,
        lane_gas_share: config.lane.gas_share,
        build_budget: Duration::from_millis(config.builder.deadline_ms),
        message_log: config.debug.message_log.clone(),
    }
}

fn proposer(
    config: &Config,
    spec: &Arc<ChainSpec>,
    schedule: &Arc<Ibft2Schedule>,
    provider: &ProviderFactory,
    pool: &Pool,
) -> Proposer {
    Proposer::new(
        spec.clone(),
        provider.clone(),
        Arc::new(pool.clone()),
        PayloadBuilder::new(PeruriEvmConfig::new(spec.clone())),
        schedule.clone(),
        engine_config(config),
        self_validation(spec.clone(), schedule.clone(), rules(spec, provider)),
    )
}

/// Starts the network; `None` if it is switched off.
async fn start_network(
    config: &Config,
    spec: &ChainSpec,
    key: &PrivateKeySigner,
    status: &Arc<LocalStatus>,
    pool: &Pool,
    tasks: &mut TaskManager,
) -> eyre::Result<Option<EngineNetwork>> {
    if config.network.disable {
        info!(target: "node", "the network is switched off");
        return Ok(None);
    }
    let identity = NodeIdentity::from_secret(key.to_bytes().0)?;
    let settings = NetworkConfig {
        listen: SocketAddr::new(config.network.addr, config.network.port),
        node_list: node_list(config)?,
        bootnodes: bootnodes(&config.network.bootnodes).or_usage("--bootnodes")?,
        gossip_topic: format!("/peruri/{}/transactions", spec.genesis_hash()),
        version: concat!("peruri-node/", env!("CARGO_PKG_VERSION")).to_owned(),
        ..NetworkConfig::default()
    };
    let (handle, events) =
        peruri_network::start(settings, &identity, status.clone()).await.or_usage("network")?;
    let (gossip, incoming) = mpsc::channel(WAITING_GOSSIP);
    let transactions = TransactionGossip::new(pool.clone(), handle.clone());
    let shutdown = tasks.shutdown_token();
    tasks.spawn_critical("gossip", async move {
        transactions.run(incoming, shutdown).await;
        Ok(())
    });
    Ok(Some(EngineNetwork { handle, events, gossip }))
}

/// The addresses of enode URLs separated by commas.
fn bootnodes(list: &str) -> Result<Vec<Multiaddr>, NetworkError> {
    let urls = list.split(',').map(str::trim).filter(|url| !url.is_empty());
    let nodes = urls.map(str::parse::<Enode>).collect::<Result<Vec<_>, _>>()?;
    Ok(nodes.iter().flat_map(Enode::addresses).collect())
}

/// The node list; `None` if none is configured and none is there: then only validators may connect.
fn node_list(config: &Config) -> eyre::Result<Option<PathBuf>> {
    let path = config.node_list();
    let named = config.network.node_list.is_some();
    match path.try_exists().or_usage(path.display().to_string())? {
        false if !named => Ok(None),
        _ => Ok(Some(path)),
    }
}

/// Opens the sign state. A lone validator whose memory is lost is refused: nobody can tell it what it
/// has signed.
fn open_sign_state(
    config: &Config,
    spec: &ChainSpec,
    provider: &ProviderFactory,
    validators: &dyn ValidatorSource,
    key: &PrivateKeySigner,
) -> eyre::Result<FoundSignState> {
    let path = config.sign_state();
    let found = SignStore::open(&path, spec.genesis_hash(), key.address())
        .or_usage(format!("sign state {}", path.display()))?;
    let state = validators.state_after(&provider.last_header()?)?;
    let alone = state.validators().as_slice() == [key.address()];
    let lost = match &found.record {
        StoredRecord::Present(_) => None,
        StoredRecord::Missing => Some("missing"),
        StoredRecord::Damaged => Some("damaged"),
    };
    if let Some(lost) = lost.filter(|_| alone) {
        return Err(UsageError::new(format!(
            "sign state {} is {lost}, and this node is the only validator: it cannot know what it has signed; \
             bring the folder from the machine that signed, or, if that is certain to be stopped for good, \
             run `peruri-node consensus sign-state release`",
            path.display()
        ))
        .into());
    }
    Ok(found)
}
