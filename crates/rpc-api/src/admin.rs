//! Namespace `admin`.

use crate::NodeInfo;
use jsonrpsee::{core::RpcResult, proc_macros::rpc};

/// What an operator asks of a node.
#[rpc(server, client, namespace = "admin")]
pub trait AdminApi {
    /// Who this node is and which chain it is on.
    #[method(name = "nodeInfo")]
    fn node_info(&self) -> RpcResult<NodeInfo>;
}
