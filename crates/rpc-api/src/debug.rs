//! Namespace `debug`: consensus encodings, and traces as geth gives them.

use crate::{Arg, CallRequest, Json};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_trace::geth::{
    GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace, TraceResult,
};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};

/// Raw encodings as the execution API defines them.
#[rpc(server, client, namespace = "debug")]
pub trait DebugApi {
    /// RLP of a header.
    #[method(name = "getRawHeader")]
    fn raw_header(&self, block: Arg<BlockId>) -> RpcResult<Bytes>;

    /// RLP of a block.
    #[method(name = "getRawBlock", blocking)]
    fn raw_block(&self, block: Arg<BlockId>) -> RpcResult<Bytes>;

    /// EIP-2718 encodings of a block's receipts with their blooms.
    #[method(name = "getRawReceipts", blocking)]
    fn raw_receipts(&self, block: Arg<BlockId>) -> RpcResult<Vec<Bytes>>;

    /// EIP-2718 encoding of a transaction; empty if unknown.
    #[method(name = "getRawTransaction")]
    fn raw_transaction(&self, hash: Arg<B256>) -> RpcResult<Bytes>;
}

/// Executions as a tracer sees them.
///
/// Without the option `tracer` an answer lists every instruction. Tracers by name: `callTracer`,
/// `flatCallTracer`, `prestateTracer`, `4byteTracer`, `muxTracer`, `noopTracer`. JavaScript is not
/// run. `timeout` and `reexec` are not looked at: the node has a limit of its own, and needs to
/// execute nothing but the block.
///
/// # Errors
///
/// −32000 for a block or transaction that is not there, for block 0, and for a trace that takes too
/// long; −32602 for a tracer that is not offered; −32005 for one whose answer is too long; 4444
/// without the state.
#[rpc(server, client, namespace = "debug")]
pub trait DebugTraceApi {
    /// The trace of a transaction of a block.
    #[method(name = "traceTransaction")]
    async fn trace_transaction(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json<GethTrace>>;

    /// The traces of the transactions of a block.
    #[method(name = "traceBlockByNumber")]
    async fn trace_block_by_number(
        &self,
        number: BlockNumberOrTag,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json<Vec<TraceResult>>>;

    /// The traces of the transactions of a block.
    #[method(name = "traceBlockByHash")]
    async fn trace_block_by_hash(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Json<Vec<TraceResult>>>;

    /// The trace of what `eth_call` would execute. The option `txIndex` is refused.
    #[method(name = "traceCall")]
    async fn trace_call(
        &self,
        request: CallRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<Json<GethTrace>>;
}
