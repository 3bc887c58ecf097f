//! One server's answers over HTTP, and where WebSocket sessions begin.

use super::{
    batch::{SendBatch, SendBatchLayer},
    dispatch::{Dispatch, Subscriptions},
    guard::{self, error_body},
    message,
    session::{self, Session},
};
use crate::{RpcLimits, error::LIMIT_EXCEEDED};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use jsonrpsee::{
    ConnectionId, Methods,
    core::BoxError,
    server::{
        HttpBody, HttpRequest, HttpResponse, StopHandle,
        http::{content_type_is_json, response},
    },
};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{sync::mpsc, time::timeout};
use tower::{Layer, Service};

/// Tells connections apart, over all servers.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// What a server speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transports {
    pub(crate) http: bool,
    pub(crate) ws: bool,
}

/// What the connections of a server share.
pub(crate) struct EndpointParts {
    pub(crate) methods: Methods,
    pub(crate) sends: SendBatchLayer,
    pub(crate) transports: Transports,
    pub(crate) limits: RpcLimits,
    pub(crate) stop: StopHandle,
    /// Dropped when the last connection ends.
    pub(crate) alive: mpsc::Sender<()>,
}

impl EndpointParts {
    /// The methods for one connection.
    pub(super) fn service(&self, subscriptions: Option<Arc<Subscriptions>>) -> SendBatch<Dispatch> {
        self.sends.layer(Dispatch {
            methods: self.methods.clone(),
            max_response: self.limits.max_response_bytes as usize,
            conn_id: ConnectionId(CONNECTIONS.fetch_add(1, Ordering::Relaxed)),
            subscriptions,
        })
    }

    async fn post(&self, request: HttpRequest<Incoming>) -> HttpResponse {
        if request.method() != "POST" {
            return response::method_not_allowed();
        }
        if !content_type_is_json(&request) {
            return response::unsupported_content_type();
        }
        let max = self.limits.max_request_bytes;
        if request.body().size_hint().lower() > u64::from(max) {
            return response::too_large(max);
        }
        let body = Limited::new(request.into_body(), max as usize).collect();
        let body = match timeout(self.limits.request_timeout, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Err(_) => return too_slow(self.limits.request_timeout),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return response::too_large(max),
            Ok(Err(error)) => {
                tracing::debug!(target: "rpc::server", %error, "reading a request failed");
                return response::malformed();
            }
        };
        let answer = message::answer(&self.service(None), &body, self.limits.max_batch).await;
        response::from_method_response(answer)
    }
}

/// The service of one connection.
#[derive(Clone)]
pub(crate) struct Endpoint(pub(crate) Arc<EndpointParts>);

impl Service<HttpRequest<Incoming>> for Endpoint {
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Incoming>) -> Self::Future {
        let parts = self.0.clone();
        let Transports { http, ws } = parts.transports;
        Box::pin(async move {
            Ok(match session::is_upgrade(&request) {
                true if ws => Session::begin(parts, request),
                false if http => parts.post(request).await,
                _ => denied(),
            })
        })
    }
}

/// The body did not come in time. What is left of it is not waited for: the connection ends.
fn too_slow(limit: Duration) -> HttpResponse {
    guard::json_response(408, error_body(LIMIT_EXCEEDED, &format!("no request within {limit:?}")))
}

/// The server does not speak this.
fn denied() -> HttpResponse {
    response::denied().map(|_| HttpBody::empty())
}
