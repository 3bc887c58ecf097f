use super::Policy;
use crate::receipt::{address_of, hash_of};
use alloy_primitives::Address;
use peruri_ibft2::ValidatorSet;
use serde::Deserialize;

/// The file's keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain_id: u64,
    genesis_hash: String,
    validators: Vec<String>,
    seals: Option<u32>,
    change_seals: Option<u32>,
    #[serde(default = "yes")]
    chain_bound: bool,
}

const fn yes() -> bool {
    true
}

impl Policy {
    /// Reads a policy. Unknown keys are errors; hex is lower-case and of full length.
    ///
    /// # Errors
    /// The first [`PolicyError`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let file: File = toml::from_str(text).map_err(|error| PolicyError::toml(text, &error))?;
        if file.chain_id >= 1 << 53 {
            return Err(PolicyError::ChainId { got: file.chain_id });
        }
        for (key, value) in [("seals", file.seals), ("change_seals", file.change_seals)] {
            if value == Some(0) {
                return Err(PolicyError::Zero { key });
            }
        }
        let genesis_hash = hash_of(&file.genesis_hash).ok_or(PolicyError::GenesisHash)?;
        Ok(Self {
            chain_id: file.chain_id,
            genesis_hash,
            validators: validators(&file.validators)?,
            seals: file.seals,
            change_seals: file.change_seals,
            chain_bound: file.chain_bound,
        })
    }
}

fn validators(texts: &[String]) -> Result<ValidatorSet, PolicyError> {
    let mut set = ValidatorSet::default();
    for (index, text) in texts.iter().enumerate() {
        let address = address_of(text).ok_or(PolicyError::Validator { index })?;
        if !set.insert(address) {
            return Err(PolicyError::Duplicate { index, address });
        }
    }
    if set.is_empty() { Err(PolicyError::NoValidators) } else { Ok(set) }
}

/// Why a text is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No TOML, an unknown or missing key, or a value of another kind.
    #[error("line {line}: {message}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// Receipts carry chain ids below 2^53 only.
    #[error("chain_id {got} is not below 2^53")]
    ChainId {
        /// The number found.
        got: u64,
    },
    /// Not a hash.
    #[error("genesis_hash: expected 0x and 64 lower-case hex digits")]
    GenesisHash,
    /// Not an address.
    #[error("validators[{index}]: expected 0x and 40 lower-case hex digits")]
    Validator {
        /// Its place in the list.
        index: usize,
    },
    /// A validator that is listed twice.
    #[error("validators[{index}]: {address:?} is listed twice")]
    Duplicate {
        /// The place of the second.
        index: usize,
        /// The validator.
        address: Address,
    },
    /// Nobody is trusted.
    #[error("validators: none is listed")]
    NoValidators,
    /// A number of seals that asks for nothing.
    #[error("{key} = 0 asks for nothing: leave the key out")]
    Zero {
        /// The key.
        key: &'static str,
    },
}

impl PolicyError {
    fn toml(text: &str, error: &toml::de::Error) -> Self {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        Self::Toml { line, message: error.message().to_owned() }
    }
}
