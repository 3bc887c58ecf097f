//! Namespace `eth`: blocks, transactions, state, execution, fees.

use crate::{CallRequest, Capabilities, Json};
use alloy_eips::{BlockId, BlockNumberOrTag, eip2930::AccessListResult, eip7910::EthConfig};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{
    Block, BlockOverrides, EIP1186AccountProofResponse, FeeHistory, Header, Index,
    StorageValuesRequest, SyncStatus, Transaction, TransactionReceipt,
    simulate::{SimulatePayload, SimulatedBlock},
    state::StateOverride,
};
use alloy_serde::JsonStorageKey;
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use std::collections::BTreeMap;

/// The Ethereum methods that every tool relies on.
///
/// `latest`, `safe` and `finalized` name one block, because a committed block is final. `pending`
/// is the block that this node would build on it. A block parameter that is left out means
/// `latest`.
///
/// # Errors
///
/// −32602 for bad parameters, −32000 for a block or state that is not there, 4444 for history
/// outside the kept window (EIP-4444), 3 with data for a revert.
#[rpc(server, client, namespace = "eth")]
pub trait EthApi {
    /// Chain id (EIP-695).
    #[method(name = "chainId")]
    fn chain_id(&self) -> RpcResult<U64>;

    /// Number of the last committed block.
    #[method(name = "blockNumber")]
    fn block_number(&self) -> RpcResult<U64>;

    /// `false`, or how far synchronisation is.
    #[method(name = "syncing")]
    fn syncing(&self) -> RpcResult<SyncStatus>;

    /// Always empty: the node holds no keys of users.
    #[method(name = "accounts")]
    fn accounts(&self) -> RpcResult<Vec<Address>>;

    /// A block by hash, with whole transactions or their hashes.
    #[method(name = "getBlockByHash")]
    async fn block_by_hash(&self, hash: B256, full: bool) -> RpcResult<Option<Json<Block>>>;

    /// A block by number or tag, with whole transactions or their hashes.
    #[method(name = "getBlockByNumber")]
    async fn block_by_number(
        &self,
        number: BlockNumberOrTag,
        full: bool,
    ) -> RpcResult<Option<Json<Block>>>;

    /// A header by hash.
    #[method(name = "getHeaderByHash")]
    fn header_by_hash(&self, hash: B256) -> RpcResult<Option<Json<Header>>>;

    /// A header by number or tag.
    #[method(name = "getHeaderByNumber")]
    fn header_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<Json<Header>>>;

    /// Number of transactions in a block.
    #[method(name = "getBlockTransactionCountByHash")]
    fn transaction_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;

    /// Number of transactions in a block.
    #[method(name = "getBlockTransactionCountByNumber")]
    fn transaction_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>>;

    /// Number of ommers: 0 on every chain but imported proof-of-work ones.
    #[method(name = "getUncleCountByBlockHash")]
    fn uncle_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;

    /// Number of ommers: 0 on every chain but imported proof-of-work ones.
    #[method(name = "getUncleCountByBlockNumber")]
    fn uncle_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>>;

    /// An ommer, as a block without body.
    #[method(name = "getUncleByBlockHashAndIndex")]
    fn uncle_by_hash(&self, hash: B256, index: Index) -> RpcResult<Option<Json<Block>>>;

