//! Keys, genesis file and node list of a network.

use super::ClusterOptions;
use crate::{
    GenesisFile, Network, Result, SCENARIO_TOKEN, TestnetError, Token, Topology, Wallet,
    command::run, genesis::alloc,
};
use alloy_primitives::{Address, B256, hex};
use alloy_signer_local::PrivateKeySigner;
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, path::Path, process::Command};

/// Port of the connections between nodes, TCP and QUIC.
pub(super) const P2P_PORT: u16 = 30_303;

/// A node's name and key.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) secret: B256,
    pub(super) address: Address,
    /// Hexadecimal digits of the public key without the leading 04.
    public_key: String,
}

/// New keys for nodes of these names, then for `nodeN`.
pub(super) fn identities(
    names: &[String],
    count: usize,
    network: Network,
) -> Result<Vec<Identity>> {
    (1..=count)
        .map(|number| {
            let secret = B256::new(rand::random());
            let address = Wallet::new(&secret, network)?.address();
            let signer =
                PrivateKeySigner::from_bytes(&secret).map_err(alloy_signer::Error::other)?;
            let point = signer.credential().verifying_key().to_encoded_point(false);
            let public_key = hex::encode(&point.as_bytes()[1..]);
            let name = names.get(number - 1).cloned();
            let name = name.unwrap_or_else(|| format!("node{number}"));
            Ok(Identity { name, secret, address, public_key })
        })
        .collect()
}

/// Lets the node's own `genesis create` write genesis file and node list to `folder`, as the
/// organisations of a network do, and gives coins to the accounts of the load.
pub(super) fn create_network(
    options: &ClusterOptions,
    folder: &Path,
    identities: &[Identity],
    topology: &Topology,
    funded: &[Address],
) -> Result<()> {
    let mut command = Command::new(&options.program);
    command.args(["genesis", "create", "--out"]).arg(folder);
    command.args(["--period", &options.block_period.to_string()]);
    command.args(["--chain-id", &GenesisFile::pilot().chain_id.to_string()]);
    for (index, identity) in identities.iter().enumerate() {
        let flag = if index < options.validators { "--validator" } else { "--node" };
        let address = SocketAddr::new(topology.ip(index), P2P_PORT);
        command.arg(flag).arg(format!("{}=0x{}@{address}", identity.name, identity.public_key));
    }
    for source in &options.plog_sources {
        command.args(["--plog-source", &source.to_string()]);
    }
    run(&mut command)?;
    let path = folder.join("genesis.json");
    if let Some(made) = &options.genesis {
        fs::copy(made, &path).map_err(TestnetError::io(made.display().to_string()))?;
        return Ok(());
    }
    let text = fs::read_to_string(&path).map_err(TestnetError::io(path.display().to_string()))?;
    let mut genesis: Value = serde_json::from_str(&text).map_err(|e| TestnetError::Answer {
        method: path.display().to_string(),
        expected: "a genesis file",
        got: e.to_string(),
    })?;
    let made = genesis["alloc"].take();
    genesis["alloc"] = alloc(funded);
    // The governance of the log stays.
    for (address, account) in made.as_object().into_iter().flatten() {
        if account.get("code").is_some() {
            genesis["alloc"][address.trim_start_matches("0x")] = account.clone();
        }
    }
    let token = json!({ "balance": "0", "code": Token::runtime_code()? });
    genesis["alloc"][hex::encode(SCENARIO_TOKEN.address())] = token;
    if let Some(period) = options.block_period_milliseconds {
        genesis["config"]["ibft2"]["xblockperiodmilliseconds"] = period.into();
    }
    if let Some(gas_limit) = options.gas_limit {
        genesis["gasLimit"] = format!("{gas_limit:#x}").into();
    }
    let text = format!("{genesis:#}\n");
    fs::write(&path, text).map_err(TestnetError::io(path.display().to_string()))
}

/// Makes sure that `folder` is an empty folder.
pub(super) fn empty_folder(folder: &Path) -> Result<()> {
    let io = || TestnetError::io(folder.display().to_string());
    fs::create_dir_all(folder).map_err(io())?;
    if fs::read_dir(folder).map_err(io())?.next().is_some() {
        let error = std::io::ErrorKind::DirectoryNotEmpty;
        return Err(io()(error.into()));
    }
    Ok(())
}
