//! Namespace `ots`: what the block explorer Otterscan asks beyond the standard.

use alloy_eips::eip1898::LenientBlockNumberOrTag;
use alloy_primitives::{Address, B256, Bytes, U64};
use alloy_rpc_types_eth::Header;
use alloy_rpc_types_trace::otterscan::{
    BlockDetails, ContractCreator, InternalOperation, OtsBlockTransactions, TraceEntry,
    TransactionsWithReceipts,
};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};

/// Otterscan's methods, level 8.
///
/// There is no index of addresses. A search looks at the blocks that changed the account or in which it
/// logged, executes each of them again, and takes every transaction that sends from it, to it, creates
/// it or calls it. A call that neither changed it nor made it log (it failed, or only read) is not
/// found. One search looks at `--rpc.max-search-blocks` blocks at most.
///
/// # Errors
///
/// −32000 for a block or transaction that is not there; −32005 for a search through too many blocks;
/// 4444 for one that reaches blocks whose state is not kept.
#[rpc(server, client, namespace = "ots")]
pub trait OtsApi {
    /// The level of this interface.
    #[method(name = "getApiLevel")]
    fn api_level(&self) -> RpcResult<u64>;

    /// The header of a block; `null` if there is no such block. Otterscan asks for it as
    /// `erigon_getHeaderByNumber`.
    #[method(name = "getHeaderByNumber", aliases = ["erigon_getHeaderByNumber"])]
    fn header_by_number(&self, block: LenientBlockNumberOrTag) -> RpcResult<Option<Header>>;

    /// Whether an account has code.
    #[method(name = "hasCode")]
    fn has_code(&self, address: Address, block: Option<LenientBlockNumberOrTag>)
    -> RpcResult<bool>;

    /// Transfers of value, creations and self-destructs inside a transaction.
    #[method(name = "getInternalOperations")]
    async fn internal_operations(&self, hash: B256) -> RpcResult<Vec<InternalOperation>>;

    /// What a reverted transaction returned; empty for any other.
    #[method(name = "getTransactionError")]
    async fn transaction_error(&self, hash: B256) -> RpcResult<Bytes>;

    /// The calls, creations and self-destructs of a transaction.
    #[method(name = "traceTransaction")]
    async fn trace_transaction(&self, hash: B256) -> RpcResult<Vec<TraceEntry>>;

    /// A block without its transactions, its reward, and the fees that were paid in it; `null` if there
    /// is no such block.
    #[method(name = "getBlockDetails")]
    async fn block_details(&self, number: U64) -> RpcResult<Option<BlockDetails>>;

    /// The same by hash.
    #[method(name = "getBlockDetailsByHash")]
    async fn block_details_by_hash(&self, hash: B256) -> RpcResult<Option<BlockDetails>>;

    /// A page of a block's transactions with their receipts, the last ones on page 0; `null` if there is
    /// no such block. Calldata is cut to the selector, logs are left out.
    #[method(name = "getBlockTransactions")]
    async fn block_transactions(
        &self,
        number: U64,
        page: U64,
        page_size: U64,
    ) -> RpcResult<Option<OtsBlockTransactions>>;

    /// The transactions of an account before a block (0: up to the head), newest first: those of whole
    /// blocks until there are `page_size`.
    #[method(name = "searchTransactionsBefore")]
    async fn search_transactions_before(
        &self,
        address: Address,
        block: U64,
        page_size: U64,
    ) -> RpcResult<TransactionsWithReceipts>;

    /// The transactions of an account after a block (0: from the first one), newest first: those of
    /// whole blocks until there are `page_size`.
    #[method(name = "searchTransactionsAfter")]
    async fn search_transactions_after(
        &self,
        address: Address,
        block: U64,
        page_size: U64,
    ) -> RpcResult<TransactionsWithReceipts>;

    /// The hash of a sender's transaction; `null` if no block has it.
    #[method(name = "getTransactionBySenderAndNonce")]
    async fn transaction_by_sender_and_nonce(
        &self,
        sender: Address,
        nonce: U64,
    ) -> RpcResult<Option<B256>>;

    /// Who created a contract, in which transaction; `null` for an account without code, or with code
    /// that no transaction created.
    #[method(name = "getContractCreator")]
    async fn contract_creator(&self, address: Address) -> RpcResult<Option<ContractCreator>>;
}
