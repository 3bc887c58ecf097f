//! The members of a JSON object, taken one by one until none is left.

use crate::ActivityError;
use alloy_primitives::{B256, hex};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::fmt;

/// Numbers end here: beyond it not every JSON reader has them exactly (RFC 8259 §6).
pub(super) const NUMBERS_END: u64 = 1 << 53;

/// The members of one object that have not been taken.
pub(super) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    /// Reads an object; `field` names what it stands in.
    pub(super) fn parse(field: &'static str, text: &str) -> Result<Self, ActivityError> {
        // The reader's own message may repeat values.
        serde_json::from_str(text).map_err(|_| {
            ActivityError::malformed(field, "expected a JSON object without repeated members")
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(it, _)| it == name)
    }

    /// A member that may be missing.
    pub(super) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, ActivityError> {
        let Some(at) = self.0.iter().position(|(it, _)| it == name) else { return Ok(None) };
        let (_, value) = self.0.swap_remove(at);
        let value = serde_json::from_str(value.get());
        value.map(Some).map_err(|_| ActivityError::malformed(name, expected))
    }

    /// A member that must be there.
    pub(super) fn required<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, ActivityError> {
        let value = self.optional(name, expected)?;
        value.ok_or_else(|| ActivityError::malformed(name, "missing"))
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<String, ActivityError> {
        self.required(name, "expected a string")
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, ActivityError> {
        Ok(self.optional(name, "expected true or false")?.unwrap_or_default())
    }

    pub(super) fn time(&mut self, name: &'static str) -> Result<u64, ActivityError> {
        let expected = "expected Unix milliseconds below 2^53";
        let time = self.required(name, expected)?;
        let time = Some(time).filter(|time| *time < NUMBERS_END);
        time.ok_or_else(|| ActivityError::malformed(name, expected))
    }

    pub(super) fn hash(&mut self, name: &'static str) -> Result<B256, ActivityError> {
        self.optional_hash(name)?.ok_or_else(|| ActivityError::malformed(name, "missing"))
    }

    pub(super) fn optional_hash(
        &mut self,
        name: &'static str,
    ) -> Result<Option<B256>, ActivityError> {
        let wrong =
            || ActivityError::malformed(name, "expected 32 bytes as 0x and 64 lower-case digits");
        let text: Option<String> =
            self.optional(name, "expected 32 bytes as 0x and 64 lower-case digits")?;
        text.map(|text| parse_hash(&text).ok_or_else(wrong)).transpose()
    }

    /// An object within this one.
    pub(super) fn object(&mut self, name: &'static str) -> Result<Self, ActivityError> {
        self.required(name, "expected an object without repeated members")
    }

    /// Refuses what has not been taken.
    pub(super) fn finish(self) -> Result<(), ActivityError> {
        match self.0.into_iter().next() {
            Some((name, _)) => Err(ActivityError::Malformed {
                field: name.into(),
                reason: "unknown member".into(),
            }),
            None => Ok(()),
        }
    }
}

fn parse_hash(text: &str) -> Option<B256> {
    let digits = text.strip_prefix("0x")?;
    let lower = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut hash = B256::ZERO;
    (lower && hex::decode_to_slice(digits, hash.as_mut_slice()).is_ok()).then_some(hash)
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
        let mut members = Members(Vec::new());
        while let Some((name, value)) = access.next_entry::<String, Box<RawValue>>()? {
            if members.has(&name) {
                return Err(A::Error::custom("repeated member"));
            }
            members.0.push((name, value));
            // What no form has is refused before an endless object has cost the square of its length.
            if members.0.len() > 64 {
                return Err(A::Error::custom("too many members"));
            }
        }
        Ok(members)
    }
}
