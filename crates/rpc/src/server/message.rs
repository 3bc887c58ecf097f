//! From the bytes of a message to its answer, with the codes of JSON-RPC 2.0.
//!
//! | message | answer |
//! |---|---|
//! | no JSON | −32700, id null |
//! | JSON, but no request object, an empty batch, or such an entry of a batch | −32600, with the id if it can be told |
//! | a batch beyond the limit | −32010 |

use jsonrpsee::{
    MethodResponse,
    core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT},
    types::{
        ErrorCode, ErrorObject, Id, InvalidRequest, Request, error::reject_too_big_batch_request,
    },
};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Answers a message. A notification's answer is not to be sent.
pub(super) async fn answer<S>(service: &S, message: &[u8], max_batch: u32) -> MethodResponse
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Sync,
{
    let Ok(text) = std::str::from_utf8(message) else {
        return MethodResponse::error(Id::Null, ErrorObject::from(ErrorCode::ParseError));
    };
    if text.trim_ascii_start().starts_with('[') {
        return match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(entries) if entries.len() > max_batch as usize => {
                let error = reject_too_big_batch_request(max_batch as usize);
                MethodResponse::error(Id::Null, error)
            }
            Ok(entries) => {
                let entries = entries.into_iter().map(|entry| parse(entry.get()));
                let entries =
                    entries.map(|e| e.map_err(|(id, code)| BatchEntryErr::new(id, code.into())));
                service.batch(Batch::from(entries.collect())).await
            }
            Err(_) => MethodResponse::error(Id::Null, ErrorObject::from(ErrorCode::ParseError)),
        };
    }
    match parse(text) {
        Ok(BatchEntry::Call(request)) => service.call(request).await,
        Ok(BatchEntry::Notification(notification)) => service.notification(notification).await,
        Err((id, code)) => MethodResponse::error(id, ErrorObject::from(code)),
    }
}

/// A request or notification; otherwise the error's code, and the id if it can be told.
fn parse(text: &str) -> Result<BatchEntry<'_>, (Id<'_>, ErrorCode)> {
    if let Ok(request) = serde_json::from_str::<Request<'_>>(text) {
        return Ok(BatchEntry::Call(request));
    }
    // A request whose id is of no allowed type must not pass as a notification, whose id is absent.
    if let Ok(notification) = serde_json::from_str::<Notification<'_>>(text)
        && !has_id(text)
    {
        return Ok(BatchEntry::Notification(notification));
    }
    if let Ok(InvalidRequest { id }) = serde_json::from_str(text) {
        return Err((id, ErrorCode::InvalidRequest));
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Err((Id::Null, ErrorCode::InvalidRequest)),
        Err(_) => Err((Id::Null, ErrorCode::ParseError)),
    }
}

/// Whether an object has the member `id`, of whatever type, once or more often.
fn has_id(text: &str) -> bool {
    serde_json::from_str::<BTreeMap<String, IgnoredAny>>(text)
        .is_ok_and(|members| members.contains_key("id"))
}

/// The id of a message that is not looked at further; null for a batch.
pub(super) fn id(message: &[u8]) -> Id<'_> {
    serde_json::from_slice::<InvalidRequest<'_>>(message).map_or(Id::Null, |request| request.id)
}
