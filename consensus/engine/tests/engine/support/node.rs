//! A node in a temporary folder: database, sign state, pool and proposer.

use super::{Genesis, eventually, validator_key};
use alloy_primitives::{B256, TxHash};
use alloy_signer_local::PrivateKeySigner;
use peruri_chainspec::ChainSpec;
use peruri_engine::{
    BlockImporter, BlockOrder, EngineConfig, EngineError, EngineNetwork, EngineParts,
    FoundSignState, LocalStatus, Proposer, SelfValidation, SignStateError, SignStore,
    ValidatorSigner, self_validation,
};
use peruri_evm::PeruriEvmConfig;
use peruri_ibft2::{ExtraData, Ibft2Schedule, ValidatorSet, fresh_timestamp, seal_digest, sealing};
use peruri_payload::PayloadBuilder;
use peruri_primitives::{PooledTransaction, RecoveredBlock};
use peruri_storage::{CommitExtras, DbOptions, ExecutedBlock, ProviderFactory};
use peruri_txpool::{
    BlockInfo, CanonicalStateUpdate, Pool, PoolConfig, SenderPermissions, TransactionOrigin,
    TransactionPool,
};
use peruri_validation::{FullConsensus, IbftConsensus, StoredValidators, ValidatorSource};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A node whose folders outlive it, so that it can be started again.
pub(crate) struct Node {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) schedule: Arc<Ibft2Schedule>,
    pub(crate) provider: ProviderFactory,
    pub(crate) pool: Pool,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) key: PrivateKeySigner,
    pub(crate) dir: Arc<tempfile::TempDir>,
}

fn schedule(spec: &ChainSpec) -> Arc<Ibft2Schedule> {
    Arc::new(spec.ibft2().unwrap().clone())
}

pub(crate) fn consensus(spec: &Arc<ChainSpec>, provider: &ProviderFactory) -> IbftConsensus {
    let validators = StoredValidators::new(provider.clone(), schedule(spec));
    IbftConsensus::new(spec.clone(), Arc::new(validators))
}

pub(crate) fn importer(spec: &Arc<ChainSpec>, provider: &ProviderFactory) -> BlockImporter {
    let consensus: Arc<dyn FullConsensus> = Arc::new(consensus(spec, provider));
    BlockImporter::new(
        spec.clone(),
        provider.clone(),
        PeruriEvmConfig::new(spec.clone()),
        consensus,
    )
}

pub(crate) fn open_db(path: &Path, spec: &Arc<ChainSpec>) -> ProviderFactory {
    let provider = ProviderFactory::open(path, spec.clone(), DbOptions::default()).unwrap();
    provider.init_genesis().unwrap();
    provider
}

fn engine_config() -> EngineConfig {
    EngineConfig {
        vanity: B256::ZERO,
        gas_limit_target: None,
        build_budget: Duration::from_secs(60),
        lane_gas_share: peruri_payload::DEFAULT_LANE_GAS_SHARE,
        message_log: None,
    }
}

impl Node {
    /// A new node of the lone validator, with a first sign-state record.
    pub(crate) fn new(genesis: &Genesis) -> Self {
        Self::with_validation(genesis, None)
    }

    /// A new node that checks its blocks by `validation`.
    pub(crate) fn with_validation(genesis: &Genesis, validation: Option<SelfValidation>) -> Self {
        let (spec, dir) = (genesis.spec(), Arc::new(tempfile::tempdir().unwrap()));
        let key = validator_key();
        Self::initialise(&spec, dir.path(), &key);
        Self::start(spec, dir, "db", key, validation)
    }

    /// Writes the first record, as `init` does.
    pub(crate) fn initialise(spec: &ChainSpec, dir: &Path, key: &PrivateKeySigner) {
        SignStore::create(&dir.join("sign"), spec.genesis_hash(), key.address()).unwrap();
    }

