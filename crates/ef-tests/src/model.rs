//! The files' format: Ethereum blockchain tests.

use std::collections::BTreeMap;

use alloy_eips::{BlobScheduleBlobParams, eip7840::BlobParams};
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Deserialize;

/// One test of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BlockchainTest {
    /// Name of the fork schedule.
    pub(crate) network: String,
    /// The genesis header; only its hash is read.
    pub(crate) genesis_block_header: TestHeader,
    /// The genesis block.
    #[serde(rename = "genesisRLP")]
    pub(crate) genesis_rlp: Bytes,
    /// Blocks in the order in which they arrive.
    pub(crate) blocks: Vec<TestBlock>,
    /// The state of the genesis block.
    pub(crate) pre: BTreeMap<Address, TestAccount>,
    /// The state after the head.
    pub(crate) post_state: Option<BTreeMap<Address, TestAccount>>,
    /// Its root, where the state itself is too long.
    pub(crate) post_state_hash: Option<B256>,
    /// The head.
    #[serde(rename = "lastblockhash")]
    pub(crate) last_block_hash: B256,
    /// Chain id and blob schedule; older tests have neither.
    #[serde(default)]
    pub(crate) config: TestConfig,
}

/// A header, of which only the hash matters here: everything else is in the RLP.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TestHeader {
    /// Block hash.
    pub(crate) hash: B256,
}

/// A block that arrives.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestBlock {
    /// The block's bytes, `0x` hexadecimal.
    pub(crate) rlp: Bytes,
    /// Its header, if it is valid.
    pub(crate) block_header: Option<TestHeader>,
    /// Why it is not.
    pub(crate) expect_exception: Option<String>,
}

/// An account of a state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct TestAccount {
    /// Balance in wei.
    pub(crate) balance: U256,
    /// Nonce.
    pub(crate) nonce: U64,
    /// Code.
    pub(crate) code: Bytes,
    /// Slots.
    pub(crate) storage: BTreeMap<U256, U256>,
}

impl From<TestAccount> for GenesisAccount {
    fn from(account: TestAccount) -> Self {
        let slots = account.storage.into_iter().filter(|(_, value)| !value.is_zero());
        Self {
            nonce: Some(account.nonce.to()),
            balance: account.balance,
            code: Some(account.code).filter(|code| !code.is_empty()),
            storage: Some(slots.map(|(slot, value)| (slot.into(), value.into())).collect()),
            private_key: None,
        }
    }
}

impl BlockchainTest {
    /// The genesis allocation.
    pub(crate) fn genesis(&self) -> Genesis {
        let alloc = self.pre.iter().map(|(address, account)| (*address, account.clone().into()));
        Genesis { alloc: alloc.collect(), ..Genesis::default() }
    }
}

/// Parameters of the chain.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestConfig {
    /// Chain id, 1 if absent.
    #[serde(alias = "chainid")]
    pub(crate) chain_id: Option<U64>,
    /// Blob parameters by fork name, mainnet's if absent.
    pub(crate) blob_schedule: Option<BTreeMap<String, TestBlobParams>>,
}

/// Blob parameters of a fork.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestBlobParams {
    /// Target of blobs per block.
    pub(crate) target: U64,
    /// Most blobs per block.
    pub(crate) max: U64,
    /// How slowly the price moves.
    pub(crate) base_fee_update_fraction: U64,
}

impl TestBlobParams {
    fn apply(self, base: BlobParams) -> BlobParams {
        let max: u64 = self.max.to();
        BlobParams {
            target_blob_count: self.target.to(),
            max_blob_count: max,
            update_fraction: self.base_fee_update_fraction.to(),
            // Before Osaka a transaction may carry as many as a block.
            max_blobs_per_tx: if base.blob_base_cost == 0 { max } else { base.max_blobs_per_tx },
            ..base
        }
    }
}

