//! A validator in a temporary folder: database, sign state, pool and proposer.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, TxHash, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use peruri_chainspec::{ChainSpec, DEV_VALIDATOR_KEY};
use peruri_engine::{
    BlockImporter, Engine, EngineConfig, EngineError, EngineParts, Proposer, SealSigner,
    SelfValidation, SignStateError, SignStore, resume, self_validation,
};
use peruri_evm::PeruriEvmConfig;
use peruri_ibft2::{Ibft2Schedule, ValidatorSet, sealing};
use peruri_payload::PayloadBuilder;
use peruri_primitives::PooledTransaction;
use peruri_storage::{CommitExtras, DbOptions, ExecutedBlock, ProviderFactory};
use peruri_txpool::{
    BlockInfo, CanonicalStateUpdate, Pool, PoolConfig, SenderPermissions, TransactionOrigin,
    TransactionPool,
};
use peruri_validation::{FullConsensus, IbftConsensus, StoredValidators, ValidatorSource};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(crate) const CHAIN_ID: u64 = 99;
/// Funded accounts: signers 0 to 9.
const FUNDED: u64 = 10;

/// The key of the only validator.
pub(crate) fn validator_key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&DEV_VALIDATOR_KEY).unwrap()
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a test wants to be different about its chain. Blocks have no least distance by default:
/// those that a test makes at once would lie in the future otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Genesis {
    /// Keys added to `config.ibft2`.
    pub(crate) ibft2: Value,
    pub(crate) timestamp: u64,
    pub(crate) validators: Vec<Address>,
    pub(crate) gas_limit: u64,
}

impl Default for Genesis {
    fn default() -> Self {
        Self {
            ibft2: json!({"xblockperiodmilliseconds": 20}),
            timestamp: 0x6955_b900,
            validators: vec![validator_key().address()],
            gas_limit: 30_000_000,
        }
    }
}

impl Genesis {
    pub(crate) fn ibft2(ibft2: Value) -> Self {
        Self { ibft2, ..Self::default() }
    }

    /// A chain with a block a second whose genesis the clock has not reached: to the node it looks
    /// as if the clock had been set back since.
    pub(crate) fn after_the_clock_was_set_back() -> Self {
        Self { timestamp: unix_seconds() + 3_600, ..Self::ibft2(json!({})) }
    }

    pub(crate) fn spec(&self) -> Arc<ChainSpec> {
        let validators: ValidatorSet = self.validators.iter().copied().collect();
        let extra_data = sealing::unsealed_extra_data(B256::ZERO, &validators, None, 0);
        let mut ibft2 =
            json!({"blockperiodseconds": 1, "requesttimeoutseconds": 2, "epochlength": 30_000});
        let more = self.ibft2.as_object().unwrap().clone();
        ibft2.as_object_mut().unwrap().extend(more);
        let alloc: serde_json::Map<String, Value> = (0..FUNDED)
            .map(|n| (signer(n).address().to_string(), json!({"balance": "1000000000000000000"})))
            .collect();
        let genesis = json!({
            "config": {
                "chainId": CHAIN_ID, "zeroBaseFee": true, "berlinBlock": 0, "londonBlock": 0,
                "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "ibft2": ibft2
            },
            "nonce": "0x0",
            "timestamp": format!("{:#x}", self.timestamp),
            "gasLimit": format!("{:#x}", self.gas_limit),
            "difficulty": "0x1",
            "mixHash": "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365",
            "coinbase": Address::ZERO.to_string(),
            "extraData": extra_data,
            "alloc": alloc
        });
        Arc::new(ChainSpec::from_genesis_json(&genesis.to_string()).unwrap().0)
    }
}

/// A node whose folders outlive it, so that it can be started again.
pub(crate) struct Node {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) schedule: Arc<Ibft2Schedule>,
    pub(crate) provider: ProviderFactory,
    pub(crate) pool: Pool,
    pub(crate) proposer: Arc<Proposer>,
    pub(crate) dir: Arc<tempfile::TempDir>,
}

