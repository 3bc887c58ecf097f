//! Messages as producers make them.

use alloy_primitives::hex;
use base64::{Engine, engine::general_purpose::STANDARD};
use peruri_activity::ActivityId;

/// Id of activity `number`.
pub(crate) fn id(number: u64) -> ActivityId {
    let mut id = [0x40; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    ActivityId(id)
}

/// A track form, in which `user` and `payload` are personal.
pub(crate) fn track(number: u64, user: &str, payload: &str) -> String {
    let salt = hex::encode_prefixed([number as u8; 32]);
    let payload = STANDARD.encode(payload);
    event(
        number,
        "attendance",
        &format!(r#"{{"userId":"{user}","payload":"{payload}","salt":"{salt}"}}"#),
    )
}

/// A submit form, which holds hashes only.
pub(crate) fn submit(number: u64) -> String {
    let hash = |byte: u8| hex::encode_prefixed([byte; 32]);
    let (subject, commitment) = (hash(number as u8), hash(!number as u8));
    let data = format!(r#"{{"subject":"{subject}","commitment":"{commitment}"}}"#);
    event(number, "attendance", &data)
}

/// A CloudEvent.
pub(crate) fn event(number: u64, kind: &str, data: &str) -> String {
    let id = id(number);
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/hr","type":"{kind}","time":"2026-01-01T07:00:00+07:00","data":{data}}}"#
    )
}
