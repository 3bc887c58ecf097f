//! Parameters whose rejection is worded as geth words it.

use alloy_eips::BlockId;
use alloy_primitives::B256;
use jsonrpsee::types::{ErrorObjectOwned, error::INVALID_PARAMS_CODE};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A type that is parsed from a JSON string parameter.
pub trait ParseArg: Sized {
    /// Parses the string, or says why not.
    ///
    /// # Errors
    ///
    /// The reason, as it stands in the answer after `invalid argument N: `.
    fn parse_arg(text: &str) -> Result<Self, String>;

    /// The string form.
    fn to_arg(&self) -> String;
}

/// A string parameter that is checked by the method itself.
///
/// Decoding never fails for a string, so the method can name the position and the reason as the
/// conformance vectors of the execution API expect (`invalid argument 0: hex string without 0x
/// prefix`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arg<T>(Result<T, String>);

impl<T> Arg<T> {
    /// The value, or the error for parameter `position` (from 0).
    ///
    /// # Errors
    ///
    /// Code −32602 with geth's wording.
    pub fn get(self, position: usize) -> Result<T, ErrorObjectOwned> {
        self.0.map_err(|reason| {
            ErrorObjectOwned::owned(
                INVALID_PARAMS_CODE,
                format!("invalid argument {position}: {reason}"),
                None::<()>,
            )
        })
    }
}

impl<T> From<T> for Arg<T> {
    fn from(value: T) -> Self {
        Self(Ok(value))
    }
}

impl<T: ParseArg> Serialize for Arg<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(value) => serializer.serialize_str(&value.to_arg()),
            Err(reason) => Err(serde::ser::Error::custom(reason)),
        }
    }
}

impl<'de, T: ParseArg> Deserialize<'de> for Arg<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(T::parse_arg(&text)))
    }
}

const NO_PREFIX: &str = "hex string without 0x prefix";

impl ParseArg for B256 {
    fn parse_arg(text: &str) -> Result<Self, String> {
        let reason =
            |what: &str| format!("json: cannot unmarshal {what} into Go value of type common.Hash");
        let Some(digits) = text.strip_prefix("0x") else { return Err(reason(NO_PREFIX)) };
        if digits.len() != 64 {
            return Err(reason(&format!("hex string has length {}, want 64", digits.len())));
        }
        digits.parse().map_err(|_| reason("invalid hex string"))
    }

    fn to_arg(&self) -> String {
        self.to_string()
    }
}

impl ParseArg for BlockId {
    fn parse_arg(text: &str) -> Result<Self, String> {
        match text {
            "latest" => Ok(Self::latest()),
            "pending" => Ok(Self::pending()),
            "earliest" => Ok(Self::earliest()),
            "safe" => Ok(Self::safe()),
            "finalized" => Ok(Self::finalized()),
            _ => parse_block(text),
        }
    }

    fn to_arg(&self) -> String {
        match self {
            Self::Hash(hash) => hash.block_hash.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

fn parse_block(text: &str) -> Result<BlockId, String> {
    let Some(digits) = text.strip_prefix("0x") else { return Err(NO_PREFIX.to_owned()) };
    if digits.len() == 64 {
        let hash: B256 = digits.parse().map_err(|_| "invalid hex string".to_owned())?;
        return Ok(BlockId::hash(hash));
    }
    if digits.is_empty() {
        return Err("hex string \"0x\"".to_owned());
    }
    if digits.len() > 1 && digits.starts_with('0') {
        return Err("hex number with leading zero digits".to_owned());
    }
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err("invalid hex string".to_owned());
    }
    u64::from_str_radix(digits, 16)
        .map(BlockId::number)
        .map_err(|_| "hex number > 64 bits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<T>(arg: Arg<T>, position: usize) -> String {
        arg.get(position).err().map(|error| error.message().to_owned()).unwrap_or_default()
    }

    fn parse<T: ParseArg>(json: &str) -> Arg<T> {
        serde_json::from_str(json).expect("a string")
    }

    #[test]
    fn block_without_prefix() {
        let arg = parse::<BlockId>("\"2\"");
        assert_eq!(message(arg, 0), "invalid argument 0: hex string without 0x prefix");
    }

    #[test]
    fn hash_without_prefix() {
        let arg = parse::<B256>(&format!("\"1{}1\"", "0".repeat(62)));
        assert_eq!(
            message(arg, 0),
            "invalid argument 0: json: cannot unmarshal hex string without 0x prefix into Go value \
             of type common.Hash"
        );
    }

    #[test]
    fn numbers_tags_and_hashes() {
        assert_eq!(parse::<BlockId>("\"0x10\"").get(0), Ok(BlockId::number(16)));
        assert_eq!(parse::<BlockId>("\"safe\"").get(0), Ok(BlockId::safe()));
        let hash = B256::repeat_byte(7);
        assert_eq!(parse::<BlockId>(&format!("\"{hash}\"")).get(0), Ok(BlockId::hash(hash)));
        assert_eq!(parse::<B256>(&format!("\"{hash}\"")).get(0), Ok(hash));
    }

    #[test]
    fn bad_numbers_name_the_reason_and_position() {
        for (text, reason) in [
            ("0x", "hex string \"0x\""),
            ("0x01", "hex number with leading zero digits"),
            ("0xg", "invalid hex string"),
            ("0x+1", "invalid hex string"),
            ("0x10000000000000000", "hex number > 64 bits"),
        ] {
            let arg = parse::<BlockId>(&format!("\"{text}\""));
            assert_eq!(message(arg, 1), format!("invalid argument 1: {reason}"), "{text}");
        }
    }

    #[test]
    fn round_trip() -> serde_json::Result<()> {
        let id = Arg::from(BlockId::number(255));
        assert_eq!(serde_json::to_string(&id)?, "\"0xff\"");
        Ok(())
    }
}
