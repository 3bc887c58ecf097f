//! JSON that remembers where each value stands.
//!
//! Genesis files of Besu and geth differ in the case of their keys and in how they write numbers,
//! so a derived `Deserialize` would accept too little, and it could not tell where a wrong value
//! stands. [`Node`] borrows `serde_json`'s raw values: a raw value is a slice of the source text,
//! and its offset in that text is its position.

use crate::error::{ChainSpecError, Position, Site};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map},
    fmt,
};

type Result<T, E = ChainSpecError> = std::result::Result<T, E>;

/// Longest piece of a wrong value that an error repeats, in characters.
const SHOWN: usize = 80;

/// A value with its path and its place in the source.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    source: &'a str,
    raw: &'a str,
    path: String,
}

/// An object whose keys are folded to lower case; what is taken is removed.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    node: Node<'a>,
    entries: BTreeMap<String, Entry<'a>>,
    known: Vec<&'static str>,
}

#[derive(Debug)]
struct Entry<'a> {
    key: Node<'a>,
    value: Node<'a>,
}

/// The members of an object in file order, key and value unparsed.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(entry) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
                    members.push(entry);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'a> Node<'a> {
    /// Checks that `source` is one JSON value.
    pub(crate) fn parse(source: &'a str) -> Result<Self> {
        let raw: &RawValue =
            serde_json::from_str(source).map_err(|error| ChainSpecError::Syntax {
                at: Position { line: error.line(), column: error.column() },
                message: strip_position(&error),
            })?;
        Ok(Self { source, raw: raw.get(), path: String::new() })
    }

    pub(crate) fn position(&self) -> Position {
        Position::of(self.source, self.offset())
    }

    /// A raw value is borrowed from the source, so the distance of the two slices is the offset.
    fn offset(&self) -> usize {
        (self.raw.as_ptr() as usize).saturating_sub(self.source.as_ptr() as usize)
    }

    pub(crate) fn site(&self) -> Site {
        let field = if self.path.is_empty() { "genesis" } else { &self.path };
        Site { field: field.to_owned(), at: Some(self.position()) }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.raw == "null"
    }

    pub(crate) fn invalid(&self, expected: impl Into<Cow<'static, str>>) -> ChainSpecError {
        let mut got: String = self.raw.chars().take(SHOWN).collect();
        if got.len() < self.raw.len() {
            got.push('…');
        }
        ChainSpecError::Invalid { site: self.site(), expected: expected.into(), got }
    }

    pub(crate) fn conflict(&self, reason: impl Into<String>) -> ChainSpecError {
        ChainSpecError::Conflict { site: self.site(), reason: reason.into() }
    }

    pub(crate) fn unsupported(&self, reason: impl Into<Cow<'static, str>>) -> ChainSpecError {
        ChainSpecError::Unsupported { site: self.site(), reason: reason.into() }
    }

    /// The object, its keys folded; two keys that differ in case only are an error.
    pub(crate) fn object(&self) -> Result<Object<'a>> {
        if !self.raw.starts_with('{') {
            return Err(self.invalid("an object"));
        }
        let Members(members) =
            serde_json::from_str(self.raw).map_err(|_| self.invalid("an object"))?;
        let mut entries = BTreeMap::new();
        for (key, value) in members {
            let key = Node { source: self.source, raw: key.get(), path: self.path.clone() };
            let name = key.text()?;
            let path = join(&self.path, &name);
            let key = Node { path: path.clone(), ..key };
            let value = Node { source: self.source, raw: value.get(), path };
            let folded = name.to_ascii_lowercase();
            // A position costs a pass over the file: it is computed for an error only.
            match entries.entry(folded) {
                btree_map::Entry::Vacant(free) => drop(free.insert(Entry { key, value })),
                btree_map::Entry::Occupied(first) => {
                    let first = first.get().key.position();
                    return Err(ChainSpecError::DuplicateKey { site: key.site(), first });
                }
            }
        }
        Ok(Object { node: self.clone(), entries, known: Vec::new() })
    }

    /// The elements of an array.
    pub(crate) fn array(&self) -> Result<Vec<Self>> {
        let elements: Vec<&'a RawValue> =
            serde_json::from_str(self.raw).map_err(|_| self.invalid("an array"))?;
        Ok(elements
            .into_iter()
            .enumerate()
            .map(|(index, raw)| Self {
                source: self.source,
                raw: raw.get(),
                path: format!("{}[{index}]", self.path),
            })
            .collect())
    }

    /// A JSON string.
    pub(crate) fn text(&self) -> Result<String> {
        serde_json::from_str(self.raw).map_err(|_| self.invalid("a string"))
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Result<bool> {
        match self.raw {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.invalid("true or false")),
        }
    }

    /// A whole number up to 2^256 - 1: JSON number, decimal text, or hexadecimal text with `0x`.
    pub(crate) fn number(&self) -> Result<U256> {
        let expected = "a whole number up to 2^256 - 1 (JSON number, decimal, or hex with 0x)";
        let quoted;
        let text = if self.raw.starts_with('"') {
            quoted = self.text()?;
            quoted.as_str()
        } else {
            self.raw
        };
        let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None => (text, 10),
        };
        // `from_str_radix` would take underscores; a sign, point or exponent is refused here too.
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
            return Err(self.invalid(expected));
        }
        U256::from_str_radix(digits, u64::from(radix)).map_err(|_| self.invalid(expected))
    }

    /// A whole number below 2^64.
    pub(crate) fn u64(&self) -> Result<u64> {
        u64::try_from(self.number()?).map_err(|_| self.invalid("a number below 2^64"))
    }

    /// A whole number from 1 up, below 2^64.
    pub(crate) fn positive(&self) -> Result<u64> {
        match self.u64()? {
            0 => Err(self.invalid("a number greater than 0")),
            number => Ok(number),
        }
    }

    /// A whole number below 2^32.
    pub(crate) fn u32(&self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| self.invalid("a number below 2^32"))
    }

    /// Bytes in hexadecimal, `0x` optional.
    pub(crate) fn bytes(&self) -> Result<Bytes> {
        let text = self.text()?;
        hex::decode(unprefixed(&text))
            .map(Bytes::from)
            .map_err(|_| self.invalid("bytes in hexadecimal, two digits each"))
    }

    /// Exactly 20 bytes, `0x` optional, any case.
    pub(crate) fn address(&self) -> Result<Address> {
        parse_address(&self.text()?)
            .ok_or_else(|| self.invalid("an address of 20 bytes (40 hexadecimal digits)"))
    }

    /// Exactly 32 bytes, `0x` optional.
    pub(crate) fn b256(&self) -> Result<B256> {
        let text = self.text()?;
        let digits = unprefixed(&text);
        (digits.len() == 64)
            .then(|| digits.parse().ok())
            .flatten()
            .ok_or_else(|| self.invalid("32 bytes (64 hexadecimal digits)"))
    }

    /// A storage word: up to 32 bytes in hexadecimal, `0x` optional, left-padded.
    pub(crate) fn word(&self) -> Result<B256> {
        parse_word(&self.text()?)
            .ok_or_else(|| self.invalid("a word of at most 32 bytes in hexadecimal"))
    }
}

