//! Namespace `eth`: logs and filters.

use crate::Json;
use alloy_rpc_types_eth::{Filter, FilterChanges, FilterId, Log, PendingTransactionFilterKind};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};

/// Logs, and filters that are polled.
#[rpc(server, client, namespace = "eth")]
pub trait EthFilterApi {
    /// The logs that match.
    ///
    /// # Errors
    ///
    /// −32602 when the range is reversed, reaches beyond the head or is longer than the limit;
    /// −32005 when there are more matches than the limit.
    #[method(name = "getLogs")]
    async fn logs(&self, filter: Filter) -> RpcResult<Json<Vec<Log>>>;

    /// Creates a filter for logs.
    #[method(name = "newFilter")]
    fn new_filter(&self, filter: Filter) -> RpcResult<FilterId>;

    /// Creates a filter for the hashes of new blocks.
    #[method(name = "newBlockFilter")]
    fn new_block_filter(&self) -> RpcResult<FilterId>;

    /// Creates a filter for the hashes of new pending transactions.
    #[method(name = "newPendingTransactionFilter")]
    fn new_pending_transaction_filter(
        &self,
        kind: Option<PendingTransactionFilterKind>,
    ) -> RpcResult<FilterId>;

    /// What came since the last poll.
    #[method(name = "getFilterChanges")]
    async fn filter_changes(&self, id: FilterId) -> RpcResult<Json<FilterChanges>>;

    /// All logs that match a log filter.
    #[method(name = "getFilterLogs")]
    async fn filter_logs(&self, id: FilterId) -> RpcResult<Json<Vec<Log>>>;

    /// Removes a filter; false if there was none.
    #[method(name = "uninstallFilter")]
    fn uninstall_filter(&self, id: FilterId) -> RpcResult<bool>;
}
