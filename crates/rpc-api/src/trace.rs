//! Namespace `trace`: traces as OpenEthereum gave them.

use crate::{CallRequest, Json};
use alloy_eips::BlockId;
use alloy_primitives::{B256, map::HashSet};
use alloy_rpc_types_eth::{BlockOverrides, state::StateOverride};
use alloy_rpc_types_trace::{
    filter::TraceFilter,
    parity::{LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType},
};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};

/// Calls, creations and self-destructs of executions as flat lists.
///
/// Calls of precompiled contracts without value are left out, those of the transparency log are
/// not. Gas is that of the execution, without the transaction's intrinsic price. A block's reward
/// stands after its transactions where there is one.
///
/// # Errors
///
/// −32000 for a trace that takes too long; −32005 for an answer that is too long, and a range of
/// too many blocks; 4444 without the state.
#[rpc(server, client, namespace = "trace")]
pub trait TraceApi {
    /// All traces of a block; `null` if there is no such block.
    #[method(name = "block")]
    async fn block_traces(
        &self,
        block: BlockId,
    ) -> RpcResult<Option<Json<Vec<LocalizedTransactionTrace>>>>;

    /// All traces of a transaction; `null` if no block has it.
    #[method(name = "transaction")]
    async fn transaction_traces(
        &self,
        hash: B256,
    ) -> RpcResult<Option<Json<Vec<LocalizedTransactionTrace>>>>;

    /// The traces of some blocks that match. Both ends of the range default to the head.
    #[method(name = "filter")]
    async fn filter_traces(
        &self,
        filter: TraceFilter,
    ) -> RpcResult<Json<Vec<LocalizedTransactionTrace>>>;

    /// Executes what `eth_call` would.
    #[method(name = "call")]
    async fn trace_call(
        &self,
        request: CallRequest,
        types: HashSet<TraceType>,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Json<TraceResults>>;

    /// Executes a transaction of a block again; −32000 if no block has it.
    #[method(name = "replayTransaction")]
    async fn replay_transaction(
        &self,
        hash: B256,
        types: HashSet<TraceType>,
    ) -> RpcResult<Json<TraceResults>>;

    /// Executes the transactions of a block again; `null` if there is no such block.
    #[method(name = "replayBlockTransactions")]
    async fn replay_block(
        &self,
        block: BlockId,
        types: HashSet<TraceType>,
    ) -> RpcResult<Option<Json<Vec<TraceResultsWithTransactionHash>>>>;
}
