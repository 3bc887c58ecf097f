//! Members of a document, each with its path for messages.

use super::{error::ContainerError, json::Json};
use alloy_primitives::{Address, B256, Bytes, U256, hex};

/// Integers of a document are below this, so that every JSON reader has them exactly.
const INTEGER_BOUND: u64 = 1 << 53;

/// Most characters of a document that a message repeats.
pub(super) const LONGEST_ECHO: usize = 40;

/// The members of an object that have not been read yet.
pub(super) struct Members {
    at: String,
    members: Vec<(String, Json)>,
}

/// One value.
pub(super) struct Field {
    at: String,
    json: Json,
}

impl Members {
    /// The members of a whole document.
    pub(super) fn of_document(document: &[u8]) -> Result<Self, ContainerError> {
        Field { at: String::new(), json: Json::parse(document)? }.members()
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Result<Field, ContainerError> {
        let at = self.path(name);
        match self.members.iter().position(|(it, _)| it == name) {
            Some(position) => Ok(Field { at, json: self.members.swap_remove(position).1 }),
            None => Err(ContainerError::Missing { at }),
        }
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), ContainerError> {
        match self.members.first() {
            Some((name, _)) => Err(ContainerError::Unknown { at: self.path(name) }),
            None => Ok(()),
        }
    }

    /// The path of a member. Names come from whoever wrote the document, so they are cut and what
    /// a terminal would obey is escaped.
    fn path(&self, name: &str) -> String {
        let name: String = name.chars().take(LONGEST_ECHO).flat_map(char::escape_debug).collect();
        if self.at.is_empty() { name } else { format!("{}.{name}", self.at) }
    }

    fn check_duplicates(&self) -> Result<(), ContainerError> {
        let mut names: Vec<&str> = self.members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(ContainerError::Duplicate { at: self.path(pair[0]) }),
            None => Ok(()),
        }
    }
}

impl Field {
    pub(super) fn members(self) -> Result<Members, ContainerError> {
        match self.json {
            Json::Object(members) => {
                let members = Members { at: self.at, members };
                members.check_duplicates()?;
                Ok(members)
            }
            _ => Err(self.expected("an object")),
        }
    }

    pub(super) fn list<T>(
        self,
        read: impl Fn(Self) -> Result<T, ContainerError>,
    ) -> Result<Vec<T>, ContainerError> {
        let Json::Array(items) = self.json else { return Err(self.expected("an array")) };
        let item = |(index, json)| read(Self { at: format!("{}[{index}]", self.at), json });
        items.into_iter().enumerate().map(item).collect()
    }

    pub(super) fn integer(self) -> Result<u64, ContainerError> {
        match self.json {
            Json::Integer(number) if number < INTEGER_BOUND => Ok(number),
            _ => Err(ContainerError::Number { at: self.at }),
        }
    }

    pub(super) fn text(self) -> Result<String, ContainerError> {
        match self.json {
            Json::Text(text) => Ok(text),
            _ => Err(self.expected("a string")),
        }
    }

    pub(super) fn bytes(self) -> Result<Bytes, ContainerError> {
        self.hex("an even number of hex digits", |text| bytes_of(text).map(Bytes::from))
    }

    pub(super) fn hash(self) -> Result<B256, ContainerError> {
        self.hex("64 hex digits", hash_of)
    }

    pub(super) fn address(self) -> Result<Address, ContainerError> {
        self.hex("40 hex digits", address_of)
    }

    pub(super) fn quantity(self) -> Result<U256, ContainerError> {
        let at = self.at.clone();
        quantity_of(&self.text()?).ok_or(ContainerError::Quantity { at })
    }

    fn hex<T>(self, expected: &str, read: impl Fn(&str) -> Option<T>) -> Result<T, ContainerError> {
        let at = self.at.clone();
        let expected = || ContainerError::Hex { at, expected: expected.to_owned() };
        read(&self.text()?).ok_or_else(expected)
    }

    fn expected(&self, expected: &'static str) -> ContainerError {
        ContainerError::Type { at: self.at.clone(), expected }
    }
}

/// The digits of lower-case hex.
fn digits(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("0x")?;
    let lower = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    digits.bytes().all(lower).then_some(digits)
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    hex::decode(digits(text)?).ok()
}

/// A hash of 64 lower-case digits.
pub(crate) fn hash_of(text: &str) -> Option<B256> {
    B256::try_from(bytes_of(text)?.as_slice()).ok()
}

/// An address of 40 lower-case digits.
pub(crate) fn address_of(text: &str) -> Option<Address> {
    Address::try_from(bytes_of(text)?.as_slice()).ok()
}

fn quantity_of(text: &str) -> Option<U256> {
    let digits = digits(text)?;
    let minimal = digits == "0" || !digits.starts_with('0');
    if digits.is_empty() || !minimal {
        return None;
    }
    U256::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_lower_case_and_of_full_length() {
        let zeros = "00".repeat(31);
        assert_eq!(hash_of(&format!("0x{zeros}0a")), Some(B256::with_last_byte(10)));
        for wrong in ["0x0A", "0x0", "0x0a0a", "0a", "0X0a", "0x0g", " 0x0a", "0x0a ", "0x"] {
            let padded = wrong.replacen("0x", &format!("0x{zeros}"), 1);
            let valid = wrong == "0x" && padded.len() == 66;
            assert_eq!(hash_of(&padded).is_some(), valid, "{padded}");
        }
        assert_eq!(bytes_of("0x"), Some(Vec::new()));
        assert_eq!(bytes_of("0x0x0a"), None);
    }

    #[test]
    fn quantities_are_minimal() {
        assert_eq!(quantity_of("0x0"), Some(U256::ZERO));
        assert_eq!(quantity_of("0x4d2"), Some(U256::from(1234)));
        assert_eq!(quantity_of(&format!("0x{}", "f".repeat(64))), Some(U256::MAX));
        let long = format!("0x1{}", "0".repeat(64));
        for wrong in ["0x", "0x00", "0x04d2", "4d2", "0x4D2", "0x+1", "0x_1", "0x1_0", &long] {
            assert_eq!(quantity_of(wrong), None, "{wrong}");
        }
    }
}
