//! What a validator has signed, read from its sign state without disturbing it.

use crate::{Result, TestnetError};
use alloy_primitives::B256;
use peruri_engine::SignStore;
use std::path::Path;

/// The newest signature of a validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// Height of the newest signed block; 0 if nothing was signed yet.
    pub height: u64,
    /// Its block hash.
    pub block_hash: B256,
}

impl Signed {
    /// Reads the sign state in the folder `path`.
    ///
    /// # Errors
    /// [`TestnetError::Answer`] if it is missing or damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let record = SignStore::peek(path).map_err(|error| TestnetError::Answer {
            method: path.display().to_string(),
            expected: "a sign state",
            got: error.to_string(),
        })?;
        Ok(Self { height: record.height, block_hash: record.block_hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;

    #[test]
    fn the_newest_signature_is_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("sign");
        assert!(Signed::read(&path).is_err());
        let hash = B256::repeat_byte(3);
        let mut store = SignStore::create(&path, B256::ZERO, Address::ZERO).expect("new");
        store.persist(1, hash, b"block").expect("written");
        let expected = Signed { height: 1, block_hash: hash };
        assert_eq!(Signed::read(&path).expect("read"), expected);
    }
}
