//! Parameters, each refused by its name.

use crate::{RpcError, error::RpcResult};
use alloy_primitives::{Address, B256};
use serde_json::{Map, Value};

/// JSON numbers above this lose digits in many readers.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// 32 bytes in hex.
pub(super) fn hash(name: &str, value: &Value) -> RpcResult<B256> {
    let parsed = value.as_str().filter(|text| text.len() == 66).and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| bad(name, "32 bytes in 0x hex"))
}

/// A JSON number below 2^53.
pub(super) fn number(name: &str, value: &Value) -> RpcResult<u64> {
    let number = value.as_u64().filter(|number| *number <= MAX_NUMBER);
    number.ok_or_else(|| bad(name, "a number from 0 below 2^53"))
}

/// A number that may be missing or `null`.
pub(super) fn optional_number(name: &str, value: Option<&Value>) -> RpcResult<Option<u64>> {
    value.filter(|value| !value.is_null()).map(|value| number(name, value)).transpose()
}

/// A source's number.
pub(super) fn source(name: &str, value: &Value) -> RpcResult<u32> {
    let id = number(name, value)?;
    u32::try_from(id)
        .ok()
        .filter(|id| *id > 0)
        .ok_or_else(|| bad(name, "a number from 1 below 2^32"))
}

/// Canonical UUID text.
pub(super) fn uuid(name: &str, value: &Value) -> RpcResult<[u8; 16]> {
    let wrong = || bad(name, "a UUID like 6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01");
    let text = value.as_str().filter(|text| text.len() == 36).ok_or_else(wrong)?;
    let dashes =
        text.bytes().enumerate().all(|(at, byte)| (byte == b'-') == matches!(at, 8 | 13 | 18 | 23));
    let digits = text.replace('-', "");
    let parsed = alloy_primitives::hex::decode_to_array(digits).ok().filter(|_| dashes);
    parsed.ok_or_else(wrong)
}

/// Distinct addresses.
pub(super) fn addresses(name: &str, value: &Value) -> RpcResult<Vec<Address>> {
    let parse = |it: &Value| it.as_str()?.parse::<Address>().ok();
    let list = value.as_array().and_then(|list| list.iter().map(parse).collect());
    list.ok_or_else(|| bad(name, "a list of addresses"))
}

/// An object with no other members than these.
pub(super) fn object<'a>(
    name: &str,
    value: &'a Value,
    members: &[&str],
) -> RpcResult<&'a Map<String, Value>> {
    let object = value.as_object().ok_or_else(|| bad(name, "an object"))?;
    match object.keys().find(|key| !members.contains(&key.as_str())) {
        Some(other) => {
            Err(bad(name, &format!("without {other:?}; it may have {}", members.join(", "))))
        }
        None => Ok(object),
    }
}

pub(super) fn bad(name: &str, expected: &str) -> RpcError {
    RpcError::invalid(format!("{name}: must be {expected}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    #[test]
    fn only_canonical_uuids_are_taken() {
        let text = "00112233-4455-6677-8899-aabbccddeeff";
        let bytes = uuid("activityId", &json!(text)).unwrap();
        assert_eq!(bytes[..4], [0, 0x11, 0x22, 0x33]);
        for bad in
            ["", "0011223344556677-8899-aabb-ccddeeff00", &text[1..], &text.replace('f', "g")]
        {
            let error = uuid("activityId", &json!(bad)).unwrap_err();
            assert!(error.to_string().starts_with("activityId: "), "{error}");
        }
    }

    #[test]
    fn numbers_are_whole_and_small_enough() {
        assert_eq!(number("index", &json!(MAX_NUMBER)).unwrap(), MAX_NUMBER);
        for bad in [json!(-1), json!(1.5), json!("1"), json!(MAX_NUMBER + 1), json!(null)] {
            assert!(number("index", &bad).is_err(), "{bad}");
        }
        assert_eq!(optional_number("size", Some(&json!(null))).unwrap(), None);
        assert!(source("sourceId", &json!(0)).is_err());
    }

    #[test]
    fn unknown_members_are_named() {
        let value = json!({"block": 1, "colour": 2});
        let error = object("options", &value, &["block", "seals"]).unwrap_err().to_string();
        assert!(error.contains("colour") && error.contains("seals"), "{error}");
    }
}