impl TestConfig {
    /// The blob schedule; `times` are those of the forks that change blob parameters only, from
    /// BPO1 on, `None` where a fork is not scheduled.
    pub(crate) fn blob_schedule(&self, times: [Option<u64>; 5]) -> Option<BlobScheduleBlobParams> {
        let given = self.blob_schedule.as_ref()?;
        let params =
            |name: &str, base: BlobParams| given.get(name).map_or(base, |given| given.apply(base));
        let names = ["BPO1", "BPO2", "BPO3", "BPO4", "BPO5"];
        let scheduled = names
            .into_iter()
            .zip(times)
            .filter_map(|(name, time)| Some((time?, params(name, BlobParams::bpo2()))));
        Some(BlobScheduleBlobParams {
            cancun: params("Cancun", BlobParams::cancun()),
            prague: params("Prague", BlobParams::prague()),
            osaka: params("Osaka", BlobParams::osaka()),
            scheduled: scheduled.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: &str = r#"{
        "network": "Cancun",
        "genesisBlockHeader": {"hash": "0x0000000000000000000000000000000000000000000000000000000000000001", "number": "0x00"},
        "genesisRLP": "0xc0",
        "blocks": [
            {"rlp": "0xc0", "expectException": "BlockException.UNKNOWN_PARENT", "rlp_decoded": {}},
            {"rlp": "0xc0", "blockHeader": {"hash": "0x0000000000000000000000000000000000000000000000000000000000000002"}}
        ],
        "pre": {"0x1000000000000000000000000000000000000000": {
            "balance": "0x00", "nonce": "0x01", "code": "0x6001", "storage": {"0x00": "0x0a", "0x01": "0x00"}
        }},
        "postStateHash": "0x0000000000000000000000000000000000000000000000000000000000000003",
        "lastblockhash": "0x0000000000000000000000000000000000000000000000000000000000000002",
        "sealEngine": "NoProof"
    }"#;

    fn test() -> BlockchainTest {
        serde_json::from_str(TEST).expect("a test")
    }

    #[test]
    fn tests_are_read() {
        let test = test();
        assert_eq!(test.network, "Cancun");
        assert!(test.post_state.is_none());
        assert_eq!(test.post_state_hash, Some(B256::with_last_byte(3)));
        assert!(test.blocks[0].block_header.is_none());
        assert_eq!(
            test.blocks[0].expect_exception.as_deref(),
            Some("BlockException.UNKNOWN_PARENT")
        );
        assert_eq!(test.blocks[1].block_header.as_ref().map(|h| h.hash.0[31]), Some(2));
    }

    #[test]
    fn the_genesis_leaves_zero_slots_out() {
        let genesis = test().genesis();
        let account = genesis.alloc.values().next().expect("one account");
        assert_eq!(account.nonce, Some(1));
        let storage = account.storage.clone().unwrap_or_default();
        assert_eq!(storage, BTreeMap::from([(B256::ZERO, B256::with_last_byte(10))]));
    }

    #[test]
    fn blob_schedules_override_the_defaults() {
        let config: TestConfig = serde_json::from_str(
            r#"{"chainid": "0x01", "blobSchedule": {"Prague": {
                "target": "0x02", "max": "0x04", "baseFeeUpdateFraction": "0x4c6964"}}}"#,
        )
        .expect("a config");
        let schedule = config.blob_schedule([Some(7), None, None, None, None]).expect("schedule");
        assert_eq!(schedule.prague.max_blob_count, 4);
        assert_eq!(schedule.prague.max_blobs_per_tx, 4);
        assert_eq!(schedule.cancun, BlobParams::cancun());
        assert_eq!(schedule.scheduled[0].0, 7);
        assert!(TestConfig::default().blob_schedule([None; 5]).is_none());
    }

    #[test]
    fn what_is_no_blockchain_test_is_an_error() {
        for text in ["{}", r#"{"network": "Cancun", "engineNewPayloads": []}"#] {
            assert!(serde_json::from_str::<BlockchainTest>(text).is_err(), "{text}");
        }
    }
}
