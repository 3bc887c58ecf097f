//! A pool over accounts in memory, and signed transactions for it.

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip4844WithSidecar, TxEip7702, TxLegacy,
};
use alloy_eips::{
    eip2718::Encodable2718, eip7594::BlobTransactionSidecarVariant, eip7702::SignedAuthorization,
};
use alloy_primitives::{Address, Bytes, Signature, TxHash, TxKind, U256, map::AddressMap};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use parking_lot::Mutex;
use peruri_chainspec::ChainSpec;
use peruri_primitives::PooledTransaction;
use peruri_txpool::{
    AccountReader, BlockInfo, CanonicalStateUpdate, ChangedAccount, ChangedAccounts, Pool,
    PoolAccount, PoolConfig, SenderPermissions, TransactionPool,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Chain id of the chain that most tests use: no base fee, IBFT 2.0, Prague.
pub(crate) const CHAIN: u64 = 7251;

type Hook = Box<dyn FnOnce() + Send>;

/// Accounts in memory: an ether and nonce 0 unless set.
#[derive(Default)]
pub(crate) struct Accounts {
    pub(crate) set: Mutex<AddressMap<PoolAccount>>,
    /// Accounts read so far.
    pub(crate) reads: AtomicUsize,
    pub(crate) fail: AtomicBool,
    /// Signers of the transparency log's sources.
    pub(crate) sources: Mutex<std::collections::BTreeMap<u32, Address>>,
    /// Run once, after the next read.
    pub(crate) after_read: Mutex<Option<Hook>>,
}

impl AccountReader for Accounts {
    fn accounts(&self, addresses: &[Address]) -> Result<Vec<PoolAccount>, String> {
        if self.fail.load(Ordering::Relaxed) {
            return Err("disk on fire".to_owned());
        }
        self.reads.fetch_add(addresses.len(), Ordering::Relaxed);
        let rich =
            PoolAccount { balance: U256::from(1_000_000_000_000_000_000u64), ..Default::default() };
        let set = self.set.lock();
        let read = addresses.iter().map(|a| set.get(a).copied().unwrap_or(rich)).collect();
        drop(set);
        if let Some(hook) = self.after_read.lock().take() {
            hook();
        }
        Ok(read)
    }

    fn source_signer(&self, source: u32) -> Result<Option<Address>, String> {
        if self.fail.load(Ordering::Relaxed) {
            return Err("disk on fire".to_owned());
        }
        Ok(self.sources.lock().get(&source).copied())
    }
}

pub(crate) fn head(chain: &ChainSpec) -> BlockInfo {
    let header = chain.genesis_header();
    BlockInfo {
        number: 0,
        timestamp: header.timestamp,
        gas_limit: header.gas_limit,
        next_base_fee: chain.next_base_fee(header, header.timestamp + 1).unwrap_or_default(),
        next_blob_fee: 1,
    }
}

/// A pool on the pilot chain and its accounts.
pub(crate) fn pool_with(
    config: PoolConfig,
    permissions: SenderPermissions,
) -> (Pool, Arc<Accounts>) {
    pool_on(ChainSpec::pilot(), config, permissions)
}

pub(crate) fn pool_on(
    chain: ChainSpec,
    config: PoolConfig,
    permissions: SenderPermissions,
) -> (Pool, Arc<Accounts>) {
    let accounts = Arc::new(Accounts::default());
    let head = head(&chain);
    let pool = Pool::new(config, Arc::new(chain), accounts.clone(), Arc::new(permissions), head);
    (pool, accounts)
}

pub(crate) fn open_pool() -> (Pool, Arc<Accounts>) {
    pool_with(PoolConfig::default(), SenderPermissions::open())
}

/// An Ethereum chain (no IBFT) with these times of Cancun, Prague and Osaka.
pub(crate) fn ethereum_chain(osaka_time: u64) -> ChainSpec {
    let json = format!(
        r#"{{
            "config": {{
                "chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
                "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0,
                "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
                "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0,
                "osakaTime": {osaka_time},
                "blobSchedule": {{
                    "cancun": {{"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477}},
                    "prague": {{"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716}},
                    "osaka": {{"target": 6, "max": 9, "baseFeeUpdateFraction": 5007716}}
                }}
            }},
            "difficulty": "0x0", "gasLimit": "0x1c9c380", "timestamp": "0x0", "alloc": {{}}
        }}"#
    );
    ChainSpec::from_genesis_json(&json).unwrap().0
}

/// The `n`-th signer.
pub(crate) fn signer(n: u64) -> PrivateKeySigner {
    let key = alloy_primitives::keccak256(n.to_be_bytes());
    PrivateKeySigner::from_bytes(&key).unwrap()
}

fn sign<T: SignableTransaction<Signature>>(
    signer: &PrivateKeySigner,
    tx: T,
) -> alloy_consensus::Signed<T> {
    let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
    tx.into_signed(signature)
}

/// A plain transfer without fees on the pilot chain.
pub(crate) fn transfer(n: u64, nonce: u64) -> PooledTransaction {
    eip1559(n, TxEip1559 { nonce, ..call() })
}

/// A call with 21,000 gas to nobody on the pilot chain.
pub(crate) fn call() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(0x11)),
        ..Default::default()
    }
}

