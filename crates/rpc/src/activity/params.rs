//! Parameters of queries, each refused by its name.

use peruri_activity::{ActivityError, ActivityId, VoidTarget};
use peruri_plog::VoidReason;
use serde_json::{Map, Value};
use std::time::Duration;

/// Most items of an answer.
const MOST_ITEMS: u64 = 1_000;
/// Longest wait for the first completion.
const LONGEST_WAIT_MS: u64 = 10_000;
/// JSON numbers from here on lose digits in many readers.
const NUMBERS_END: u64 = 1 << 53;

/// What `activity_getCompletions` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CompletionQuery {
    pub(super) from: u64,
    pub(super) limit: usize,
    pub(super) wait: Duration,
}

pub(super) fn malformed(field: &'static str, reason: impl Into<String>) -> ActivityError {
    ActivityError::Malformed { field: field.into(), reason: reason.into().into() }
}

/// The members of an object that has no others than these.
fn members<'a>(
    value: &'a Value,
    names: &[&'static str],
) -> Result<&'a Map<String, Value>, ActivityError> {
    let object = value.as_object().ok_or_else(|| malformed("params", "expected an object"))?;
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(_) => Err(malformed("params", format!("only {} may be given", names.join(", ")))),
        None => Ok(object),
    }
}

/// A number from `low` to `high`; `default` where it is missing and there is one.
fn number(
    object: &Map<String, Value>,
    name: &'static str,
    (low, high): (u64, u64),
    default: Option<u64>,
) -> Result<u64, ActivityError> {
    let value = match (object.get(name), default) {
        (Some(value), _) => value.as_u64(),
        (None, Some(default)) => Some(default),
        (None, None) => return Err(malformed(name, "missing")),
    };
    let value = value.filter(|value| (low..=high).contains(value));
    value.ok_or_else(|| malformed(name, format!("expected a number from {low} to {high}")))
}

fn id(value: &Value) -> Result<ActivityId, ActivityError> {
    let text = value.as_str().ok_or_else(|| malformed("activityId", "expected a string"))?;
    ActivityId::parse("activityId", text)
}

/// One id or several.
pub(super) fn ids(value: &Value) -> Result<(Vec<ActivityId>, bool), ActivityError> {
    match value.as_array() {
        Some(list) => Ok((list.iter().map(id).collect::<Result<_, _>>()?, true)),
        None => Ok((vec![id(value)?], false)),
    }
}

pub(super) fn completions(value: &Value) -> Result<CompletionQuery, ActivityError> {
    let object = members(value, &["from", "limit", "waitMs"])?;
    let limit = number(object, "limit", (1, MOST_ITEMS), Some(MOST_ITEMS))?;
    let wait = number(object, "waitMs", (0, LONGEST_WAIT_MS), Some(0))?;
    Ok(CompletionQuery {
        from: number(object, "from", (1, NUMBERS_END - 1), None)?,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        wait: Duration::from_millis(wait),
    })
}

/// Where a subscription begins.
pub(super) fn subscription(value: &Value) -> Result<u64, ActivityError> {
    number(members(value, &["from"])?, "from", (1, NUMBERS_END - 1), None)
}

/// The only member of `activity_erase`.
pub(super) fn erase(value: &Value) -> Result<ActivityId, ActivityError> {
    let object = members(value, &["activityId"])?;
    id(object.get("activityId").unwrap_or(&Value::Null))
}

/// What `activity_void` closes, and why.
pub(super) fn void(value: &Value) -> Result<(VoidTarget, VoidReason), ActivityError> {
    let object = members(value, &["activityId", "from", "to", "reason"])?;
    let reason = number(object, "reason", (1, 5), None)?;
    let reason = u16::try_from(reason).ok().and_then(VoidReason::from_number);
    let reason = reason.ok_or_else(|| malformed("reason", "expected 1 to 5"))?;
    let target = match object.get("activityId") {
        Some(_) if object.contains_key("from") || object.contains_key("to") => {
            return Err(malformed("activityId", "not together with from and to"));
        }
        Some(value) => VoidTarget::Activity(id(value)?),
        None => {
            let from = number(object, "from", (1, NUMBERS_END - 1), None)?;
            VoidTarget::Numbers(from..=number(object, "to", (from, NUMBERS_END - 1), None)?)
        }
    };
    Ok((target, reason))
}

pub(super) fn limit(value: Option<&Value>) -> Result<usize, ActivityError> {
    let limit = match value.filter(|value| !value.is_null()) {
        Some(value) => value.as_u64().filter(|limit| (1..=MOST_ITEMS).contains(limit)),
        None => Some(MOST_ITEMS),
    };
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.ok_or_else(|| malformed("limit", "expected 1 to 1,000"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    const ID: &str = "6f1f9f0e-6f0b-4d53-9a5e-0a4b8f0c7d01";

    fn field<T: std::fmt::Debug>(result: Result<T, ActivityError>) -> String {
        match result.unwrap_err() {
            ActivityError::Malformed { field, .. } => field.into_owned(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn one_id_or_several() {
        let (one, many) = (json!(ID), json!([ID, ID]));
        assert_eq!(ids(&one).map(|(ids, many)| (ids.len(), many)).unwrap(), (1, false));
        assert_eq!(ids(&many).map(|(ids, many)| (ids.len(), many)).unwrap(), (2, true));
        for bad in [json!(1), json!([1]), json!("x"), json!(null), json!({})] {
            assert_eq!(field(ids(&bad)), "activityId", "{bad}");
        }
    }

    #[test]
    fn queries_have_bounds() {
        let query = completions(&json!({"from": 3})).unwrap();
        assert_eq!((query.from, query.limit, query.wait), (3, 1_000, Duration::ZERO));
        for (bad, name) in [
            (json!({}), "from"),
            (json!({"from": 0}), "from"),
            (json!({"from": 1, "limit": 1001}), "limit"),
            (json!({"from": 1, "limit": 0}), "limit"),
            (json!({"from": 1, "waitMs": 10_001}), "waitMs"),
            (json!({"from": 1, "waitMs": "1"}), "waitMs"),
            (json!({"from": 1, "wait": 1}), "params"),
            (json!([1]), "params"),
        ] {
            assert_eq!(field(completions(&bad)), name, "{bad}");
        }
        assert_eq!(subscription(&json!({"from": 7})), Ok(7));
        assert_eq!(limit(Some(&json!(5))), Ok(5));
        assert_eq!(limit(None), Ok(1_000));
        assert!(limit(Some(&json!(1_001))).is_err());
    }

    #[test]
    fn a_void_names_an_activity_or_numbers() {
        let (target, reason) = void(&json!({"activityId": ID, "reason": 2})).unwrap();
        assert!(matches!(target, VoidTarget::Activity(_)));
        assert_eq!(reason, VoidReason::Withdrawn);
        let (target, _) = void(&json!({"from": 5, "to": 9, "reason": 4})).unwrap();
        assert_eq!(target, VoidTarget::Numbers(5..=9));
        for (bad, name) in [
            (json!({"activityId": ID}), "reason"),
            (json!({"activityId": ID, "reason": 6}), "reason"),
            (json!({"activityId": ID, "from": 1, "reason": 4}), "activityId"),
            (json!({"from": 5, "to": 4, "reason": 4}), "to"),
            (json!({"reason": 4}), "from"),
        ] {
            assert_eq!(field(void(&bad)), name, "{bad}");
        }
        assert!(erase(&json!({"activityId": ID})).is_ok());
        assert_eq!(field(erase(&json!({}))), "activityId");
    }
}
