//! Genesis files of small networks, in Besu's format.

use crate::{Network, NodeOptions, Result, TestnetError, Wallet};
use alloy_primitives::{Address, B256, Bytes, hex};
use peruri_ibft2::{ExtraData, Form};
use serde_json::{Value, json};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// What differs between the networks of scenarios. Everything else is the pilot's: all forks up to
/// Prague from genesis, zero base fee, epochs of 30,000 blocks.
#[derive(Debug, Clone)]
pub struct GenesisFile {
    /// Chain id.
    pub chain_id: u64,
    /// Seconds between blocks.
    pub block_period_seconds: u64,
    /// Gas limit of a block.
    pub gas_limit: u64,
    /// The validators.
    pub validators: Vec<Address>,
    /// Accounts with 1,000,000 coins each.
    pub funded: Vec<Address>,
    /// `config.plog`: the transparency log.
    pub plog: Option<Value>,
}

impl GenesisFile {
    /// The pilot's chain: id 7251, 2 s, gas limit 100,000,000; nobody validates or is funded yet.
    pub const fn pilot() -> Self {
        Self {
            chain_id: 7251,
            block_period_seconds: 2,
            gas_limit: 100_000_000,
            validators: Vec::new(),
            funded: Vec::new(),
            plog: None,
        }
    }

    /// Makes this the chain of one validator with a new key: writes key and genesis file under
    /// `folder` and initialises the data folder. Returns how to start the node.
    ///
    /// # Errors
    /// [`TestnetError::Io`], or [`TestnetError::Command`] if `init` refuses the file.
    pub async fn solo(mut self, program: &Path, folder: &Path) -> Result<NodeOptions> {
        let network = Network { chain_id: self.chain_id, max_fee_per_gas: 0 };
        let key = B256::new(rand::random());
        self.validators = vec![Wallet::new(&key, network)?.address()];
        let mut options = NodeOptions::dev(program, folder);
        let datadir = &options.datadir;
        fs::create_dir_all(datadir).map_err(TestnetError::io(datadir.display().to_string()))?;
        write_secret(&datadir.join("key"), &key)?;
        let file = folder.join("genesis.json");
        self.write(&file)?;
        options.chain = Some(file);
        options.init().await?;
        // It has nobody to talk to, and the usual port may be taken.
        Ok(options.with_args(["--network.disable"]))
    }

    /// The file's content.
    pub fn to_json(&self) -> Value {
        let vanity = Bytes::from_static(&[0; 32]);
        let extra_data = ExtraData::genesis(vanity, self.validators.clone()).encode(Form::All);
        let mut genesis = json!({
            "config": {
                "chainId": self.chain_id,
                "berlinBlock": 0,
                "londonBlock": 0,
                "shanghaiTime": 0,
                "cancunTime": 0,
                "pragueTime": 0,
                "zeroBaseFee": true,
                "ibft2": {
                    "blockperiodseconds": self.block_period_seconds,
                    "epochlength": 30_000,
                    "requesttimeoutseconds": self.block_period_seconds * 2,
                    "chainBoundSignatures": true,
                },
            },
            "nonce": "0x0",
            "timestamp": "0x0",
            // Without it block 0 has Ethereum's first base fee, and wallets that look at it offer one.
            "baseFeePerGas": "0x0",
            "gasLimit": format!("{:#x}", self.gas_limit),
            "difficulty": "0x1",
            // Besu's mark of an IBFT header.
            "mixHash": "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365",
            "coinbase": Address::ZERO,
            "extraData": extra_data,
            "alloc": alloc(&self.funded),
        });
        if let Some(plog) = &self.plog {
            genesis["config"]["plog"] = plog.clone();
        }
        genesis
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`TestnetError::Io`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = format!("{:#}\n", self.to_json());
        fs::write(path, text).map_err(TestnetError::io(path.display().to_string()))
    }
}

/// The part of a genesis file that gives 1,000,000 coins to each of these accounts.
pub(crate) fn alloc(funded: &[Address]) -> Value {
    let balance = json!({ "balance": "1000000000000000000000000" });
    funded.iter().map(|account| (hex::encode(account), balance.clone())).collect()
}

/// Writes a key as hex to a new file that only its owner can read.
///
/// # Errors
/// [`TestnetError::Io`], also if the file exists.
pub fn write_secret(path: &Path, key: &B256) -> Result<()> {
    let io = || TestnetError::io(path.display().to_string());
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(io())?;
    writeln!(file, "{}", hex::encode(key)).map_err(io())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn extra_data_names_the_validators() {
        let validators = vec![Address::repeat_byte(1)];
        let file = GenesisFile {
            validators: validators.clone(),
            funded: vec![Address::repeat_byte(2)],
            ..GenesisFile::pilot()
        };
        let json = file.to_json();
        let extra: Bytes = json["extraData"].as_str().expect("hex").parse().expect("hex");
        assert_eq!(ExtraData::decode(&extra).expect("decodes").validators, validators);
        assert_eq!(json["config"]["ibft2"]["requesttimeoutseconds"], 4);
        assert!(json["alloc"].get("02".repeat(20)).is_some());
    }

    #[test]
    fn a_secret_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        write_secret(&path, &B256::repeat_byte(1)).expect("written");
        let mode = fs::metadata(&path).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(write_secret(&path, &B256::repeat_byte(2)).is_err());
        assert_eq!(fs::read_to_string(&path).expect("text"), format!("{}\n", "01".repeat(32)));
    }
}
