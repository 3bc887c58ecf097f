//! Blocks, transactions, state, execution.

use super::{capabilities, config, fees, proof};
use crate::{
    RpcError,
    cache::CachedBlock,
    calls::{self, CallInput},
    context::Context,
    json, simulate,
};
use alloy_eips::{
    BlockId, BlockNumberOrTag, eip2718::Encodable2718, eip2930::AccessListResult,
    eip7910::EthConfig,
};
use alloy_primitives::{Address, B256, Bytes, U64, U256, hex};
use alloy_rpc_types_eth::{
    Block, BlockOverrides, EIP1186AccountProofResponse, FeeHistory, Header, Index,
    StorageValuesRequest, SyncInfo, SyncStatus, Transaction, TransactionReceipt,
    simulate::{SimulatePayload, SimulatedBlock},
    state::StateOverride,
};
use alloy_serde::JsonStorageKey;
use jsonrpsee::core::{RpcResult, async_trait};
use peruri_rpc_api::{CallRequest, Capabilities, EthApiServer, Json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::broadcast::error::RecvError;

/// Answers of [`EthApiServer`].
#[derive(Clone)]
pub(crate) struct Eth {
    ctx: Context,
}

impl Eth {
    pub(crate) const fn new(ctx: Context) -> Self {
        Self { ctx }
    }

    /// A block's text. What is cached is answered at once, the rest on a blocking thread.
    async fn block_text(&self, id: BlockId, full: bool) -> RpcResult<Option<Json<Block>>> {
        if let Some(block) = self.ctx.cached_block(id)
            && (block.has_text(full) || block.transaction_count() < INLINE_TRANSACTIONS)
        {
            return Ok(Some(block.block_text(full).map_err(RpcError::from)?));
        }
        let ctx = self.ctx.clone();
        let work = move || match ctx.block(id)? {
            Some(block) => Ok(Some(block.block_text(full)?)),
            None => Ok(None),
        };
        Ok(self.ctx.blocking(work).await?)
    }

    fn transaction_at(
        &self,
        block: Option<Arc<CachedBlock>>,
        index: Index,
    ) -> RpcResult<Option<Json<Transaction>>> {
        let Some(block) = block else { return Ok(None) };
        let index = usize::from(index);
        let Some(tx) = block.transactions().get(index) else { return Ok(None) };
        let place = block.transaction_place(index);
        let text = json::transaction_json(tx, block.sender(index), Some(&place));
        Ok(Some(text.map_err(RpcError::from)?))
    }

    fn uncle_at(
        &self,
        block: Option<Arc<CachedBlock>>,
        index: Index,
    ) -> RpcResult<Option<Json<Block>>> {
        let uncle = block.as_ref().and_then(|block| block.ommers().get(usize::from(index)));
        Ok(uncle.map(json::uncle_json).transpose().map_err(RpcError::from)?)
    }

    fn block_at(&self, number: BlockNumberOrTag) -> Result<Option<Arc<CachedBlock>>, RpcError> {
        self.ctx.block(number.into())
    }

    /// Whether a transaction of the pool waits for something else than a block.
    fn is_queued(&self, hash: &B256) -> bool {
        let Some(pooled) = self.ctx.pool().get(hash) else { return false };
        let (_, queued) = self.ctx.pool().content_from(&pooled.transaction().signer());
        queued.values().any(|waiting| waiting.hash() == hash)
    }

    fn call_input(
        request: CallRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> CallInput {
        CallInput { request, block, state_overrides, block_overrides }
    }
}

/// Blocks with fewer transactions are written without going to a blocking thread.
const INLINE_TRANSACTIONS: usize = 64;

fn count(count: usize) -> U64 {
    U64::from(count)
}

#[async_trait]
impl EthApiServer for Eth {
    fn chain_id(&self) -> RpcResult<U64> {
        Ok(U64::from(self.ctx.chain_spec().chain_id()))
    }

    fn block_number(&self) -> RpcResult<U64> {
        let number = self.ctx.factory().best_block_number().map_err(RpcError::from)?;
        Ok(U64::from(number))
    }

    fn syncing(&self) -> RpcResult<SyncStatus> {
        let Some(progress) = self.ctx.handles.status.sync_progress() else {
            return Ok(SyncStatus::None);
        };
        let current = self.ctx.factory().best_block_number().map_err(RpcError::from)?;
        Ok(SyncStatus::Info(Box::new(SyncInfo {
            starting_block: U256::from(progress.starting),
            current_block: U256::from(current),
            highest_block: U256::from(progress.highest),
            ..SyncInfo::default()
        })))
    }

    fn accounts(&self) -> RpcResult<Vec<Address>> {
        Ok(Vec::new())
    }

    async fn block_by_hash(&self, hash: B256, full: bool) -> RpcResult<Option<Json<Block>>> {
        self.block_text(BlockId::hash(hash), full).await
    }

    async fn block_by_number(
        &self,
        number: BlockNumberOrTag,
        full: bool,
    ) -> RpcResult<Option<Json<Block>>> {
        self.block_text(number.into(), full).await
    }

    fn header_by_hash(&self, hash: B256) -> RpcResult<Option<Json<Header>>> {
        let header = self.ctx.header(BlockId::hash(hash))?;
        let text = header.map(|header| json::header_json(header.header(), header.hash()));
        Ok(text.transpose().map_err(RpcError::from)?)
    }

    fn header_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<Json<Header>>> {
        let header = self.ctx.header(number.into())?;
        let text = header.map(|header| json::header_json(header.header(), header.hash()));
        Ok(text.transpose().map_err(RpcError::from)?)
    }

    fn transaction_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        let block = self.ctx.block_by_hash(hash)?;
        Ok(block.map(|block| count(block.transaction_count())))
    }

    fn transaction_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>> {
        Ok(self.block_at(number)?.map(|block| count(block.transaction_count())))
    }

    fn uncle_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        Ok(self.ctx.block_by_hash(hash)?.map(|block| count(block.ommers().len())))
    }

    fn uncle_count_by_number(&self, number: BlockNumberOrTag) -> RpcResult<Option<U64>> {
        Ok(self.block_at(number)?.map(|block| count(block.ommers().len())))
    }

    fn uncle_by_hash(&self, hash: B256, index: Index) -> RpcResult<Option<Json<Block>>> {
        self.uncle_at(self.ctx.block_by_hash(hash)?, index)
    }

    fn uncle_by_number(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<Json<Block>>> {
        self.uncle_at(self.block_at(number)?, index)
    }

    async fn block_receipts(
        &self,
        block: BlockId,
    ) -> RpcResult<Option<Json<Vec<TransactionReceipt>>>> {
        let ctx = self.ctx.clone();
        let work = move || {
            let Some(block) = ctx.block(block)? else { return Ok(None) };
            ctx.with_receipts(&block)?;
            Ok(Some(block.receipts_text()?))
        };
        Ok(self.ctx.blocking(work).await?)
    }

    fn transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Json<Transaction>>> {
        if let Some((block, index)) = self.ctx.locate(hash)? {
            return self.transaction_at(Some(block), Index(index));
        }
        let Some(pooled) = self.ctx.pool().get(&hash) else { return Ok(None) };
        let tx = pooled.transaction();
        let text = json::transaction_json(tx.inner(), tx.signer(), None);
        Ok(Some(text.map_err(RpcError::from)?))
    }

    fn raw_transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Bytes>> {
        if let Some(pooled) = self.ctx.pool().get_pooled_transaction(&hash) {
            return Ok(Some(pooled.encoded_2718().into()));
        }
        let tx = self.ctx.factory().transaction_by_hash(hash).map_err(RpcError::from)?;
        Ok(tx.map(|(tx, _)| tx.encoded_2718().into()))
    }

    fn transaction_by_block_hash(
        &self,
        hash: B256,
        index: Index,
    ) -> RpcResult<Option<Json<Transaction>>> {
        self.transaction_at(self.ctx.block_by_hash(hash)?, index)
    }

    fn transaction_by_block_number(
        &self,
        number: BlockNumberOrTag,
        index: Index,
    ) -> RpcResult<Option<Json<Transaction>>> {
        self.transaction_at(self.block_at(number)?, index)
    }

    fn transaction_receipt(&self, hash: B256) -> RpcResult<Option<Json<TransactionReceipt>>> {
        let Some((block, index)) = self.ctx.locate(hash)? else { return Ok(None) };
        self.ctx.with_receipts(&block)?;
        Ok(json::receipt_json(&block, index).map_err(RpcError::from)?)
    }

    async fn send_raw_transaction(&self, transaction: Bytes) -> RpcResult<B256> {
        let result = self.ctx.sends.add(vec![transaction]).await?.pop();
        let result = result.ok_or_else(|| RpcError::internal("pool gave no result"))?;
        Ok(result.map_err(|error| RpcError::Pool(error.kind))?)
    }

    async fn send_raw_transaction_sync(
        &self,
        transaction: Bytes,
        timeout: Option<U64>,
    ) -> RpcResult<Json<TransactionReceipt>> {
        // Before it is sent: the block that has it must not be missed.
        let mut commits = self.ctx.factory().subscribe_to_canonical_state();
        let hash = self.send_raw_transaction(transaction).await?;
        if self.is_queued(&hash) {
            return Err(RpcError::NotExecutable { hash }.into());
        }
        let limit = self.ctx.limits.send_sync_timeout;
        let wanted = timeout.map(|timeout| Duration::from_millis(timeout.to()));
        let waited = wanted.filter(|wanted| !wanted.is_zero() && *wanted <= limit).unwrap_or(limit);
        let found = async {
            loop {
                if let Some(receipt) = self.transaction_receipt(hash)? {
                    return Ok(receipt);
                }
                if let Err(RecvError::Closed) = commits.recv().await {
                    return Err(RpcError::Unavailable("the node is stopping".to_owned()).into());
                }
            }
        };
        match tokio::time::timeout(waited, found).await {
            Ok(found) => found,
            Err(_) => Err(RpcError::NotIncluded { hash, waited }.into()),
        }
    }

    fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256> {
        let account = self.ctx.state(block)?.account(&address).map_err(RpcError::from)?;
        Ok(account.map_or(U256::ZERO, |account| account.balance))
    }

    fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64> {
        if block.is_some_and(|block| block.is_pending())
            && let Some(nonce) = self.ctx.pool().pending_nonce(&address)
        {
            return Ok(U64::from(nonce));
        }
        let account = self.ctx.state(block)?.account(&address).map_err(RpcError::from)?;
        Ok(U64::from(account.map_or(0, |account| account.nonce)))
    }

    fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes> {
        let state = self.ctx.state(block)?;
        let account = state.account(&address).map_err(RpcError::from)?;
        let Some(hash) = account.and_then(|account| account.bytecode_hash) else {
            return Ok(Bytes::new());
        };
        let code = state.bytecode_by_hash(&hash).map_err(RpcError::from)?;
        Ok(code.map(|code| code.original_bytes()).unwrap_or_default())
    }

    fn storage_at(&self, address: Address, key: String, block: Option<BlockId>) -> RpcResult<B256> {
        let slot = parse_storage_key(&key)?;
        let value = self.ctx.state(block)?.storage(address, slot).map_err(RpcError::from)?;
        Ok(value.into())
    }

    async fn storage_values(
        &self,
        request: StorageValuesRequest,
        block: Option<BlockId>,
    ) -> RpcResult<BTreeMap<Address, Vec<B256>>> {
        let ctx = self.ctx.clone();
        let work = move || proof::storage_values(&ctx, request, block);
        Ok(self.ctx.blocking(work).await?)
    }

    async fn proof(
        &self,
        address: Address,
        keys: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> RpcResult<EIP1186AccountProofResponse> {
        let ctx = self.ctx.clone();
        let work = move || proof::proof(&ctx, address, keys, block);
        Ok(self.ctx.blocking(work).await?)
    }

    async fn call(
        &self,
        request: CallRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<Bytes> {
        let input = Self::call_input(request, block, state_overrides, block_overrides);
        let ctx = self.ctx.clone();
        Ok(self.ctx.calls.run(move |deadline| calls::call(&ctx, input, deadline)).await?)
    }

    async fn estimate_gas(
        &self,
        request: CallRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
        block_overrides: Option<Box<BlockOverrides>>,
    ) -> RpcResult<U256> {
        let input = Self::call_input(request, block, state_overrides, block_overrides);
        let ctx = self.ctx.clone();
        let work = move |deadline| calls::estimate_gas(&ctx, input, deadline);
        Ok(U256::from(self.ctx.calls.run(work).await?))
    }

    async fn create_access_list(
        &self,
        request: CallRequest,
        block: Option<BlockId>,
        state_overrides: Option<StateOverride>,
    ) -> RpcResult<AccessListResult> {
        let input = Self::call_input(request, block, state_overrides, None);
        let ctx = self.ctx.clone();
        let work = move |deadline| calls::create_access_list(&ctx, input, deadline);
        Ok(self.ctx.calls.run(work).await?)
    }

    async fn simulate_v1(
        &self,
        payload: SimulatePayload<CallRequest>,
        block: Option<BlockId>,
    ) -> RpcResult<Json<Vec<SimulatedBlock>>> {
        let ctx = self.ctx.clone();
        let work = move |deadline| simulate::simulate(&ctx, payload, block, deadline);
        Ok(self.ctx.calls.run(work).await?)
    }

    fn config(&self) -> RpcResult<EthConfig> {
        Ok(config::config(&self.ctx)?)
    }

    fn capabilities(&self) -> RpcResult<Capabilities> {
        Ok(capabilities::capabilities(&self.ctx)?)
    }

    fn base_fee(&self) -> RpcResult<U256> {
        Ok(U256::from(fees::next_base_fee(&self.ctx)?))
    }

    fn gas_price(&self) -> RpcResult<U256> {
        let tip = fees::suggested_tip(&self.ctx)?;
        Ok(U256::from(fees::next_base_fee(&self.ctx)?) + U256::from(tip))
    }

    fn max_priority_fee_per_gas(&self) -> RpcResult<U256> {
        Ok(U256::from(fees::suggested_tip(&self.ctx)?))
    }

    fn blob_base_fee(&self) -> RpcResult<U256> {
        Ok(U256::from(fees::blob_base_fee(&self.ctx)?))
    }

    async fn fee_history(
        &self,
        count: U64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory> {
        let ctx = self.ctx.clone();
        let work = move || fees::fee_history(&ctx, count.to(), newest, percentiles.as_deref());
        Ok(self.ctx.blocking(work).await?)
    }
}

/// A storage key as geth reads it: hex of up to 32 bytes, an odd number of digits allowed.
fn parse_storage_key(key: &str) -> Result<B256, RpcError> {
    let digits = key.strip_prefix("0x").or_else(|| key.strip_prefix("0X")).unwrap_or(key);
    if digits.len() > 64 {
        return Err(RpcError::invalid(format!(
            "storage key too long (want at most 32 bytes): {key:?}"
        )));
    }
    let padded = format!("{digits:0>64}");
    let mut slot = B256::ZERO;
    hex::decode_to_slice(padded, slot.as_mut_slice())
        .map_err(|_| RpcError::invalid(format!("invalid hex in storage key: {key:?}")))?;
    Ok(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_keys() -> Result<(), RpcError> {
        assert_eq!(parse_storage_key("0x0")?, B256::ZERO);
        assert_eq!(parse_storage_key("0x123")?, B256::from(U256::from(0x123)));
        let word = B256::repeat_byte(0xab);
        assert_eq!(parse_storage_key(&word.to_string())?, word);
        Ok(())
    }

    #[test]
    fn bad_storage_keys_are_named() {
        let long = format!("0x{}", "0".repeat(65));
        let error = parse_storage_key(&long).expect_err("too long");
        assert_eq!(
            error.to_string(),
            format!("storage key too long (want at most 32 bytes): \"{long}\"")
        );
        assert!(parse_storage_key("0xzz").is_err());
    }
}
