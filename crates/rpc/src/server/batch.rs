//! Batches of raw transactions go into the pool together.
//!
//! jsonrpsee answers the entries of a batch one after another. For `eth_sendRawTransaction` that
//! would recover one signature at a time, so consecutive entries of that method are handed to the
//! pool as one batch and answered each.

use crate::{RpcError, context::Context};
use alloy_primitives::{B256, Bytes, hex};
use jsonrpsee::{
    BatchResponseBuilder, MethodResponse, ResponsePayload,
    core::middleware::{Batch, BatchEntry, Notification, RpcServiceT},
    types::{ErrorObjectOwned, Id, Request},
};
use peruri_txpool::PoolResult;
use std::future::Future;

const SEND: &str = "eth_sendRawTransaction";

/// Adds [`SendBatch`] to a server. Without a context (a server that does not offer `eth`) it does
/// nothing.
#[derive(Clone)]
pub(crate) struct SendBatchLayer {
    pub(crate) ctx: Option<Context>,
    pub(crate) max_response: usize,
}

impl<S> tower::Layer<S> for SendBatchLayer {
    type Service = SendBatch<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SendBatch { inner, ctx: self.ctx.clone(), max_response: self.max_response }
    }
}

/// The middleware.
#[derive(Clone)]
pub(crate) struct SendBatch<S> {
    inner: S,
    ctx: Option<Context>,
    max_response: usize,
}

impl<S> RpcServiceT for SendBatch<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.call(request)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.clone();
        async move {
            match &service.ctx {
                Some(ctx) if has_sends(&batch) => service.gather(ctx, batch).await,
                _ => service.inner.batch(batch).await,
            }
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

/// Whether there are at least two raw transactions.
fn has_sends(batch: &Batch<'_>) -> bool {
    let is_send = |entry: &&_| matches!(entry, Ok(BatchEntry::Call(req)) if req.method == SEND);
    batch.iter().filter(is_send).nth(1).is_some()
}

/// Raw transactions that stand next to each other in a batch.
#[derive(Default)]
struct Run<'a> {
    ids: Vec<Id<'a>>,
    raw: Vec<Bytes>,
}

impl<S> SendBatch<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Send
        + Sync,
{
    async fn gather(&self, ctx: &Context, batch: Batch<'_>) -> MethodResponse {
        let mut answers = BatchResponseBuilder::new_with_limit(self.max_response);
        let mut run = Run::default();
        let mut notified = false;
        for entry in batch {
            let answer = match entry {
                Ok(BatchEntry::Call(request)) => {
                    if let Some(raw) = raw_transaction(&request) {
                        run.ids.push(request.id);
                        run.raw.push(raw);
                        continue;
                    }
                    if let Err(error) = self.flush(ctx, &mut run, &mut answers).await {
                        return error;
                    }
                    self.inner.call(request).await
                }
                Ok(BatchEntry::Notification(notification)) => {
                    notified = true;
                    self.inner.notification(notification).await;
                    continue;
                }
                Err(error) => {
                    if let Err(error) = self.flush(ctx, &mut run, &mut answers).await {
                        return error;
                    }
                    let (error, id) = error.into_parts();
                    MethodResponse::error(id, error)
                }
            };
            if let Err(error) = answers.append(answer) {
                return error;
            }
        }
        if let Err(error) = self.flush(ctx, &mut run, &mut answers).await {
            return error;
        }
        if answers.is_empty() && notified {
            return MethodResponse::notification();
        }
        MethodResponse::from_batch(answers.finish())
    }

    /// Hands the run to the pool and answers its entries.
    async fn flush(
        &self,
        ctx: &Context,
        run: &mut Run<'_>,
        answers: &mut BatchResponseBuilder,
    ) -> Result<(), MethodResponse> {
        let Run { ids, raw } = std::mem::take(run);
        if ids.is_empty() {
            return Ok(());
        }
        match ctx.sends.add(raw).await {
            Ok(results) => {
                for (id, result) in ids.into_iter().zip(results) {
                    answers.append(self.answer(id, result))?;
                }
            }
            Err(error) => {
                let error = ErrorObjectOwned::from(error);
                for id in ids {
                    answers.append(MethodResponse::error(id, error.borrow()))?;
                }
            }
        }
        Ok(())
    }

    fn answer(&self, id: Id<'_>, result: PoolResult<B256>) -> MethodResponse {
        match result {
            Ok(hash) => {
                MethodResponse::response(id, ResponsePayload::success(hash), self.max_response)
            }
            Err(error) => {
                MethodResponse::error(id, ErrorObjectOwned::from(RpcError::Pool(error.kind)))
            }
        }
    }
}

/// The bytes of an `eth_sendRawTransaction` with exactly one hex string; anything else goes the
/// ordinary way and gets the ordinary error.
fn raw_transaction(request: &Request<'_>) -> Option<Bytes> {
    if request.method != SEND {
        return None;
    }
    let params = request.params.as_ref()?;
    let [text] = serde_json::from_str::<[&str; 1]>(params.get()).ok()?;
    hex::decode(text).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, params: &str) -> Request<'static> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let request: Request<'_> = serde_json::from_str(&text).expect("request");
        Request::owned(
            request.method.into_owned(),
            request.params.map(|params| params.into_owned()),
            Id::Number(1),
        )
    }

    #[test]
    fn only_well_formed_sends_are_gathered() {
        let bytes = raw_transaction(&request(SEND, r#"["0x0102"]"#));
        assert_eq!(bytes, Some(Bytes::from_static(&[1, 2])));
        for params in ["[]", r#"["0x01","0x02"]"#, r#"["0xzz"]"#, "[7]", r#"{"a":"0x01"}"#] {
            assert_eq!(raw_transaction(&request(SEND, params)), None, "{params}");
        }
        assert_eq!(raw_transaction(&request("eth_call", r#"["0x0102"]"#)), None);
    }
}