pub(crate) fn eip1559(n: u64, tx: TxEip1559) -> PooledTransaction {
    sign(&signer(n), tx).into()
}

pub(crate) fn legacy(n: u64, tx: TxLegacy) -> PooledTransaction {
    sign(&signer(n), tx).into()
}

pub(crate) fn eip2930(n: u64, tx: TxEip2930) -> PooledTransaction {
    sign(&signer(n), tx).into()
}

pub(crate) fn eip7702(n: u64, tx: TxEip7702) -> PooledTransaction {
    sign(&signer(n), tx).into()
}

pub(crate) fn authorization(n: u64, nonce: u64) -> SignedAuthorization {
    let authorization = alloy_eips::eip7702::Authorization {
        chain_id: U256::from(CHAIN),
        address: Address::repeat_byte(0x22),
        nonce,
    };
    let signature = signer(n).sign_hash_sync(&authorization.signature_hash()).unwrap();
    authorization.into_signed(signature)
}

pub(crate) fn eip4844(
    n: u64,
    tx: TxEip4844,
    sidecar: BlobTransactionSidecarVariant,
) -> PooledTransaction {
    let (tx, signature, hash) = sign(&signer(n), tx).into_parts();
    let tx = TxEip4844WithSidecar::from_tx_and_sidecar(tx, sidecar);
    PooledTransaction::Eip4844(alloy_consensus::Signed::new_unchecked(tx, signature, hash))
}

pub(crate) fn raw(tx: &PooledTransaction) -> Bytes {
    tx.encoded_2718().into()
}

pub(crate) fn raws<'a>(txs: impl IntoIterator<Item = &'a PooledTransaction>) -> Vec<Bytes> {
    txs.into_iter().map(raw).collect()
}

/// A block on top of `pool` with `mined` in it, after which these accounts (signer, nonce) have an
/// ether.
pub(crate) fn mine(pool: &Pool, mined: Vec<TxHash>, changed: &[(u64, u64)]) {
    let info = pool.block_info();
    let changed = changed
        .iter()
        .map(|(n, nonce)| ChangedAccount {
            address: signer(*n).address(),
            nonce: *nonce,
            balance: U256::from(1_000_000_000_000_000_000u64),
            code: Default::default(),
        })
        .collect();
    pool.on_canonical_state_change(CanonicalStateUpdate {
        block: BlockInfo { number: info.number + 1, timestamp: info.timestamp + 2, ..info },
        mined,
        changed_accounts: ChangedAccounts::ByAddress(changed),
    });
}
