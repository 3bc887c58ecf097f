//! Subscriptions to the log.

use super::{api::entry, snapshot::Snapshot};
use crate::{RpcError, context::Context, error::RpcResult, eth::follow};
use alloy_primitives::B256;
use jsonrpsee::{
    PendingSubscriptionSink,
    core::{SubscriptionResult, async_trait},
};
use peruri_rpc_api::PlogPubSubApiServer;
use peruri_storage::CanonStateNotification;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeSet;

/// Answers of [`PlogPubSubApiServer`].
#[derive(Clone)]
pub(crate) struct PlogPubSub {
    ctx: Context,
}

/// What a subscription sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Entries,
    Heads,
}

impl PlogPubSub {
    pub(crate) const fn new(ctx: Context) -> Self {
        Self { ctx }
    }
}

fn topic(name: &str) -> Result<Topic, RpcError> {
    match name {
        "entries" => Ok(Topic::Entries),
        "heads" => Ok(Topic::Heads),
        other => Err(RpcError::invalid(format!("what: {other:?} is neither entries nor heads"))),
    }
}

#[async_trait]
impl PlogPubSubApiServer for PlogPubSub {
    async fn subscribe_log(
        &self,
        pending: PendingSubscriptionSink,
        what: String,
    ) -> SubscriptionResult {
        let topic = match topic(&what) {
            Ok(topic) => topic,
            Err(error) => {
                pending.reject(error).await;
                return Ok(());
            }
        };
        // Before the answer goes out, so that nothing after it is missed.
        let blocks = self.ctx.factory().subscribe_to_canonical_state();
        let sink = pending.accept().await?;
        let ctx = &self.ctx;
        match topic {
            Topic::Entries => follow(&sink, blocks, |new| entries(ctx, &new)).await,
            Topic::Heads => follow(&sink, blocks, |new| heads(ctx, &new)).await,
        }
    }
}

/// The entries of a block.
fn entries(ctx: &Context, new: &CanonStateNotification) -> RpcResult<Vec<Box<RawValue>>> {
    let block = new.tip();
    let appends = &block.execution_output.plog_appends;
    if appends.is_empty() {
        return Ok(Vec::new());
    }
    let view = ctx.factory().plog()?;
    let mut messages = Vec::new();
    for append in appends {
        let count = append.entries.len() / peruri_plog::ENTRY_LEN;
        for record in view.entries(append.log, append.first_index, count)? {
            messages.push(to_raw_value(&entry(ctx, record)?)?);
        }
    }
    Ok(messages)
}

/// The heads of the logs that a block has extended.
fn heads(ctx: &Context, new: &CanonStateNotification) -> RpcResult<Vec<Box<RawValue>>> {
    let block = new.tip();
    let appends = block.execution_output.plog_appends.iter();
    let logs: BTreeSet<B256> = appends.map(|append| append.log).collect();
    if logs.is_empty() {
        return Ok(Vec::new());
    }
    let snapshot = Snapshot::at(ctx, block.recovered_block.clone_sealed_header())?;
    logs.into_iter().map(|log| Ok(to_raw_value(&snapshot.head(log)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_topics() {
        assert!(matches!(topic("entries"), Ok(Topic::Entries)));
        assert!(matches!(topic("heads"), Ok(Topic::Heads)));
        assert!(topic("logs").is_err());
    }
}