    /// An ommer, as a block without body.
    #[method(name = "getUncleByBlockNumberAndIndex")]
    fn uncle_by_number(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<Json<Block>>>;

    /// All receipts of a block.
    #[method(name = "getBlockReceipts")]
    async fn block_receipts(
        &self,
        block: BlockId,
    ) -> RpcResult<Option<Json<Vec<TransactionReceipt>>>>;

    /// A transaction, committed or in the pool.
    #[method(name = "getTransactionByHash")]
    fn transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Json<Transaction>>>;

    /// EIP-2718 encoding of a transaction, committed or in the pool.
    #[method(name = "getRawTransactionByHash")]
    fn raw_transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Bytes>>;

    /// A transaction by its place.
    #[method(name = "getTransactionByBlockHashAndIndex")]
    fn transaction_by_block_hash(
        &self,
        hash: B256,
        index: Index,
    ) -> RpcResult<Option<Json<Transaction>>>;

    /// A transaction by its place.
    #[method(name = "getTransactionByBlockNumberAndIndex")]
    fn transaction_by_block_number(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<Json<Transaction>>>;

    /// The receipt of a committed transaction.
    #[method(name = "getTransactionReceipt")]
    fn transaction_receipt(&self, hash: B256) -> RpcResult<Option<Json<TransactionReceipt>>>;

    /// Puts a signed transaction into the pool; answers its hash.
    #[method(name = "sendRawTransaction")]
    async fn send_raw_transaction(&self, transaction: Bytes) -> RpcResult<B256>;

    /// Puts a signed transaction into the pool and waits until a block has it (EIP-7966); answers its
    /// receipt. `timeout` is in milliseconds; 0, none, or more than `--rpc.sync-timeout-ms` means that
    /// limit.
    ///
    /// # Errors
    ///
    /// 4 with the hash if no block has it in time, 5 with the hash if it waits for an earlier nonce or
    /// for funds.
    #[method(name = "sendRawTransactionSync")]
    async fn send_raw_transaction_sync(
        &self,
        transaction: Bytes,
        timeout: Option<U64>,
    ) -> RpcResult<Json<TransactionReceipt>>;

    /// Balance in wei.
    #[method(name = "getBalance")]
    fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256>;

    /// Nonce: the number of transactions sent. `pending` counts those in the pool.
    #[method(name = "getTransactionCount")]
    fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64>;

    /// Code; empty for an account without.
    #[method(name = "getCode")]
    fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes>;

    /// A storage slot. The key is hex of up to 32 bytes.
    #[method(name = "getStorageAt")]
    fn storage_at(&self, address: Address, key: String, block: Option<BlockId>) -> RpcResult<B256>;

    /// Storage slots of several accounts: the values, in the order of the keys.
    #[method(name = "getStorageValues")]
    async fn storage_values(
        &self,
        request: StorageValuesRequest,
        block: Option<BlockId>,
    ) -> RpcResult<BTreeMap<Address, Vec<B256>>>;

    /// Merkle proof of an account and of slots (EIP-1186).
    #[method(name = "getProof")]
    async fn proof(
        &self,
        address: Address,
        keys: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> RpcResult<EIP1186AccountProofResponse>;

    /// Executes without a transaction and answers the output.
    #[method(name = "call")]
    async fn call(
        &self,
        request: CallRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Bytes>;

    /// The least gas limit with which the transaction succeeds, in gas.
    #[method(name = "estimateGas")]
    async fn estimate_gas(
        &self,
        request: CallRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<U256>;

    /// The access list (EIP-2930) that a transaction would use, and its gas with it.
    #[method(name = "createAccessList")]
    async fn create_access_list(
        &self,
        request: CallRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
    ) -> RpcResult<AccessListResult>;

    /// Simulates blocks of calls on top of a block: with changes to headers and state, transfers as
    /// logs (`traceTransfers`), all rules but signatures (`validation`), and whole transactions
    /// (`returnFullTransactions`). At most 256 blocks, and the gas of one call over all of them.
    ///
    /// # Errors
    ///
    /// −38010 to −38026 as the execution API names them.
    #[method(name = "simulateV1")]
    async fn simulate_v1(
        &self,
        payload: SimulatePayload<CallRequest>,
        block: Option<BlockId>,
    ) -> RpcResult<Json<Vec<SimulatedBlock>>>;

    /// Rules that hold now, after the next fork by time, and after the last one (EIP-7910).
    #[method(name = "config")]
    fn config(&self) -> RpcResult<EthConfig>;

    /// What history this node has.
    #[method(name = "capabilities")]
    fn capabilities(&self) -> RpcResult<Capabilities>;

    /// The base fee of the next block, in wei.
    #[method(name = "baseFee")]
    fn base_fee(&self) -> RpcResult<U256>;

    /// A gas price with which a legacy transaction is included, in wei.
    #[method(name = "gasPrice")]
    fn gas_price(&self) -> RpcResult<U256>;

    /// A tip with which a transaction is included, in wei per gas.
    #[method(name = "maxPriorityFeePerGas")]
    fn max_priority_fee_per_gas(&self) -> RpcResult<U256>;

    /// The price of blob gas in the next block, in wei.
    #[method(name = "blobBaseFee")]
    fn blob_base_fee(&self) -> RpcResult<U256>;

    /// Base fees, fill and tips of up to `count` blocks.
    #[method(name = "feeHistory")]
    async fn fee_history(
        &self,
        count: U64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory>;
}
