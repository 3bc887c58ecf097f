//! Namespaces `net`, `web3`, `rpc`, `debug` and `txpool`.

use crate::{
    RpcError,
    context::Context,
    json::{Writer, write_transaction},
};
use alloy_consensus::Transaction as _;
use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{Address, B256, Bytes, U64, keccak256};
use jsonrpsee::{Methods, core::RpcResult};
use peruri_rpc_api::{
    Arg, DebugApiServer, Json, NetApiServer, OPENRPC, RpcApiServer, TxPoolApiServer, TxPoolByNonce,
    TxPoolContent, TxPoolInspect, TxPoolStatus, Web3ApiServer,
};
use peruri_txpool::ValidPoolTransaction;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Answers of [`NetApiServer`], [`Web3ApiServer`], [`DebugApiServer`] and [`TxPoolApiServer`].
#[derive(Clone)]
pub(crate) struct Node {
    ctx: Context,
}

impl Node {
    pub(crate) const fn new(ctx: Context) -> Self {
        Self { ctx }
    }
}

impl NetApiServer for Node {
    fn version(&self) -> RpcResult<String> {
        Ok(self.ctx.chain_spec().chain_id().to_string())
    }

    fn peer_count(&self) -> RpcResult<U64> {
        Ok(U64::from(self.ctx.handles.status.peer_count()))
    }

    fn listening(&self) -> RpcResult<bool> {
        Ok(self.ctx.handles.status.is_listening())
    }
}

impl Web3ApiServer for Node {
    fn client_version(&self) -> RpcResult<String> {
        Ok(self.ctx.handles.client_version.clone())
    }

    fn sha3(&self, input: Bytes) -> RpcResult<B256> {
        Ok(keccak256(&input))
    }
}

/// The namespaces that a server offers, and the OpenRPC document of its methods.
#[derive(Debug, Clone)]
pub(crate) struct Modules {
    versions: BTreeMap<String, String>,
    document: Json<Value>,
}

impl Modules {
    /// What a server tells of itself that offers `methods` and those of this type.
    pub(crate) fn new(
        versions: BTreeMap<String, String>,
        methods: &Methods,
    ) -> serde_json::Result<Self> {
        let mut document: Value = serde_json::from_str(OPENRPC)?;
        if let Some(listed) = document.get_mut("methods").and_then(Value::as_array_mut) {
            listed.retain(|method| {
                let name = method.get("name").and_then(Value::as_str).unwrap_or_default();
                name.starts_with("rpc_") || methods.method(name).is_some()
            });
        }
        Ok(Self { versions, document: Json::encode(&document)? })
    }
}

impl RpcApiServer for Modules {
    fn modules(&self) -> RpcResult<BTreeMap<String, String>> {
        Ok(self.versions.clone())
    }

    fn discover(&self) -> RpcResult<Json<Value>> {
        Ok(self.document.clone())
    }
}

impl DebugApiServer for Node {
    fn raw_header(&self, block: Arg<BlockId>) -> RpcResult<Bytes> {
        let header = self.ctx.header(block.get(0)?)?.ok_or(RpcError::HeaderNotFound)?;
        Ok(alloy_rlp::encode(header.header()).into())
    }

    fn raw_block(&self, block: Arg<BlockId>) -> RpcResult<Bytes> {
        let block = self.ctx.block(block.get(0)?)?.ok_or(RpcError::HeaderNotFound)?;
        Ok(alloy_rlp::encode(block.block().sealed_block()).into())
    }

    fn raw_receipts(&self, block: Arg<BlockId>) -> RpcResult<Vec<Bytes>> {
        let block = self.ctx.block(block.get(0)?)?.ok_or(RpcError::HeaderNotFound)?;
        self.ctx.with_receipts(&block)?;
        let encode = |index| block.encoded_receipt(index);
        Ok((0..block.transaction_count()).filter_map(encode).collect())
    }

    fn raw_transaction(&self, hash: Arg<B256>) -> RpcResult<Bytes> {
        let hash = hash.get(0)?;
        if let Some(pooled) = self.ctx.pool().get_pooled_transaction(&hash) {
            return Ok(pooled.encoded_2718().into());
        }
        let tx = self.ctx.factory().transaction_by_hash(hash).map_err(RpcError::from)?;
        Ok(tx.map(|(tx, _)| tx.encoded_2718().into()).unwrap_or_default())
    }
}

type ByNonce = BTreeMap<u64, Arc<ValidPoolTransaction>>;

impl TxPoolApiServer for Node {
    fn status(&self) -> RpcResult<TxPoolStatus> {
        let size = self.ctx.pool().status();
        Ok(TxPoolStatus {
            pending: U64::from(size.pending),
            queued: U64::from(size.basefee + size.queued),
        })
    }

    fn content(&self) -> RpcResult<Json<TxPoolContent>> {
        let content = self.ctx.pool().content();
        let mut out = Writer::with_capacity(4096);
        out.begin();
        for (key, senders) in [("pending", &content.pending), ("queued", &content.queued)] {
            out.key(key);
            out.begin();
            for (sender, by_nonce) in senders {
                out.key(&sender.to_checksum(None));
                write_by_nonce(&mut out, by_nonce);
            }
            out.end();
        }
        out.end();
        Ok(out.finish().map_err(RpcError::from)?)
    }

    fn content_from(&self, from: Address) -> RpcResult<Json<BTreeMap<String, TxPoolByNonce>>> {
        let (pending, queued) = self.ctx.pool().content_from(&from);
        let mut out = Writer::with_capacity(4096);
        out.begin();
        for (key, by_nonce) in [("pending", &pending), ("queued", &queued)] {
            out.key(key);
            write_by_nonce(&mut out, by_nonce);
        }
        out.end();
        Ok(out.finish().map_err(RpcError::from)?)
    }

    fn inspect(&self) -> RpcResult<TxPoolInspect> {
        let content = self.ctx.pool().content();
        let half = |senders: BTreeMap<Address, ByNonce>| {
            senders
                .into_iter()
                .map(|(sender, by_nonce)| {
                    let lines = by_nonce.iter().map(|(nonce, tx)| (nonce.to_string(), summary(tx)));
                    (sender, lines.collect())
                })
                .collect()
        };
        Ok(TxPoolInspect { pending: half(content.pending), queued: half(content.queued) })
    }
}

fn write_by_nonce(out: &mut Writer, by_nonce: &ByNonce) {
    out.begin();
    for (nonce, pooled) in by_nonce {
        out.key(&nonce.to_string());
        let tx = pooled.transaction();
        write_transaction(out, tx.inner(), tx.signer(), None);
    }
    out.end();
}

/// geth's one-line form.
fn summary(tx: &ValidPoolTransaction) -> String {
    let inner = tx.transaction().inner();
    let to = inner.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_string());
    format!(
        "{to}: {} wei + {} gas × {} wei",
        inner.value(),
        inner.gas_limit(),
        inner.max_fee_per_gas()
    )
}
