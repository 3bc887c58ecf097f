//! Compares an answer with the expected one.
//!
//! In shape, two values agree if they have the same JSON type; strings also the same form: quantity,
//! data (of 20, 32 or 256 bytes, or of any length) or text. Objects have the same members, unless
//! their names are data themselves (addresses, slots, nonces). Lists, and objects of that kind, agree
//! if each of their values agrees with one of those expected.

use crate::exceptions::is_optional;
use serde_json::{Map, Value};
use std::fmt;

/// Characters of a value that are shown.
const SHOWN: usize = 200;

/// Where two answers differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// JSON pointer (RFC 6901).
    pointer: String,
    expected: String,
    got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, expected, got } = self;
        write!(f, "{pointer}: expected {expected}, got {got}")
    }
}

/// The differences between two answers.
pub(crate) fn compare(expected: &Value, got: &Value, shape_only: bool) -> Vec<Difference> {
    let mut comparison = Comparison { shape_only, found: Vec::new() };
    for member in ["jsonrpc", "id"] {
        comparison.scalar(&format!("/{member}"), &expected[member], &got[member]);
    }
    match (expected.get("error"), got.get("error")) {
        (Some(expected), Some(got)) => {
            comparison.scalar("/error/code", &expected["code"], &got["code"]);
            let has_data = |error: &Value| Value::from(error.get("data").is_some());
            comparison.scalar("/error/data (present)", &has_data(expected), &has_data(got));
        }
        (None, None) => {
            comparison.member("", "result", expected.get("result"), got.get("result"));
        }
        (expected, got) => comparison.add("/error", expected, got),
    }
    comparison.found
}

struct Comparison {
    shape_only: bool,
    found: Vec<Difference>,
}

impl Comparison {
    fn add(&mut self, pointer: &str, expected: Option<&Value>, got: Option<&Value>) {
        let pointer = pointer.to_owned();
        self.found.push(Difference { pointer, expected: shown(expected), got: shown(got) });
    }

    fn scalar(&mut self, pointer: &str, expected: &Value, got: &Value) {
        if expected != got {
            self.add(pointer, Some(expected), Some(got));
        }
    }

    fn value(&mut self, pointer: &str, expected: &Value, got: &Value) {
        match (expected, got) {
            (Value::Object(expected), Value::Object(got)) => self.object(pointer, expected, got),
            (Value::Array(expected), Value::Array(got)) => self.list(pointer, expected, got),
            (Value::String(wanted), Value::String(given)) if self.shape_only => {
                if !same_form(wanted, given) {
                    self.add(pointer, Some(expected), Some(got));
                }
            }
            _ if self.shape_only => {
                if std::mem::discriminant(expected) != std::mem::discriminant(got) {
                    self.add(pointer, Some(expected), Some(got));
                }
            }
            _ => self.scalar(pointer, expected, got),
        }
    }

    fn member(&mut self, above: &str, name: &str, expected: Option<&Value>, got: Option<&Value>) {
        let pointer = format!("{above}/{}", name.replace('~', "~0").replace('/', "~1"));
        match (expected, got) {
            (Some(expected), Some(got)) => self.value(&pointer, expected, got),
            (None, None) => {}
            _ if self.shape_only && is_optional(name) => {}
            _ => self.add(&pointer, expected, got),
        }
    }

    fn object(&mut self, pointer: &str, expected: &Map<String, Value>, got: &Map<String, Value>) {
        if self.shape_only && is_keyed_by_data(expected) && is_keyed_by_data(got) {
            let models: Vec<&Value> = expected.values().collect();
            got.iter().for_each(|(name, value)| self.one_of(pointer, name, &models, value));
            return;
        }
        for (name, value) in expected {
            self.member(pointer, name, Some(value), got.get(name));
        }
        for (name, value) in got.iter().filter(|(name, _)| !expected.contains_key(*name)) {
            self.member(pointer, name, None, Some(value));
        }
    }

    fn list(&mut self, pointer: &str, expected: &[Value], got: &[Value]) {
        if self.shape_only {
            let models: Vec<&Value> = expected.iter().collect();
            for (index, value) in got.iter().enumerate() {
                self.one_of(pointer, &index.to_string(), &models, value);
            }
            return;
        }
        for index in 0..expected.len().max(got.len()) {
            self.member(pointer, &index.to_string(), expected.get(index), got.get(index));
        }
    }

    /// Reports the differences from the first model if `got` has the shape of none.
    fn one_of(&mut self, pointer: &str, name: &str, models: &[&Value], got: &Value) {
        let against = |model: &Value| {
            let mut comparison = Self { shape_only: true, found: Vec::new() };
            comparison.member(pointer, name, Some(model), Some(got));
            comparison.found
        };
        let mut first = None;
        for model in models {
            let found = against(model);
            if found.is_empty() {
                return;
            }
            first.get_or_insert(found);
        }
        self.found.extend(first.unwrap_or_default());
    }
}

