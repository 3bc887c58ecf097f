//! A writer of JSON objects whose values are hex strings.

use alloy_primitives::{Address, U256, hex};
use peruri_rpc_api::Json;

/// Appends JSON. Separators are put where they are needed, so that the callers are lists of fields.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// An empty text with room for `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity) }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// The finished text.
    ///
    /// # Errors
    ///
    /// If what was written is not one JSON value: a mistake in a caller.
    pub(crate) fn finish<T>(self) -> serde_json::Result<Json<T>> {
        let text = String::from_utf8(self.out).map_err(serde::ser::Error::custom)?;
        Json::from_text(text)
    }

    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }

    /// Begins an object.
    pub(crate) fn begin(&mut self) {
        self.separate();
        self.out.push(b'{');
    }

    /// Ends an object.
    pub(crate) fn end(&mut self) {
        self.out.push(b'}');
    }

    /// Begins an array.
    pub(crate) fn begin_array(&mut self) {
        self.separate();
        self.out.push(b'[');
    }

    /// Ends an array.
    pub(crate) fn end_array(&mut self) {
        self.out.push(b']');
    }

    /// The name of the next value. Must not need escaping.
    pub(crate) fn key(&mut self, key: &str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn literal(&mut self, text: &[u8]) {
        self.separate();
        self.out.extend_from_slice(text);
    }

    /// A value that is JSON text already.
    pub(crate) fn raw(&mut self, json: &str) {
        self.literal(json.as_bytes());
    }

    /// `null`.
    pub(crate) fn null(&mut self) {
        self.literal(b"null");
    }

    /// Bytes as hex with prefix.
    pub(crate) fn data(&mut self, bytes: &[u8]) {
        self.separate();
        self.out.extend_from_slice(b"\"0x");
        let start = self.out.len();
        self.out.resize(start + 2 * bytes.len(), 0);
        // The buffer has exactly the length that is needed, so this cannot fail.
        let _ = hex::encode_to_slice(bytes, &mut self.out[start..]);
        self.out.push(b'"');
    }

    /// A number as hex quantity.
    pub(crate) fn quantity(&mut self, value: u128) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.separate();
        self.out.extend_from_slice(b"\"0x");
        let digits = (128 - value.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            let nibble = (value >> (4 * digit)) & 0xf;
            self.out.push(DIGITS[nibble as usize]);
        }
        self.out.push(b'"');
    }

    /// A 256-bit number as hex quantity.
    pub(crate) fn quantity256(&mut self, value: &U256) {
        match u128::try_from(value) {
            Ok(small) => self.quantity(small),
            Err(_) => {
                let text = format!("\"{value:#x}\"");
                self.literal(text.as_bytes());
            }
        }
    }

    /// A named number.
    pub(crate) fn field_quantity(&mut self, key: &str, value: impl Into<u128>) {
        self.key(key);
        self.quantity(value.into());
    }

    /// A named 256-bit number.
    pub(crate) fn field_quantity256(&mut self, key: &str, value: &U256) {
        self.key(key);
        self.quantity256(value);
    }

    /// A named byte string.
    pub(crate) fn field_data(&mut self, key: &str, bytes: &[u8]) {
        self.key(key);
        self.data(bytes);
    }

    /// A named address or `null`.
    pub(crate) fn field_address(&mut self, key: &str, address: Option<&Address>) {
        self.key(key);
        match address {
            Some(address) => self.data(address.as_slice()),
            None => self.null(),
        }
    }

    /// A named truth value.
    pub(crate) fn field_bool(&mut self, key: &str, value: bool) {
        self.key(key);
        self.literal(if value { b"true" } else { b"false" });
    }

    /// A named `null`.
    pub(crate) fn field_null(&mut self, key: &str) {
        self.key(key);
        self.null();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn text(write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::with_capacity(64);
        write(&mut writer);
        writer.finish::<Value>().expect("JSON").text().to_owned()
    }

    #[test]
    fn quantities_have_no_leading_zeros() {
        for (value, expected) in [(0, "0x0"), (1, "0x1"), (15, "0xf"), (16, "0x10"), (256, "0x100")]
        {
            assert_eq!(text(|out| out.quantity(value)), format!("\"{expected}\""));
        }
        assert_eq!(text(|out| out.quantity(u128::MAX)), format!("\"0x{}\"", "f".repeat(32)));
    }

    #[test]
    fn wide_quantities_match_the_narrow_ones() {
        assert_eq!(text(|out| out.quantity256(&U256::from(255))), "\"0xff\"");
        let wide = U256::from(1) << 128;
        assert_eq!(text(|out| out.quantity256(&wide)), format!("\"0x1{}\"", "0".repeat(32)));
    }

    #[test]
    fn separators_stand_between_values_only() {
        let out = text(|out| {
            out.begin();
            out.field_quantity("a", 1u8);
            out.key("b");
            out.begin_array();
            out.data(&[0xab]);
            out.null();
            out.begin();
            out.end();
            out.end_array();
            out.field_bool("c", true);
            out.field_address("d", None);
            out.end();
        });
        let value: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(value, json!({"a": "0x1", "b": ["0xab", null, {}], "c": true, "d": null}));
    }

    #[test]
    fn empty_data() {
        assert_eq!(text(|out| out.data(&[])), "\"0x\"");
    }
}
