//! Namespaces `net`, `web3` and `rpc`.

use crate::Json;
use alloy_primitives::{B256, Bytes, U64};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use serde_json::Value;
use std::collections::BTreeMap;

/// The peer-to-peer network.
#[rpc(server, client, namespace = "net")]
pub trait NetApi {
    /// Network id in decimal: the chain id.
    #[method(name = "version")]
    fn version(&self) -> RpcResult<String>;

    /// Number of connected peers.
    #[method(name = "peerCount")]
    fn peer_count(&self) -> RpcResult<U64>;

    /// Whether the node accepts connections of peers.
    #[method(name = "listening")]
    fn listening(&self) -> RpcResult<bool>;
}

/// The client itself.
#[rpc(server, client, namespace = "web3")]
pub trait Web3Api {
    /// Name, version and platform.
    #[method(name = "clientVersion")]
    fn client_version(&self) -> RpcResult<String>;

    /// Keccak-256 of the bytes.
    #[method(name = "sha3")]
    fn sha3(&self, input: Bytes) -> RpcResult<B256>;
}

/// The server itself.
#[rpc(server, client, namespace = "rpc")]
pub trait RpcApi {
    /// The namespaces that this server offers, each with its version.
    #[method(name = "modules")]
    fn modules(&self) -> RpcResult<BTreeMap<String, String>>;

    /// The OpenRPC document of the methods that this server offers.
    #[method(name = "discover")]
    fn discover(&self) -> RpcResult<Json<Value>>;
}
