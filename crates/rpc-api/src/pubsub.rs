//! Namespace `eth`: subscriptions (WebSocket only).

use alloy_rpc_types_eth::pubsub::{Params, SubscriptionKind};
use jsonrpsee::proc_macros::rpc;
use serde_json::value::RawValue;

/// Push notifications.
#[rpc(server, client, namespace = "eth")]
pub trait EthPubSubApi {
    /// Subscribes to `newHeads`, `logs`, `newPendingTransactions` or `syncing`.
    ///
    /// A subscriber that does not keep up is closed with an error, never skipped silently.
    #[subscription(
        name = "subscribe" => "subscription",
        unsubscribe = "unsubscribe",
        item = Box<RawValue>
    )]
    async fn subscribe_events(
        &self,
        kind: SubscriptionKind,
        params: Option<Params>,
    ) -> jsonrpsee::core::SubscriptionResult;
}
