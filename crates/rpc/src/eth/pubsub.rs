//! Subscriptions.
//!
//! Each subscription follows a bounded broadcast channel and writes into the connection's bounded
//! queue. One that falls behind on either is closed with an error that says so: what was lost is
//! never hidden.

use super::logs::log_texts;
use crate::{
    RpcError,
    context::Context,
    json::{self, Writer},
};
use alloy_rpc_types_eth::{
    Filter,
    pubsub::{Params, PubSubSyncStatus, SubscriptionKind, SyncStatusMetadata},
};
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::{SubscriptionError, SubscriptionResult, async_trait},
};
use peruri_rpc_api::{EthPubSubApiServer, Json};
use peruri_storage::{CanonStateNotification, ExecutedBlock};
use peruri_txpool::ValidPoolTransaction;
use serde_json::value::{RawValue, to_raw_value};
use std::{sync::Arc, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// How long a full connection may take to make room before its subscription is closed.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers of [`EthPubSubApiServer`].
#[derive(Clone)]
pub(crate) struct EthPubSub {
    ctx: Context,
}

/// What a subscription sends.
enum Topic {
    Heads,
    Logs(Box<Filter>),
    PendingHashes,
    PendingTransactions,
    Syncing,
}

impl EthPubSub {
    pub(crate) const fn new(ctx: Context) -> Self {
        Self { ctx }
    }
}

fn topic(kind: SubscriptionKind, params: Option<Params>) -> Result<Topic, RpcError> {
    use SubscriptionKind as Kind;
    Ok(match (kind, params.unwrap_or_default()) {
        (Kind::NewHeads, Params::None) => Topic::Heads,
        (Kind::Logs, Params::Logs(filter)) => Topic::Logs(filter),
        (Kind::Logs, Params::None) => Topic::Logs(Box::default()),
        (Kind::NewPendingTransactions, Params::None | Params::Bool(false)) => Topic::PendingHashes,
        (Kind::NewPendingTransactions, Params::Bool(true)) => Topic::PendingTransactions,
        (Kind::Syncing, Params::None) => Topic::Syncing,
        (kind, _) => {
            return Err(RpcError::invalid(format!("no such parameters for subscription {kind}")));
        }
    })
}

#[async_trait]
impl EthPubSubApiServer for EthPubSub {
    async fn subscribe_events(
        &self,
        pending: PendingSubscriptionSink,
        kind: SubscriptionKind,
        params: Option<Params>,
    ) -> SubscriptionResult {
        let topic = match topic(kind, params) {
            Ok(topic) => topic,
            Err(error) => {
                pending.reject(error).await;
                return Ok(());
            }
        };
        // Before the answer goes out, so that nothing after it is missed.
        let blocks = self.ctx.factory().subscribe_to_canonical_state();
        let transactions = self.ctx.pool().pending_transactions_listener();
        let sink = pending.accept().await?;
        let ctx = &self.ctx;
        match topic {
            Topic::Heads => follow(&sink, blocks, |new| heads(&new)).await,
            Topic::Logs(filter) => follow_each(&sink, blocks, |new| logs(ctx, &filter, &new)).await,
            Topic::Syncing => {
                let mut last = None;
                send_all(&sink, syncing(ctx, &mut last)?.into_iter().map(Ok)).await?;
                follow(&sink, blocks, |_| syncing(ctx, &mut last)).await
            }
            Topic::PendingHashes => {
                let one = |hash: &[u8]| {
                    let mut out = Writer::with_capacity(70);
                    out.data(hash);
                    raw(out.finish::<()>()?)
                };
                let text = |batch: Arc<[Arc<ValidPoolTransaction>]>| {
                    pooled(&batch, |tx| one(tx.hash().as_slice()))
                };
                follow(&sink, transactions, text).await
            }
            Topic::PendingTransactions => {
                let text = |batch: Arc<[Arc<ValidPoolTransaction>]>| {
                    pooled(&batch, |tx| {
                        let tx = tx.transaction();
                        raw(json::transaction_json(tx.inner(), tx.signer(), None)?)
                    })
                };
                follow(&sink, transactions, text).await
            }
        }
    }
}

/// Sends what `messages` makes of everything that comes, until the subscriber goes away or falls
/// behind.
pub(crate) async fn follow<T: Clone>(
    sink: &SubscriptionSink,
    receiver: Receiver<T>,
    mut messages: impl FnMut(T) -> Result<Vec<Box<RawValue>>, RpcError>,
) -> SubscriptionResult {
    follow_each(sink, receiver, |item| Ok(messages(item)?.into_iter().map(Ok))).await
}

/// As [`follow`], for messages that are made one by one when there is room for them.
async fn follow_each<T: Clone, M>(
    sink: &SubscriptionSink,
    mut receiver: Receiver<T>,
    mut messages: impl FnMut(T) -> Result<M, RpcError>,
) -> SubscriptionResult
where
    M: Iterator<Item = Result<Box<RawValue>, RpcError>>,
{
    loop {
        let item = tokio::select! {
            () = sink.closed() => return Ok(()),
            item = receiver.recv() => item,
        };
        match item {
            Ok(item) => send_all(sink, messages(item)?).await?,
            Err(RecvError::Closed) => return Ok(()),
            Err(RecvError::Lagged(lost)) => {
                return Err(closed(format!("subscriber too slow: {lost} notifications lost")));
            }
        }
    }
}

/// Sends messages, each within a time. They are made one by one, when there is room for them.
pub(crate) async fn send_all(
    sink: &SubscriptionSink,
    messages: impl Iterator<Item = Result<Box<RawValue>, RpcError>>,
) -> SubscriptionResult {
    for message in messages {
        if sink.send_timeout(message?, SEND_TIMEOUT).await.is_err() && !sink.is_closed() {
            return Err(closed(format!(
                "subscriber too slow: {} messages waiting for {SEND_TIMEOUT:?}",
                sink.max_capacity()
            )));
        }
    }
    Ok(())
}

fn closed(reason: String) -> SubscriptionError {
    tracing::debug!(target: "rpc::pubsub", %reason, "subscription closed");
    SubscriptionError::from(reason)
}

fn raw<T>(json: Json<T>) -> Result<Box<RawValue>, RpcError> {
    Ok(RawValue::from_string(json.text().to_owned())?)
}

fn heads(new: &CanonStateNotification) -> Result<Vec<Box<RawValue>>, RpcError> {
    let block: &ExecutedBlock = new.tip();
    let header = json::header_json(block.recovered_block.header(), block.hash())?;
    Ok(vec![raw(header)?])
}

fn logs<'a>(
    ctx: &Context,
    filter: &'a Filter,
    new: &CanonStateNotification,
) -> Result<impl Iterator<Item = Result<Box<RawValue>, RpcError>> + use<'a>, RpcError> {
    let block = ctx.block_by_hash(new.tip().hash())?;
    let with_logs = block.filter(|block| !block.header().logs_bloom.is_zero());
    let texts = with_logs.map(|block| log_texts(ctx, filter, block)).transpose()?;
    Ok(texts.into_iter().flatten().map(|text| raw(text?)))
}