impl<'a> Object<'a> {
    /// Takes the value of `key`, given as it is usually spelt. `null` counts as absent, as in Besu and geth.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.known.push(key);
        self.take_hidden(key)
    }

    /// Like [`Self::take`] for a key that error messages do not offer.
    pub(crate) fn take_hidden(&mut self, key: &str) -> Option<Node<'a>> {
        self.entries
            .remove(&key.to_ascii_lowercase())
            .map(|entry| entry.value)
            .filter(|value| !value.is_null())
    }

    /// Takes the value of `key`, which must be there.
    pub(crate) fn require(&mut self, key: &'static str) -> Result<Node<'a>> {
        self.take(key).ok_or_else(|| self.missing(key))
    }

    /// Takes the value of `key` and reads it, if it is there.
    pub(crate) fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&Node<'a>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.take(key).as_ref().map(parse).transpose()
    }

    pub(crate) fn missing(&self, key: &str) -> ChainSpecError {
        let site = Site { field: join(&self.node.path, key), at: Some(self.node.position()) };
        ChainSpecError::Missing { site }
    }

    /// What nobody took, in file order: the key in lower case, the key as it stands, its value.
    pub(crate) fn rest(&mut self) -> Vec<(String, Node<'a>, Node<'a>)> {
        let mut rest: Vec<_> = std::mem::take(&mut self.entries)
            .into_iter()
            .map(|(folded, entry)| (folded, entry.key, entry.value))
            .collect();
        rest.sort_by_key(|(_, key, _)| key.offset());
        rest
    }

    /// Fails on the first key that nobody took.
    pub(crate) fn finish(mut self) -> Result<()> {
        match self.rest().into_iter().next() {
            Some((_, key, _)) => Err(self.unknown(key.site())),
            None => Ok(()),
        }
    }

    /// The error for a key that nobody took.
    pub(crate) fn unknown(&self, site: Site) -> ChainSpecError {
        let name = site.field.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let near = self.known.iter().find(|key| distance(&name, &key.to_ascii_lowercase()) <= 2);
        let hint = match near {
            Some(key) => format!("did you mean {key}?"),
            None => format!("known here are {}", self.known.join(", ")),
        };
        ChainSpecError::UnknownKey { site, hint }
    }
}

