//! Calls methods by name: the innermost service of a connection.

use jsonrpsee::{
    BatchResponseBuilder, ConnectionId, MethodCallback, MethodResponse, MethodSink, Methods,
    core::{
        middleware::{Batch, BatchEntry, Notification, RpcServiceT},
        server::{BoundedSubscriptions, SubscriptionState},
        traits::IdProvider,
    },
    types::{
        ErrorCode, ErrorObject, Params, Request, SubscriptionId,
        error::reject_too_many_subscriptions,
    },
};
use std::{future::Future, sync::Arc};

/// The methods of a server for one connection.
#[derive(Clone)]
pub(super) struct Dispatch {
    pub(super) methods: Methods,
    pub(super) max_response: usize,
    pub(super) conn_id: ConnectionId,
    /// Subscriptions, on a connection that can have some.
    pub(super) subscriptions: Option<Arc<Subscriptions>>,
}

/// What the subscriptions of a connection need.
pub(super) struct Subscriptions {
    pub(super) bound: BoundedSubscriptions,
    pub(super) sink: MethodSink,
}

impl Dispatch {
    async fn run(self, request: Request<'_>) -> MethodResponse {
        let Request { id, method, params, extensions, .. } = request;
        let params = Params::new(params.as_ref().map(|params| params.get()));
        let max = self.max_response;
        match self.methods.method(&method) {
            None => MethodResponse::error(id, ErrorObject::from(ErrorCode::MethodNotFound)),
            Some(MethodCallback::Sync(call)) => call(id, params, max, extensions),
            Some(MethodCallback::Async(call)) => {
                call(id.into_owned(), params.into_owned(), self.conn_id, max, extensions).await
            }
            Some(MethodCallback::Unsubscription(call)) => {
                call(id, params, self.conn_id, max, extensions)
            }
            Some(MethodCallback::Subscription(call)) => {
                let Some(subscriptions) = &self.subscriptions else {
                    let error = ErrorObject::from(ErrorCode::MethodNotFound);
                    return MethodResponse::error(id, error);
                };
                let Some(subscription_permit) = subscriptions.bound.acquire() else {
                    let error = reject_too_many_subscriptions(subscriptions.bound.max());
                    return MethodResponse::error(id, error);
                };
                let state = SubscriptionState {
                    conn_id: self.conn_id,
                    id_provider: &SubscriptionIds,
                    subscription_permit,
                };
                call(id, params, subscriptions.sink.clone(), state, extensions).await
            }
        }
    }
}

impl RpcServiceT for Dispatch {
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.clone().run(request)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.clone();
        async move {
            let mut answers = BatchResponseBuilder::new_with_limit(service.max_response);
            let mut notified = false;
            for entry in batch {
                let answer = match entry {
                    Ok(BatchEntry::Call(request)) => service.call(request).await,
                    Ok(BatchEntry::Notification(_)) => {
                        notified = true;
                        continue;
                    }
                    Err(error) => {
                        let (error, id) = error.into_parts();
                        MethodResponse::error(id, error)
                    }
                };
                if let Err(error) = answers.append(answer) {
                    return error;
                }
            }
            if answers.is_empty() && notified {
                return MethodResponse::notification();
            }
            // An empty batch is answered as an invalid request.
            MethodResponse::from_batch(answers.finish())
        }
    }

    /// No method here is of use without its answer.
    fn notification<'a>(
        &self,
        _: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        std::future::ready(MethodResponse::notification())
    }
}

/// Ids of subscriptions in the form that Ethereum's clients give them: hexadecimal text. Libraries that
/// expect it do not find the notifications of a numeric id.
#[derive(Debug, Clone, Copy)]
struct SubscriptionIds;

impl IdProvider for SubscriptionIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        format!("{:#x}", rand::random::<u128>()).into()
    }
}
