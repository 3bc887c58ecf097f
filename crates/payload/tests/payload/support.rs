//! A chain of one validator in a temporary database, with a pool and signed transactions.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, TxHash, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use peruri_chainspec::{ChainSpec, DEV_VALIDATOR_KEY};
use peruri_evm::{NextBlockEnvAttributes, PeruriEvmConfig};
use peruri_ibft2::{ValidatorSet, sealing};
use peruri_payload::{BuildArguments, BuildError, BuildLimits, BuildOutcome, PayloadBuilder};
use peruri_primitives::PooledTransaction;
use peruri_storage::{DbOptions, ProviderFactory, ProviderResult, StateProvider, StateProviderBox};
use peruri_trie::{AccountProof, HashedPostState, StateRootOutput};
use peruri_txpool::{
    AccountReader, BlockInfo, Pool, PoolAccount, PoolConfig, SenderPermissions, TransactionOrigin,
    TransactionPool,
};
use reth_primitives_traits::Account;
use revm::bytecode::Bytecode;
use std::sync::Arc;

pub(crate) const CHAIN_ID: u64 = 99;
pub(crate) const ETHER: u64 = 1_000_000_000_000_000_000;
/// Funded accounts: signers 0 to 9.
const FUNDED: u64 = 10;
/// Signer whose balance the pool takes for higher than it is, as if the pool were behind.
pub(crate) const PAUPER: u64 = 50;

pub(crate) struct Chain {
    pub(crate) provider: ProviderFactory,
    pub(crate) pool: Pool,
    pub(crate) builder: PayloadBuilder,
    pub(crate) evm_config: PeruriEvmConfig,
    _dir: tempfile::TempDir,
}

/// The database's accounts, but with an ether on every empty one.
struct Generous(ProviderFactory);

impl AccountReader for Generous {
    fn accounts(&self, addresses: &[Address]) -> Result<Vec<PoolAccount>, String> {
        let mut accounts = self.0.accounts(addresses)?;
        for account in &mut accounts {
            account.balance = account.balance.max(U256::from(ETHER));
        }
        Ok(accounts)
    }

    fn source_signer(&self, source: u32) -> Result<Option<Address>, String> {
        self.0.source_signer(source)
    }
}

fn validator() -> Address {
    PrivateKeySigner::from_bytes(&DEV_VALIDATOR_KEY).unwrap().address()
}

fn extra_data() -> Bytes {
    let validators: ValidatorSet = [validator()].into_iter().collect();
    sealing::unsealed_extra_data(B256::ZERO, &validators, None, 0)
}

