//! The chains that ship with the node, as genesis files that pass the same parser as any other.

use crate::ChainSpec;
use alloy_primitives::{B256, b256};

/// Genesis file of the pilot network: chain id 7251, forks to Prague from block 0, gas limit
/// 100,000,000, a block every 2 s, request timeout 4 s, epoch 30,000, no base fee, signatures bound
/// to the chain; one transparency log, `activity`, without subject chains, written by source 1.
///
/// Its three validators are the addresses of private keys that Besu's documentation publishes, two
/// of them together are the log's governance, and source 1 signs with the first key of the mnemonic
/// that [`DEV_JSON`] names, so that the file is complete and anybody can run it. **They are
/// examples**: `genesis create` writes a file with the validators and sources of a real network,
/// whose genesis hash is another one.
pub const PILOT_JSON: &str = include_str!("../res/pilot.json");

/// Genesis file for development: chain id 7252, forks to Prague from block 0, a block every second,
/// ordinary base fee, one validator ([`DEV_VALIDATOR_KEY`]), one million ether on each of the first
/// ten accounts of the mnemonic `test test test test test test test test test test test junk`
/// (derivation path `m/44'/60'/0'/0/i`).
pub const DEV_JSON: &str = include_str!("../res/dev.json");

/// Private key of the only validator of [`DEV_JSON`]. It is public; its address is
/// `0xfe3b557e8fb62b89f4916b721be55ceb828dbd73`.
pub const DEV_VALIDATOR_KEY: B256 =
    b256!("0x8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63");

impl ChainSpec {
    /// The pilot network with example validators, see [`PILOT_JSON`].
    ///
    /// # Panics
    ///
    /// Never: the file is part of the program and a test parses it.
    pub fn pilot() -> Self {
        embedded(PILOT_JSON)
    }

    /// The development chain, see [`DEV_JSON`].
    ///
    /// # Panics
    ///
    /// Never: the file is part of the program and a test parses it.
    pub fn dev() -> Self {
        embedded(DEV_JSON)
    }
}

fn embedded(json: &str) -> ChainSpec {
    ChainSpec::from_genesis_json(json).expect("an embedded genesis file is valid").0
}
