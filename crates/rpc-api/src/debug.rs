//! Namespace `debug`: consensus encodings.

use crate::Arg;
use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes};
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
