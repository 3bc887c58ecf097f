//! Keys and node list of a network.

use crate::{Network, Result, TestnetError, Topology, Wallet};
use alloy_primitives::{Address, B256, hex};
use alloy_signer_local::PrivateKeySigner;
use serde::Serialize;
use std::{fs, net::SocketAddr, path::Path};

/// Port of the connections between nodes, TCP and QUIC.
const P2P_PORT: u16 = 30_303;

/// A node's name and key.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) secret: B256,
    pub(super) address: Address,
    /// Hexadecimal digits of the public key without the leading 04.
    public_key: String,
}

/// New keys for `node1`, `node2`, ….
pub(super) fn identities(count: usize, network: Network) -> Result<Vec<Identity>> {
    (1..=count)
        .map(|number| {
            let secret = B256::new(rand::random());
            let address = Wallet::new(&secret, network)?.address();
            let signer =
                PrivateKeySigner::from_bytes(&secret).map_err(alloy_signer::Error::other)?;
            let point = signer.credential().verifying_key().to_encoded_point(false);
            let public_key = hex::encode(&point.as_bytes()[1..]);
            Ok(Identity { name: format!("node{number}"), secret, address, public_key })
        })
        .collect()
}

#[derive(Serialize)]
struct NodeList {
    node: Vec<NodeEntry>,
}

#[derive(Serialize)]
struct NodeEntry {
    name: String,
    enode: String,
}

pub(super) fn write_node_list(
    path: &Path,
    identities: &[Identity],
    topology: &Topology,
) -> Result<()> {
    let entries = identities.iter().enumerate().map(|(index, identity)| NodeEntry {
        name: identity.name.clone(),
        enode: format!(
            "enode://{}@{}",
            identity.public_key,
            SocketAddr::new(topology.ip(index), P2P_PORT)
        ),
    });
    let list = NodeList { node: entries.collect() };
    let text = toml::to_string(&list).map_err(|error| TestnetError::Answer {
        method: path.display().to_string(),
        expected: "a node list",
        got: error.to_string(),
    })?;
    fs::write(path, text).map_err(TestnetError::io(path.display().to_string()))
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