fn genesis(plog: &str) -> ChainSpec {
    let alloc: Vec<String> = (0..FUNDED)
        .map(|n| format!(r#""{}": {{"balance": "{ETHER}"}}"#, signer(n).address()))
        .collect();
    let json = format!(
        r#"{{
            "config": {{
                "chainId": {CHAIN_ID}, "zeroBaseFee": true, "berlinBlock": 0, "londonBlock": 0,
                "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, {plog}
                "ibft2": {{"blockperiodseconds": 1, "requesttimeoutseconds": 2, "epochlength": 30000}}
            }},
            "nonce": "0x0", "timestamp": "0x10", "gasLimit": "0x1c9c380", "difficulty": "0x1",
            "mixHash": "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365",
            "coinbase": "0x0000000000000000000000000000000000000000",
            "extraData": "{}",
            "alloc": {{{}}}
        }}"#,
        extra_data(),
        alloc.join(",")
    );
    ChainSpec::from_genesis_json(&json).unwrap().0
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self::on(genesis(""))
    }

    /// With a transparency log that three signers may write: source 1 is signer 0, and so on.
    pub(crate) fn with_log() -> Self {
        let log = crate::lane::LOG;
        let sources = [1, 2, 3];
        let source =
            |id: u64| format!(r#"{{"id": {id}, "signer": "{}"}}"#, signer(id - 1).address());
        let writer = |id: u64| format!(r#"{{"log": "{log}", "source": {id}}}"#);
        Self::on(genesis(&format!(
            r#""plog": {{"governance": "{}", "logs": [{{"id": "{log}", "mode": 0}}],
                "sources": [{}], "writers": [{}]}},"#,
            signer(9).address(),
            sources.map(source).join(","),
            sources.map(writer).join(","),
        )))
    }

    fn on(spec: ChainSpec) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let spec = Arc::new(spec);
        let provider =
            ProviderFactory::open(dir.path(), spec.clone(), DbOptions::default()).unwrap();
        provider.init_genesis().unwrap();
        let header = spec.genesis_header();
        let head = BlockInfo {
            number: 0,
            timestamp: header.timestamp,
            gas_limit: header.gas_limit,
            next_base_fee: 0,
            next_blob_fee: 0,
        };
        let pool = Pool::new(
            PoolConfig::default(),
            spec.clone(),
            Arc::new(Generous(provider.clone())),
            Arc::new(SenderPermissions::open()),
            head,
        );
        let evm_config = PeruriEvmConfig::new(spec);
        let builder = PayloadBuilder::new(evm_config.clone());
        Self { provider, pool, builder, evm_config, _dir: dir }
    }

    /// Puts transactions into the pool and returns their hashes.
    pub(crate) fn add(&self, transactions: Vec<PooledTransaction>) -> Vec<TxHash> {
        let added = self.pool.add_transactions(TransactionOrigin::External, transactions);
        added.into_iter().map(|hash| hash.unwrap()).collect()
    }

    /// A block on the head without bounds.
    pub(crate) fn arguments(&self) -> BuildArguments {
        let parent = self.provider.last_header().unwrap();
        let attributes = NextBlockEnvAttributes {
            timestamp: parent.timestamp + 1,
            coinbase: validator(),
            gas_limit: parent.gas_limit,
            extra_data: extra_data(),
            ..NextBlockEnvAttributes::default()
        };
        BuildArguments { parent, attributes, limits: BuildLimits::bytes(usize::MAX) }
    }

    pub(crate) fn limited(&self, limits: BuildLimits) -> BuildArguments {
        BuildArguments { limits, ..self.arguments() }
    }

    pub(crate) fn state(&self) -> StateProviderBox {
        self.provider.latest().unwrap()
    }

    pub(crate) fn build(&self, arguments: &BuildArguments) -> Result<BuildOutcome, BuildError> {
        self.build_on(arguments, &*self.state())
    }

    pub(crate) fn build_on(
        &self,
        arguments: &BuildArguments,
        state: &dyn StateProvider,
    ) -> Result<BuildOutcome, BuildError> {
        self.builder.build(arguments, state, self.pool.best_transactions())
    }
}

/// Hashes of a block's transactions.
pub(crate) fn hashes(outcome: &BuildOutcome) -> Vec<TxHash> {
    let block = &outcome.assembled.executed.recovered_block;
    block.body().transactions.iter().map(|tx| *tx.tx_hash()).collect()
}

/// The `n`-th signer.
pub(crate) fn signer(n: u64) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(n.to_be_bytes())).unwrap()
}

/// A transfer of one wei to nobody in particular.
pub(crate) fn transfer(n: u64, nonce: u64) -> PooledTransaction {
    sign(n, TxEip1559 { nonce, ..call() })
}

pub(crate) fn call() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0x11)),
        value: U256::ONE,
        ..Default::default()
    }
}

pub(crate) fn sign(n: u64, tx: TxEip1559) -> PooledTransaction {
    let signature = signer(n).sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature).into()
}

/// What happens when the account of a [`Haunted`] state is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curse {
    Panic,
    Fail,
}

/// A state in which one account cannot be read.
#[derive(Debug)]
pub(crate) struct Haunted {
    pub(crate) inner: StateProviderBox,
    pub(crate) account: Address,
    pub(crate) curse: Curse,
}

impl StateProvider for Haunted {
    fn account(&self, address: &Address) -> ProviderResult<Option<Account>> {
        if *address != self.account {
            return self.inner.account(address);
        }
        assert_ne!(self.curse, Curse::Panic, "haunted");
        Err(peruri_storage::ProviderError::Poisoned)
    }

    fn storage(&self, address: Address, slot: B256) -> ProviderResult<U256> {
        self.inner.storage(address, slot)
    }

    fn bytecode_by_hash(&self, hash: &B256) -> ProviderResult<Option<Bytecode>> {
        self.inner.bytecode_by_hash(hash)
    }

    fn block_hash(&self, number: u64) -> ProviderResult<Option<B256>> {
        self.inner.block_hash(number)
    }

    fn state_root_with_updates(&self, state: &HashedPostState) -> ProviderResult<StateRootOutput> {
        self.inner.state_root_with_updates(state)
    }

    fn proof(&self, address: Address, slots: &[B256]) -> ProviderResult<AccountProof> {
        self.inner.proof(address, slots)
    }
}
