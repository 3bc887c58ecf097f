//! The state in which a driver starts.

use super::{
    DiskSpace, Driver, Feed, HeightLog, Outbox, Peers, PendingWork, ReadyDriver, Suspension,
    Timers, message_log::MessageLog,
};
use crate::{
    EngineError, FoundSignState, Proposer, ValidatorSigner, candidates::Candidates,
    checker::BlockChecker, clock::MonotonicClock, commit::Committer, handshake::LocalStatus,
    sign_state::SignWriter, sync::Targets,
};
use alloy_primitives::Address;
use peruri_chainspec::ChainSpec;
use peruri_ibft2::{
    ExtraData, Ibft2Schedule, Secp256k1Crypto, VoteType,
    core::{Config, Core, Start, StoredRecord},
};
use peruri_network::NetworkHandle;
use peruri_storage::ProviderFactory;
use peruri_txpool::TransactionPool;
use peruri_validation::ValidatorSource;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::sync::mpsc;

/// What a driver works with.
pub(crate) struct DriverParts {
    pub(crate) chain_spec: Arc<ChainSpec>,
    pub(crate) schedule: Arc<Ibft2Schedule>,
    pub(crate) provider: ProviderFactory,
    pub(crate) validators: Arc<dyn ValidatorSource>,
    pub(crate) pool: Arc<dyn TransactionPool>,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) checker: BlockChecker,
    pub(crate) signer: ValidatorSigner,
    pub(crate) sign_state: FoundSignState,
    pub(crate) network: Option<NetworkHandle>,
    pub(crate) targets: Arc<Targets>,
    pub(crate) status: Arc<LocalStatus>,
    pub(crate) config: crate::EngineConfig,
    pub(crate) data_dir: PathBuf,
    pub(crate) min_free_bytes: u64,
}

impl Driver {
    /// A driver on the head of the database. To be called inside a runtime.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) fn prepare(parts: DriverParts) -> Result<ReadyDriver, EngineError> {
        let (done, results) = mpsc::unbounded_channel();
        let head = parts.provider.last_header()?;
        let FoundSignState { store, record, blocks } = parts.sign_state;
        let start = start(&parts.provider, &*parts.validators, &parts.signer, record, blocks)?;
        let durable_sequence = parts.provider.sign_record_seq()?.max(sequence_of(&start.record));
        let clock = MonotonicClock::start();
        let config = core_config(&parts.chain_spec, &parts.schedule, &parts.config);
        let (core, first) = Core::new(config, Secp256k1Crypto, start, clock.now());
        let instance = parts.network.as_ref().map(|network| network.instance());
        let log = parts.config.message_log.as_deref().map(MessageLog::open).transpose()?;
        let config = parts.schedule.config();
        let empty_blocks_wait = config.empty_block_period_seconds > 0;
        let max_bytes = usize::try_from(config.max_proposal_bytes).unwrap_or(usize::MAX);
        parts.status.set_head(&head);
        parts.status.note_marks(core.record().marks());
        let driver = Self {
            clock,
            provider: parts.provider.clone(),
            head,
            signer: parts.signer,
            writer: SignWriter::start(store, done.clone()),
            durable_sequence,
            outbox: Outbox::default(),
            timers: Timers::default(),
            peers: Peers::new(parts.network, log),
            targets: parts.targets,
            status: parts.status,
            proposer: parts.proposer,
            checker: parts.checker,
            committer: Committer {
                chain_spec: parts.chain_spec,
                provider: parts.provider,
                pool: parts.pool.clone(),
                lane_gas_share: parts.config.lane_gas_share,
            },
            space: Arc::new(DiskSpace::new(parts.data_dir.clone(), parts.min_free_bytes)),
            candidates: Candidates::default(),
            suspension: Suspension::new(instance),
            feed: Feed::default(),
            work: PendingWork::new(parts.pool, max_bytes, empty_blocks_wait),
            wishes: core.wishes().keys().copied().collect(),
            late_seals: BTreeMap::new(),
            height_log: HeightLog::begin(),
            evidence_dir: parts.data_dir.join("evidence"),
            done,
            busy: 0,
            schedule: parts.schedule,
            core,
        };
        driver.peers.set_validators(driver.core.validators());
        Ok(ReadyDriver { driver, first, results })
    }
}

fn core_config(
    chain_spec: &ChainSpec,
    schedule: &Arc<Ibft2Schedule>,
    config: &crate::EngineConfig,
) -> Config {
    let mut core = Config::new(schedule.clone(), chain_spec.chain_id(), chain_spec.genesis_hash());
    core.vanity = config.vanity;
    core
}

fn start(
    provider: &ProviderFactory,
    validators: &dyn ValidatorSource,
    signer: &ValidatorSigner,
    record: StoredRecord,
    blocks: Vec<Arc<peruri_ibft2::Block>>,
) -> Result<Start, EngineError> {
    let parent = provider.last_header()?;
    let state = validators.state_after(&parent).map_err(EngineError::Validators)?;
    let local = signer.address();
    let votes = provider.votes()?;
    let kind = |add| if add { VoteType::Add } else { VoteType::Drop };
    Ok(Start {
        validators: (*state).clone(),
        local,
        blocks,
        store_sequence: provider.sign_record_seq()?.unwrap_or(0),
        was_validator: matters(&record) && was_validator(provider, local)?,
        wishes: votes.iter().map(|(subject, wish)| (*subject, kind(wish.add))).collect(),
        forced: votes.iter().filter(|it| it.1.force).map(|it| it.0).collect(),
        record,
        parent: parent.into_header(),
    })
}

/// Whether the past of the chain decides if the record is a lost one.
fn matters(record: &StoredRecord) -> bool {
    matches!(record, StoredRecord::Present(record) if record.is_first())
}

fn sequence_of(record: &StoredRecord) -> Option<u64> {
    match record {
        StoredRecord::Present(record) => Some(record.sequence),
        StoredRecord::Missing | StoredRecord::Damaged => None,
    }
}

/// Name of the row that holds how far [`was_validator`] has looked.
const SCANNED: &str = "consensus/no-validator-until";

/// Whether `local` stands in the validator set of a stored block; the genesis block does not count,
/// for nobody signs it. What was looked at once is not looked at again.
///
/// # Errors
/// If the database cannot be read or written.
fn was_validator(provider: &ProviderFactory, local: Address) -> Result<bool, EngineError> {
    let row = format!("{SCANNED}/{local:x}");
    let scanned = provider.meta_get(&row)?;
    let scanned = scanned.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes);
    let head = provider.best_block_number()?;
    for number in scanned.saturating_add(1)..=head {
        let Some(header) = provider.header_by_number(number)? else { break };
        let extra = ExtraData::decode(&header.extra_data)
            .map_err(|source| EngineError::ExtraData { number, source })?;
        if extra.validators.contains(&local) {
            return Ok(true);
        }
    }
    provider.meta_put(&row, &head.to_be_bytes())?;
    Ok(false)
}

impl DriverParts {
    /// Whether the node's key is a validator's now.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) fn is_validator(&self) -> Result<bool, EngineError> {
        let head = self.provider.last_header()?;
        let state = self.validators.state_after(&head).map_err(EngineError::Validators)?;
        Ok(state.validators().contains(&self.signer.address()))
    }
}

impl std::fmt::Debug for DriverParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DriverParts").field("signer", &self.signer).finish_non_exhaustive()
    }
}
