//! Namespace `exex`.

use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use serde::{Deserialize, Serialize};

/// The node's execution extensions.
#[rpc(server, client, namespace = "exex")]
pub trait ExExApi {
    /// How far each installed extension is, by name.
    #[method(name = "getHeights")]
    fn heights(&self) -> RpcResult<Vec<ExExHeight>>;
}

/// A line of `exex_getHeights`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExExHeight {
    /// Name of the extension.
    pub name: String,
    /// The newest block it has done everything for.
    pub finished_height: u64,
    /// Blocks from there to the head.
    pub lag: u64,
}