fn pooled<T>(
    batch: &[Arc<T>],
    one: impl Fn(&T) -> Result<Box<RawValue>, RpcError>,
) -> Result<Vec<Box<RawValue>>, RpcError> {
    batch.iter().map(|tx| one(tx)).collect()
}

/// The state of synchronisation if it began or ended.
fn syncing(ctx: &Context, last: &mut Option<bool>) -> Result<Vec<Box<RawValue>>, RpcError> {
    let progress = ctx.handles.status.sync_progress();
    if last.replace(progress.is_some()) == Some(progress.is_some()) {
        return Ok(Vec::new());
    }
    let status = match progress {
        None => PubSubSyncStatus::Simple(false),
        Some(progress) => PubSubSyncStatus::Detailed(SyncStatusMetadata {
            syncing: true,
            starting_block: progress.starting,
            current_block: ctx.factory().best_block_number()?,
            highest_block: Some(progress.highest),
        }),
    };
    Ok(vec![to_raw_value(&status)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_must_fit_the_kind() {
        use SubscriptionKind as Kind;
        assert!(matches!(topic(Kind::NewHeads, None), Ok(Topic::Heads)));
        assert!(matches!(topic(Kind::Logs, None), Ok(Topic::Logs(_))));
        let full = topic(Kind::NewPendingTransactions, Some(Params::Bool(true)));
        assert!(matches!(full, Ok(Topic::PendingTransactions)));
        assert!(topic(Kind::NewHeads, Some(Params::Bool(true))).is_err());
        assert!(topic(Kind::TransactionReceipts, None).is_err());
    }
}
