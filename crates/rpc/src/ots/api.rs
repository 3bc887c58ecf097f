//! The methods.

use super::{block, calls, history, search};
use crate::{
    RpcError,
    context::{Context, Inner},
    error::RpcResult as Answer,
};
use alloy_eips::{BlockId, eip1898::LenientBlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64};
use alloy_rpc_types_eth::Header;
use alloy_rpc_types_trace::otterscan::{
    BlockDetails, ContractCreator, InternalOperation, OtsBlockTransactions, TraceEntry,
    TransactionsWithReceipts,
};
use jsonrpsee::core::{RpcResult, async_trait};
use peruri_rpc_api::OtsApiServer;
use peruri_storage::Direction;

/// The interface that Otterscan 2 speaks.
const API_LEVEL: u64 = 8;

/// Answers of [`OtsApiServer`].
#[derive(Clone)]
pub(crate) struct Ots {
    ctx: Context,
}

impl Ots {
    pub(crate) const fn new(ctx: Context) -> Self {
        Self { ctx }
    }

    /// Runs `work`, which reads, on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Answer<T> + Send + 'static,
    ) -> RpcResult<T> {
        let ctx = self.ctx.clone();
        Ok(self.ctx.blocking(move || work(&ctx)).await?)
    }
}

#[async_trait]
impl OtsApiServer for Ots {
    fn api_level(&self) -> RpcResult<u64> {
        Ok(API_LEVEL)
    }

    fn header_by_number(&self, block: LenientBlockNumberOrTag) -> RpcResult<Option<Header>> {
        let block = self.ctx.block(block.into())?;
        Ok(block.map(|block| block::header(&block)))
    }

    fn has_code(
        &self,
        address: Address,
        block: Option<LenientBlockNumberOrTag>,
    ) -> RpcResult<bool> {
        let account =
            self.ctx.state(block.map(Into::into))?.account(&address).map_err(RpcError::from)?;
        Ok(account.is_some_and(|account| account.has_bytecode()))
    }

    async fn internal_operations(&self, hash: B256) -> RpcResult<Vec<InternalOperation>> {
        self.ctx.trace(move |ctx, deadline| calls::internal_operations(ctx, hash, deadline)).await
    }

    async fn transaction_error(&self, hash: B256) -> RpcResult<Bytes> {
        self.ctx.trace(move |ctx, deadline| calls::transaction_error(ctx, hash, deadline)).await
    }

    async fn trace_transaction(&self, hash: B256) -> RpcResult<Vec<TraceEntry>> {
        self.ctx.trace(move |ctx, deadline| calls::trace(ctx, hash, deadline)).await
    }

    async fn block_details(&self, number: U64) -> RpcResult<Option<BlockDetails>> {
        self.read(move |ctx| block::details(ctx, BlockId::number(number.to()))).await
    }

    async fn block_details_by_hash(&self, hash: B256) -> RpcResult<Option<BlockDetails>> {
        self.read(move |ctx| block::details(ctx, BlockId::hash(hash))).await
    }

    async fn block_transactions(
        &self,
        number: U64,
        page: U64,
        page_size: U64,
    ) -> RpcResult<Option<OtsBlockTransactions>> {
        let work = move |ctx: &Inner| {
            block::transactions(ctx, number.to(), page.to::<u64>(), page_size.to::<u64>())
        };
        self.read(work).await
    }

    async fn search_transactions_before(
        &self,
        address: Address,
        block: U64,
        page_size: U64,
    ) -> RpcResult<TransactionsWithReceipts> {
        let wanted = search::Search::new(address, block.to(), page_size.to(), Direction::Older);
        self.ctx.trace(move |ctx, deadline| wanted.run(ctx, deadline)).await
    }

    async fn search_transactions_after(
        &self,
        address: Address,
        block: U64,
        page_size: U64,
    ) -> RpcResult<TransactionsWithReceipts> {
        let wanted = search::Search::new(address, block.to(), page_size.to(), Direction::Newer);
        self.ctx.trace(move |ctx, deadline| wanted.run(ctx, deadline)).await
    }

    async fn transaction_by_sender_and_nonce(
        &self,
        sender: Address,
        nonce: U64,
    ) -> RpcResult<Option<B256>> {
        self.read(move |ctx| history::by_sender_and_nonce(ctx, sender, nonce.to())).await
    }

    async fn contract_creator(&self, address: Address) -> RpcResult<Option<ContractCreator>> {
        self.ctx.trace(move |ctx, deadline| history::creator(ctx, address, deadline)).await
    }
}
