//! The engine: consensus, sync and the routes between them and the network.

use crate::{
    BlockImporter, EngineConfig, EngineError, EngineHandle, FoundSignState, Gossip, LocalStatus,
    Proposer, SyncStatus, ValidatorSigner,
    checker::BlockChecker,
    driver::{Driver, DriverParts, Inlets},
    handle::WAITING_COMMANDS,
    router::Router,
    sync::{Sync, Targets},
};
use peruri_chainspec::ChainSpec;
use peruri_evm::PeruriEvmConfig;
use peruri_ibft2::Ibft2Schedule;
use peruri_network::{NetworkEvents, NetworkHandle};
use peruri_storage::ProviderFactory;
use peruri_txpool::TransactionPool;
use peruri_validation::{IbftConsensus, ValidatorSource};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages of peers that may wait for consensus.
const WAITING_MESSAGES: usize = 2_048;
/// Executed blocks that may wait for consensus.
const WAITING_BLOCKS: usize = 16;
/// How long a validator leaves the next block to consensus before it fetches it.
const PATIENCE: Duration = Duration::from_millis(500);

/// What an engine works with.
pub struct EngineParts {
    /// The chain.
    pub chain_spec: Arc<ChainSpec>,
    /// Its `config.ibft2`.
    pub schedule: Arc<Ibft2Schedule>,
    /// The database.
    pub provider: ProviderFactory,
    /// Validator sets.
    pub validators: Arc<dyn ValidatorSource>,
    /// Executes blocks.
    pub evm_config: PeruriEvmConfig,
    /// Transactions for blocks of our own.
    pub pool: Arc<dyn TransactionPool>,
    /// Builds them.
    pub proposer: Arc<Proposer>,
    /// Checks blocks from sync.
    pub importer: BlockImporter,
    /// The node's key, a validator's or not.
    pub signer: ValidatorSigner,
    /// What was signed with it.
    pub sign_state: FoundSignState,
    /// The network; `None` for a node on its own.
    pub network: Option<EngineNetwork>,
    /// What is told to those who connect.
    pub status: Arc<LocalStatus>,
    /// The operator's choices.
    pub config: EngineConfig,
    /// Folder of the database and of evidence; its file system must have
    /// [`Self::min_free_bytes`].
    pub data_dir: PathBuf,
    /// Free bytes below which nothing is proposed.
    pub min_free_bytes: u64,
}

/// The engine's side of the network.
#[derive(Debug)]
pub struct EngineNetwork {
    /// For sending.
    pub handle: NetworkHandle,
    /// What comes in.
    pub events: NetworkEvents,
    /// Takes the gossip, which is transactions.
    pub gossip: mpsc::Sender<Gossip>,
}

/// Follows a chain, and agrees with others on its blocks if its key is a validator's.
///
/// ```text
/// network → router → driver of consensus ⇄ core (ibft2)
///              ↓         ↑ executed blocks
///            sync ───────┘
/// ```
#[derive(Debug)]
pub struct Engine {
    parts: DriverParts,
    network: Option<EngineNetwork>,
    importer: BlockImporter,
    sync_status: SyncStatus,
    commands: mpsc::Receiver<crate::handle::Command>,
}

impl Engine {
    /// An engine on the head of the database, and what others ask it through.
    pub fn new(parts: EngineParts) -> (Self, EngineHandle, SyncStatus) {
        let (sender, commands) = mpsc::channel(WAITING_COMMANDS);
        let targets = Arc::new(Targets::default());
        let sync_status = SyncStatus::new(targets.clone());
        let consensus = IbftConsensus::new(parts.chain_spec.clone(), parts.validators.clone());
        let checker = BlockChecker {
            chain_spec: parts.chain_spec.clone(),
            provider: parts.provider.clone(),
            evm_config: parts.evm_config,
            consensus,
            pool: parts.pool.clone(),
        };
        let driver = DriverParts {
            chain_spec: parts.chain_spec,
            schedule: parts.schedule,
            provider: parts.provider,
            validators: parts.validators,
            pool: parts.pool,
            proposer: parts.proposer,
            checker,
            signer: parts.signer,
            sign_state: parts.sign_state,
            network: parts.network.as_ref().map(|network| network.handle.clone()),
            targets,
            status: parts.status,
            config: parts.config,
            data_dir: parts.data_dir,
            min_free_bytes: parts.min_free_bytes,
        };
        let importer = parts.importer;
        let network = parts.network;
        let engine =
            Self { parts: driver, network, importer, sync_status: sync_status.clone(), commands };
        (engine, EngineHandle { commands: sender }, sync_status)
    }

    /// Runs until `shutdown` fires; the running height is finished then, or handed over within one base
    /// timeout.
    ///
    /// # Errors
    /// A failure after which nothing more may be signed: of the sign state, the database, the key; or
    /// broken finality.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), EngineError> {
        let (peers, peer_events) = mpsc::channel(WAITING_MESSAGES);
        let (synced, synced_blocks) = mpsc::channel(WAITING_BLOCKS);
        let inlets = Inlets { peers: peer_events, commands: self.commands, synced: synced_blocks };
        let stop = CancellationToken::new();
        let _stop_the_others = stop.clone().drop_guard();
        let (provider, targets) = (self.parts.provider.clone(), self.parts.targets.clone());
        let pool = self.parts.pool.clone();
        let is_validator = self.parts.is_validator()?;
        let driver = Driver::prepare(self.parts)?.run(inlets, shutdown);
        let Some(EngineNetwork { handle, events, gossip }) = self.network else {
            // Without a network nothing else speaks to consensus; its inlets stay open and silent.
            let _inlets = (peers, synced);
            return driver.await;
        };
        let router = Router {
            network: handle.clone(),
            provider: provider.clone(),
            pool,
            targets: targets.clone(),
            peers,
            gossip,
        };
        let sync = Sync {
            importer: self.importer,
            provider,
            network: handle,
            targets,
            status: self.sync_status,
            synced,
            patience: if is_validator { PATIENCE } else { Duration::ZERO },
        };
        tokio::spawn(router.run(events, stop.clone()));
        tokio::select! {
            ended = driver => ended,
            Err(error) = sync.run(stop) => Err(error),
        }
    }
}