/// Edit distance (Levenshtein): single-letter changes that turn one text into the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above.saturating_add(1);
        for (cell, candidate) in row.iter_mut().skip(1).zip(other.chars()) {
            let replaced = diagonal.saturating_add(usize::from(letter != candidate));
            diagonal = *cell;
            left = replaced.min(left.saturating_add(1)).min(cell.saturating_add(1));
            *cell = left;
        }
        row[0] = above.saturating_add(1);
    }
    row.last().copied().unwrap_or_default()
}

/// 20 bytes, `0x` optional, any case.
pub(crate) fn parse_address(text: &str) -> Option<Address> {
    let digits = unprefixed(text);
    (digits.len() == 40).then(|| digits.parse().ok()).flatten()
}

/// Up to 32 bytes, `0x` optional, left-padded with zeros.
pub(crate) fn parse_word(text: &str) -> Option<B256> {
    let digits = unprefixed(text);
    let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    (hexadecimal && (1..=64).contains(&digits.len()))
        .then(|| U256::from_str_radix(digits, 16).ok())
        .flatten()
        .map(B256::from)
}

fn unprefixed(text: &str) -> &str {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `serde_json` appends the position to its message; we show it in front.
fn strip_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_folded_and_positions_kept() {
        let node = Node::parse("{\n  \"AbC\": {\"D\": 7}}").unwrap();
        let mut outer = node.object().unwrap();
        let inner = outer.take("abc").unwrap();
        assert_eq!(inner.position(), Position { line: 2, column: 10 });
        let value = inner.object().unwrap().take("d").unwrap();
        assert_eq!((value.path.as_str(), value.u64().unwrap()), ("AbC.D", 7));
        outer.finish().unwrap();
    }

    #[test]
    fn a_key_that_differs_in_case_only_is_a_duplicate() {
        let error = Node::parse(r#"{"a":1,"A":2}"#).unwrap().object().unwrap_err();
        let at = |column| Position { line: 1, column };
        assert_eq!(error.position(), Some(at(8)));
        assert!(matches!(error, ChainSpecError::DuplicateKey { first, .. } if first == at(2)));
    }

    #[test]
    fn an_escaped_key_is_decoded() {
        let mut object = Node::parse(r#"{"\u0061\"":1}"#).unwrap().object().unwrap();
        assert_eq!(object.rest()[0].0, "a\"");
    }

    #[test]
    fn numbers_come_in_three_forms() {
        let number = |text: &str| Node::parse(text).unwrap().number().ok();
        for text in ["255", "\"255\"", "\"0xff\"", "\"0XFF\""] {
            assert_eq!(number(text), Some(U256::from(255)), "{text}");
        }
        let big = "90000000000000000000000";
        assert_eq!(number(big), Some(U256::from_str_radix(big, 10).unwrap()));
        for text in ["-1", "1.0", "1e3", "\"\"", "\"0x\"", "\"1_0\"", "\"+1\"", "true", "\" 1\""] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(number(&format!("\"0x1{}\"", "0".repeat(64))), None);
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        let error = Node::parse("{\n\"a\": }").unwrap_err();
        assert_eq!(error.position(), Some(Position { line: 2, column: 6 }));
        assert!(!error.to_string().contains("at line"), "{error}");
        assert!(Node::parse("{} {}").is_err());
        assert!(Node::parse("").is_err());
    }

    #[test]
    fn null_counts_as_absent() {
        let mut object = Node::parse(r#"{"a":null}"#).unwrap().object().unwrap();
        assert!(object.take("a").is_none());
        object.finish().unwrap();
    }

    #[test]
    fn words_are_left_padded_and_bounded() {
        assert_eq!(parse_word("0x1"), Some(B256::with_last_byte(1)));
        assert_eq!(parse_word("01"), Some(B256::with_last_byte(1)));
        for text in ["", "0x", "0xg", &"1".repeat(65), "1_1"] {
            assert_eq!(parse_word(text), None, "{text}");
        }
    }

    #[test]
    fn distance_counts_edits() {
        for (one, other, edits) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(one, other), edits, "{one} {other}");
            assert_eq!(distance(other, one), edits, "{other} {one}");
        }
    }

    #[test]
    fn long_values_are_cut_in_errors() {
        let text = format!("\"{}\"", "é".repeat(500));
        let error = Node::parse(&text).unwrap().u64().unwrap_err();
        assert!(error.to_string().chars().count() < 250, "{error}");
    }
}
