//! Completions as they come.

use super::{
    answer::{self, refused},
    params::{self, malformed},
};
use crate::eth::send_all;
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::{SubscriptionResult, async_trait},
};
use peruri_activity::{ActivityError, ActivityHandle};
use peruri_rpc_api::ActivityPubSubApiServer;
use serde_json::{Value, value::to_raw_value};
use std::time::Duration;

/// Completions that are read at a time.
const AT_A_TIME: usize = 100;
/// How long one look waits; the next one follows at once.
const WAIT: Duration = Duration::from_secs(3_600);

/// Answers of [`ActivityPubSubApiServer`].
pub(crate) struct ActivityPubSub {
    handle: ActivityHandle,
}

impl ActivityPubSub {
    pub(crate) const fn new(handle: ActivityHandle) -> Self {
        Self { handle }
    }

    async fn follow(&self, sink: &SubscriptionSink, mut from: u64) -> SubscriptionResult {
        loop {
            let found = tokio::select! {
                () = sink.closed() => return Ok(()),
                found = self.handle.completions(from, AT_A_TIME, WAIT) => found?,
            };
            let items = found.items.iter().map(|item| Ok(to_raw_value(&answer::completion(item))?));
            send_all(sink, items).await?;
            from = found.next;
        }
    }
}

fn check(what: &str, query: &Value) -> Result<u64, ActivityError> {
    match what {
        "completions" => params::subscription(query),
        _ => Err(malformed("what", "expected completions")),
    }
}

#[async_trait]
impl ActivityPubSubApiServer for ActivityPubSub {
    async fn subscribe_completions(
        &self,
        pending: PendingSubscriptionSink,
        what: String,
        query: Value,
    ) -> SubscriptionResult {
        match check(&what, &query) {
            Ok(from) => self.follow(&pending.accept().await?, from).await,
            Err(error) => {
                pending.reject(refused(error)).await;
                Ok(())
            }
        }
    }
}
