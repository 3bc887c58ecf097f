//! Namespace `txpool`.

use crate::{Json, TxPoolByNonce, TxPoolContent, TxPoolInspect, TxPoolStatus};
use alloy_primitives::Address;
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use std::collections::BTreeMap;

/// The transaction pool, as geth shows it.
#[rpc(server, client, namespace = "txpool")]
pub trait TxPoolApi {
    /// Numbers of transactions.
    #[method(name = "status")]
    fn status(&self) -> RpcResult<TxPoolStatus>;

    /// All transactions.
    #[method(name = "content", blocking)]
    fn content(&self) -> RpcResult<Json<TxPoolContent>>;

    /// The transactions of one sender: `pending` and `queued`, each by nonce.
    #[method(name = "contentFrom", blocking)]
    fn content_from(&self, from: Address) -> RpcResult<Json<BTreeMap<String, TxPoolByNonce>>>;

    /// All transactions, one line each.
    #[method(name = "inspect", blocking)]
    fn inspect(&self) -> RpcResult<TxPoolInspect>;
}
