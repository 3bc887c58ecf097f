//! Namespace `admin`.

use crate::NodeInfo;
use alloy_primitives::Address;
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use serde::{Deserialize, Serialize};

/// What an operator asks of a node.
#[rpc(server, client, namespace = "admin")]
pub trait AdminApi {
    /// Who this node is and which chain it is on.
    #[method(name = "nodeInfo")]
    fn node_info(&self) -> RpcResult<NodeInfo>;

    /// The connected peers, and those that were refused lately.
    #[method(name = "peers")]
    async fn peers(&self) -> RpcResult<Vec<PeerEntry>>;

    /// Time to a connected peer (peer id or enode URL) and back in milliseconds; `null` if it is not
    /// connected.
    #[method(name = "pingPeer")]
    async fn ping_peer(&self, peer: String) -> RpcResult<Option<f64>>;

    /// Connects to a node from now on (enode URL). Whether it may connect is decided by the node
    /// list and the validator set. `true` if it was taken over.
    #[method(name = "addPeer")]
    fn add_peer(&self, url: String) -> RpcResult<bool>;

    /// Forgets a node (enode URL) and closes the connection to it.
    #[method(name = "removePeer")]
    fn remove_peer(&self, url: String) -> RpcResult<bool>;
}

/// A line of `admin_peers`: geth's shape, with `address`, `version`, `score` and `refusals` added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerEntry {
    /// Peer id.
    pub id: String,
    /// Name in the node list, or its software.
    pub name: String,
    /// Enode URL as far as it is known.
    pub enode: String,
    /// Protocols that are spoken with it; none if it is not connected.
    pub caps: Vec<String>,
    /// The connection.
    pub network: PeerNetwork,
    /// Ethereum address of its key.
    pub address: Option<Address>,
    /// Its software.
    pub version: String,
    /// Sum of its penalties, which fade; 100 is a ban.
    pub score: f64,
    /// Why it was refused lately, newest last.
    pub refusals: Vec<String>,
}

/// Connection of a [`PeerEntry`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerNetwork {
    /// Address of this node's end, if it is known.
    pub local_address: String,
    /// Address of the peer's end.
    pub remote_address: String,
    /// Whether the peer dialled.
    pub inbound: bool,
    /// Always `true`: nobody else is let in.
    pub trusted: bool,
    /// Whether it stands in the node list.
    #[serde(rename = "static")]
    pub is_static: bool,
}