/// Whether the names of an object's members are addresses, hashes or numbers.
fn is_keyed_by_data(object: &Map<String, Value>) -> bool {
    object.keys().all(|name| {
        let digits = name.strip_prefix("0x").unwrap_or(name);
        let is_data = digits.len() >= 40 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_data || name.bytes().all(|digit| digit.is_ascii_digit())
    })
}

/// Whether two strings can be of one form.
fn same_form(expected: &str, got: &str) -> bool {
    match (digits(expected), digits(got)) {
        (Some(expected), Some(got)) if is_sized(expected) || is_sized(got) => {
            expected.len() == got.len()
        }
        (Some(expected), Some(got)) => {
            (is_quantity(expected) && is_quantity(got)) || (is_data(expected) && is_data(got))
        }
        (None, None) => true,
        _ => false,
    }
}

/// The digits of a hex string with prefix.
fn digits(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("0x")?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(digits)
}

/// Addresses, hashes, blooms.
fn is_sized(digits: &str) -> bool {
    [40, 64, 512].contains(&digits.len())
}

fn is_quantity(digits: &str) -> bool {
    digits == "0" || (!digits.is_empty() && !digits.starts_with('0'))
}

fn is_data(digits: &str) -> bool {
    digits.len().is_multiple_of(2)
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn result(value: Value) -> Value {
        json!({"jsonrpc": "2.0", "id": 1, "result": value})
    }

    fn error(code: i64, data: Option<&str>) -> Value {
        let mut error = json!({"code": code, "message": format!("about {code}")});
        if let Some(data) = data {
            error["data"] = json!(data);
        }
        json!({"jsonrpc": "2.0", "id": 1, "error": error})
    }

    fn pointers(expected: Value, got: Value, shape_only: bool) -> Vec<String> {
        let found = compare(&result(expected), &result(got), shape_only);
        found.into_iter().map(|difference| difference.pointer).collect()
    }

    #[test]
    fn every_member_counts() {
        let expected = json!({"a": [1, {"b/c": "0x1"}], "d": null});
        assert!(pointers(expected.clone(), expected.clone(), false).is_empty());
        let got = json!({"a": [1, {"b/c": "0x2"}, 3], "e": 1});
        let found = ["/result/a/1/b~1c", "/result/a/2", "/result/d", "/result/e"];
        assert_eq!(pointers(expected, got, false), found);
    }

    #[test]
    fn absence_is_not_null() {
        assert_eq!(
            compare(&result(Value::Null), &json!({"jsonrpc": "2.0", "id": 1}), false).len(),
            1
        );
        assert_eq!(compare(&result(Value::Null), &error(-32000, None), false)[0].pointer, "/error");
    }

    #[test]
    fn errors_agree_by_code_and_presence_of_data() {
        for shape_only in [false, true] {
            let differ = |expected, got| !compare(&expected, &got, shape_only).is_empty();
            assert!(!differ(error(3, Some("0x1")), error(3, Some("0x2"))));
            assert!(differ(error(3, None), error(4, None)));
            assert!(differ(error(3, Some("0x")), error(3, None)));
            assert!(differ(error(3, None), error(3, Some("0x"))));
        }
    }

    #[test]
    fn shapes_have_members_types_and_forms() {
        let hash = format!("0x{}", "ab".repeat(32));
        let model = json!({"n": "0x10", "h": hash, "t": "text", "b": true, "x": null});
        let same =
            json!({"n": "0xfff", "h": hash.replace('a', "c"), "t": "", "b": false, "x": null});
        assert!(pointers(model.clone(), same, true).is_empty());
        let other = json!({"n": "0x010", "h": "0xabcd", "t": "0x1", "b": 1, "y": null});
        let found = ["/result/b", "/result/h", "/result/n", "/result/t", "/result/x", "/result/y"];
        assert_eq!(pointers(model, other, true), found);
    }

    #[test]
    fn lists_and_maps_have_models() {
        let address = |digit: &str| format!("0x{}", digit.repeat(40));
        let model = json!({address("1"): {"0": {"a": "0x1"}, "1": {"b": "0x1"}}});
        let same = json!({address("2"): {"7": {"b": "0x2"}}, address("3"): {}});
        assert!(pointers(model.clone(), same, true).is_empty());
        let other = json!({address("2"): {"7": {"c": "0x2"}}});
        assert!(!pointers(model, other, true).is_empty());
        assert!(pointers(json!([1, "a"]), json!(["b", 2, 3]), true).is_empty());
        assert_eq!(pointers(json!([1, "a"]), json!([true]), true), ["/result/0"]);
    }
}