    /// A node on the database `db` in `dir`.
    pub(crate) fn start(
        spec: Arc<ChainSpec>,
        dir: Arc<tempfile::TempDir>,
        db: &str,
        key: PrivateKeySigner,
        validation: Option<SelfValidation>,
    ) -> Self {
        let provider = open_db(&dir.path().join(db), &spec);
        let schedule = schedule(&spec);
        let pool = pool(&spec, &provider);
        let validation = validation.unwrap_or_else(|| {
            let consensus = Arc::new(consensus(&spec, &provider));
            self_validation(spec.clone(), schedule.clone(), consensus)
        });
        let proposer = Proposer::new(
            spec.clone(),
            provider.clone(),
            Arc::new(pool.clone()),
            PayloadBuilder::new(PeruriEvmConfig::new(spec.clone())),
            schedule.clone(),
            engine_config(),
            validation,
        );
        Self { spec, schedule, provider, pool, proposer: Arc::new(proposer), key, dir }
    }

    /// Stops the node as a crash would and starts it on the same folders.
    pub(crate) async fn restart(self) -> Self {
        self.restart_on("db").await
    }

    /// The same on another database.
    pub(crate) async fn restart_on(self, db: &str) -> Self {
        let Self { spec, provider, pool, proposer, key, dir, .. } = self;
        let path = provider.path().to_owned();
        drop((provider, pool, proposer));
        released(&path, &spec).await;
        Self::start(spec, dir, db, key, None)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn sign_state(&self) -> Result<FoundSignState, SignStateError> {
        SignStore::open(&self.path("sign"), self.spec.genesis_hash(), self.key.address())
    }

    /// The validators after the head.
    pub(crate) fn validators(&self) -> ValidatorSet {
        let parent = self.provider.last_header().unwrap();
        let source = StoredValidators::new(self.provider.clone(), self.schedule.clone());
        source.state_after(&parent).unwrap().validators().clone()
    }

    /// Builds and checks a block on the head, as the engine does when the core asks for one.
    pub(crate) fn propose(&self) -> Result<ExecutedBlock, EngineError> {
        let parent = self.provider.last_header().unwrap();
        let validators = self.validators();
        let period = self.schedule.params(parent.number + 1, parent.timestamp).period;
        let earliest = parent.timestamp + period.min_seconds().unwrap_or(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now = u64::try_from(now).unwrap();
        self.proposer.propose(&BlockOrder {
            extra_data: sealing::unsealed_extra_data(B256::ZERO, &validators, None, 0),
            validators,
            coinbase: self.key.address(),
            timestamp: earliest.max(fresh_timestamp(now, 0)),
            parent,
        })
    }

    /// Builds a block and seals it as a lone validator.
    pub(crate) fn sealed(&self) -> ExecutedBlock {
        seal(self.propose().unwrap(), std::slice::from_ref(&self.key))
    }

    /// Commits a sealed block and tells the pool.
    pub(crate) fn commit(&self, block: &ExecutedBlock) {
        self.provider.commit_block_with(block, &CommitExtras::default()).unwrap();
        let (recovered, state) = (&block.recovered_block, block.hashed_state.clone());
        self.pool.on_canonical_state_change(CanonicalStateUpdate::new(recovered, state, 0, 0));
    }

    /// A block without an engine and without a sign record, as an import leaves it.
    pub(crate) fn produce(&self) -> ExecutedBlock {
        let block = self.sealed();
        self.commit(&block);
        block
    }

    /// Puts transactions into the pool and returns their hashes.
    pub(crate) fn add(&self, transactions: Vec<PooledTransaction>) -> Vec<TxHash> {
        let added = self.pool.add_transactions(TransactionOrigin::External, transactions);
        added.into_iter().map(|hash| hash.unwrap()).collect()
    }

    pub(crate) fn head(&self) -> (u64, B256) {
        let head = self.provider.last_header().unwrap();
        (head.number, head.hash())
    }

    /// The stored block with its seals, RLP.
    pub(crate) fn stored(&self, number: u64) -> Vec<u8> {
        alloy_rlp::encode(self.provider.block_by_number(number).unwrap().unwrap())
    }

    /// Round and seals of a stored header.
    pub(crate) fn extra(&self, number: u64) -> ExtraData {
        let header = self.provider.sealed_header(number).unwrap().unwrap();
        ExtraData::decode(&header.extra_data).unwrap()
    }

    /// What an engine of this node works with.
    pub(crate) fn parts(
        &self,
        network: Option<EngineNetwork>,
        status: Arc<LocalStatus>,
    ) -> EngineParts {
        let validators = StoredValidators::new(self.provider.clone(), self.schedule.clone());
        EngineParts {
            chain_spec: self.spec.clone(),
            schedule: self.schedule.clone(),
            provider: self.provider.clone(),
            validators: Arc::new(validators),
            evm_config: PeruriEvmConfig::new(self.spec.clone()),
            pool: Arc::new(self.pool.clone()),
            proposer: self.proposer.clone(),
            importer: importer(&self.spec, &self.provider),
            signer: ValidatorSigner::new(self.key.clone()),
            sign_state: self.sign_state().unwrap(),
            network,
            status,
            config: EngineConfig { message_log: Some(self.path("messages")), ..engine_config() },
            data_dir: self.dir.path().to_owned(),
            min_free_bytes: 0,
        }
    }
}

fn pool(spec: &Arc<ChainSpec>, provider: &ProviderFactory) -> Pool {
    let head = provider.last_header().unwrap();
    let head = BlockInfo {
        number: head.number,
        timestamp: head.timestamp,
        gas_limit: head.gas_limit,
        next_base_fee: 0,
        next_blob_fee: 0,
    };
    Pool::new(
        PoolConfig::default(),
        spec.clone(),
        Arc::new(provider.clone()),
        Arc::new(SenderPermissions::open()),
        head,
    )
}

/// Waits until the threads of an engine that was cut off have let go of a database.
pub(super) async fn released(path: &Path, spec: &Arc<ChainSpec>) {
    eventually("the database is released", async || {
        ProviderFactory::open(path, spec.clone(), DbOptions::default()).ok().map(drop)
    })
    .await;
}

/// Puts the seals of `keys` (round 0) into a block.
pub(crate) fn seal(block: ExecutedBlock, keys: &[PrivateKeySigner]) -> ExecutedBlock {
    let header = block.recovered_block.header();
    let digest = seal_digest(header).unwrap().0;
    let sign = |key: &PrivateKeySigner| ValidatorSigner::new(key.clone()).sign(digest).unwrap();
    let seals = keys.iter().map(|key| sign(key).into()).collect();
    let (mut inner, senders) = Arc::unwrap_or_clone(block.recovered_block).split();
    inner.header = sealing::seal_header(&inner.header, 0, seals).unwrap();
    let recovered_block = Arc::new(RecoveredBlock::new_unhashed(inner, senders));
    ExecutedBlock { recovered_block, ..block }
}

/// RLP of a block with its seals.
pub(crate) fn encoded(block: &ExecutedBlock) -> Vec<u8> {
    alloy_rlp::encode(block.recovered_block.sealed_block())
}

/// The block as it was signed in round 0.
pub(crate) fn signed(block: &ExecutedBlock) -> peruri_ibft2::Block {
    let mut block = block.recovered_block.sealed_block().clone_block();
    block.header = sealing::with_round(&block.header, 0).unwrap();
    peruri_ibft2::Block::decode(&mut alloy_rlp::encode(block).as_slice()).unwrap()
}

pub(crate) fn hashes(block: &ExecutedBlock) -> Vec<TxHash> {
    block.recovered_block.body().transactions.iter().map(|tx| *tx.tx_hash()).collect()
}
