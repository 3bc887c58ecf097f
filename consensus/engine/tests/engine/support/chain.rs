//! Chains, keys and transactions.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use peruri_chainspec::{ChainSpec, DEV_VALIDATOR_KEY};
use peruri_ibft2::{ValidatorSet, sealing};
use peruri_primitives::PooledTransaction;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

const CHAIN_ID: u64 = 99;
/// Funded accounts: signers 0 to 9.
const FUNDED: u64 = 10;

/// The key of the only validator.
pub(crate) fn validator_key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&DEV_VALIDATOR_KEY).unwrap()
}

/// The `n`-th signer.
pub(crate) fn signer(n: u64) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&keccak256(n.to_be_bytes())).unwrap()
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a test wants to be different about its chain. Blocks have no least distance by default:
/// those that a test makes at once would lie in the future otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Genesis {
    pub(crate) chain_id: u64,
    /// Keys added to `config.ibft2`.
    pub(crate) ibft2: Value,
    pub(crate) timestamp: u64,
    pub(crate) validators: Vec<Address>,
    pub(crate) gas_limit: u64,
}

impl Default for Genesis {
    fn default() -> Self {
        Self {
            chain_id: CHAIN_ID,
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

    /// A chain with a block every 20 ms and these further keys.
    pub(crate) fn fast(more: Value) -> Self {
        Self::default().with(more)
    }

    /// The same without empty blocks, for as long as a test lasts.
    pub(crate) fn on_demand() -> Self {
        let genesis = Self::fast(json!({"emptyblockperiodseconds": 3_600}));
        Self { timestamp: unix_seconds(), ..genesis }
    }

    /// A chain with a block a second whose genesis the clock has not reached: to the node it looks
    /// as if the clock had been set back since.
    pub(crate) fn after_the_clock_was_set_back() -> Self {
        Self { timestamp: unix_seconds() + 3_600, ..Self::ibft2(json!({})) }
    }

    /// The same chain with further keys in `config.ibft2`.
    pub(crate) fn with(mut self, more: Value) -> Self {
        self.ibft2.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self
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
                "chainId": self.chain_id, "zeroBaseFee": true, "berlinBlock": 0, "londonBlock": 0,
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