pub(crate) fn schedule(spec: &ChainSpec) -> Arc<Ibft2Schedule> {
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

impl Node {
    /// A new node with a first sign-state record.
    pub(crate) fn new(genesis: &Genesis) -> Self {
        Self::with_validation(genesis, None)
    }

    /// A new node that checks its blocks by `validation`.
    pub(crate) fn with_validation(genesis: &Genesis, validation: Option<SelfValidation>) -> Self {
        let spec = genesis.spec();
        let dir = Arc::new(tempfile::tempdir().unwrap());
        SignStore::create(&dir.path().join("sign"), spec.genesis_hash(), validator_key().address())
            .unwrap();
        Self::start(spec, dir, "db", validation)
    }

    /// A node on the database `db` in `dir`.
    pub(crate) fn start(
        spec: Arc<ChainSpec>,
        dir: Arc<tempfile::TempDir>,
        db: &str,
        validation: Option<SelfValidation>,
    ) -> Self {
        let provider = open_db(&dir.path().join(db), &spec);
        let schedule = schedule(&spec);
        let head = provider.last_header().unwrap();
        let head = BlockInfo {
            number: head.number,
            timestamp: head.timestamp,
            gas_limit: head.gas_limit,
            next_base_fee: 0,
            next_blob_fee: 0,
        };
        let pool = Pool::new(
            PoolConfig::default(),
            spec.clone(),
            Arc::new(provider.clone()),
            Arc::new(SenderPermissions::open()),
            head,
        );
        let validation = validation.unwrap_or_else(|| {
            let consensus = Arc::new(consensus(&spec, &provider));
            self_validation(spec.clone(), schedule.clone(), consensus)
        });
        let proposer = Proposer::new(
            spec.clone(),
            provider.clone(),
            Arc::new(pool.clone()),
            PayloadBuilder::new(PeruriEvmConfig::new(spec.clone())),
            SealSigner::new(validator_key()),
            EngineConfig {
                vanity: B256::ZERO,
                gas_limit_target: None,
                build_budget: Duration::from_secs(60),
            },
            validation,
        );
        Self { spec, schedule, provider, pool, proposer: Arc::new(proposer), dir }
    }

    /// Stops the node as a crash would and starts it on the same folders.
    pub(crate) fn restart(self) -> Self {
        let (spec, dir) = self.crash();
        Self::start(spec, dir, "db", None)
    }

    pub(crate) fn crash(self) -> (Arc<ChainSpec>, Arc<tempfile::TempDir>) {
        (self.spec, self.dir)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn sign_store(&self) -> Result<SignStore, SignStateError> {
        SignStore::open(&self.path("sign"), self.spec.genesis_hash(), validator_key().address())
    }

    /// What a start does before the engine runs.
    pub(crate) fn resume(&self) -> Result<(SignStore, Option<u64>), EngineError> {
        let store = self.sign_store()?;
        let resumed = resume(&store, &self.provider, &importer(&self.spec, &self.provider))?;
        Ok((store, resumed))
    }

    /// Builds and checks a block, as the engine's first step.
    pub(crate) fn propose(&self) -> Result<ExecutedBlock, EngineError> {
        let parent = self.provider.last_header().unwrap();
        let validators = StoredValidators::new(self.provider.clone(), self.schedule.clone());
        let state = validators.state_after(&parent).unwrap();
        self.proposer.propose(&self.schedule, state.validators(), &parent)
    }

    /// Builds and seals a block.
    pub(crate) fn sealed(&self) -> ExecutedBlock {
        self.proposer.seal(self.propose().unwrap()).unwrap()
    }

    /// Commits a sealed block and tells the pool.
    pub(crate) fn commit(&self, block: &ExecutedBlock, sequence: Option<u64>) {
        let extras = CommitExtras { sign_record_seq: sequence, ..CommitExtras::default() };
        self.provider.commit_block_with(block, &extras).unwrap();
        let (recovered, state) = (&block.recovered_block, block.hashed_state.clone());
        self.pool.on_canonical_state_change(CanonicalStateUpdate::new(recovered, state, 0, 0));
    }

    /// All the steps of one block.
    pub(crate) fn produce(&self, store: &mut SignStore) -> ExecutedBlock {
        let block = self.sealed();
        persist(store, &block);
        self.commit(&block, Some(store.record().sequence));
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

    /// The engine, resumed.
    pub(crate) fn engine(&self) -> Engine {
        self.engine_with(self.dir.path().to_owned(), 0)
    }

    pub(crate) fn engine_with(&self, data_dir: PathBuf, min_free_bytes: u64) -> Engine {
        let validators = StoredValidators::new(self.provider.clone(), self.schedule.clone());
        let parts = EngineParts {
            chain_spec: self.spec.clone(),
            schedule: self.schedule.clone(),
            provider: self.provider.clone(),
            validators: Arc::new(validators),
            proposer: self.proposer.clone(),
            sign_store: self.resume().unwrap().0,
            data_dir,
            min_free_bytes,
        };
        Engine::new(parts, Arc::new(self.pool.clone()))
    }
}

/// RLP of a block with its seals.
pub(crate) fn encoded(block: &ExecutedBlock) -> Vec<u8> {
    alloy_rlp::encode(block.recovered_block.sealed_block())
}

pub(crate) fn persist(store: &mut SignStore, block: &ExecutedBlock) {
    store.persist(block.number(), block.hash(), &encoded(block)).unwrap();
}

pub(crate) fn hashes(block: &ExecutedBlock) -> Vec<TxHash> {
    block.recovered_block.body().transactions.iter().map(|tx| *tx.tx_hash()).collect()
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The `n`-th signer.
pub(crate) fn signer(n: u64) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(n.to_be_bytes())).unwrap()
}

/// A transfer of one wei to nobody in particular.
pub(crate) fn transfer(n: u64, nonce: u64) -> PooledTransaction {
    call(n, nonce, Bytes::new(), 21_000)
}

pub(crate) fn call(n: u64, nonce: u64, input: Bytes, gas_limit: u64) -> PooledTransaction {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        to: TxKind::Call(Address::repeat_byte(0x11)),
        value: U256::ONE,
        input,
        ..Default::default()
    };
    let signature = signer(n).sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}
