//! What a validator has signed, read from its sign state without disturbing it.

use crate::{Result, TestnetError};
use alloy_primitives::B256;
use peruri_engine::SignStore;
use std::path::Path;

/// The newest signature of a validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// Height of the newest signature; 0 if nothing was signed yet.
    pub height: u64,
    /// Its round.
    pub round: u32,
    /// Hash of the block whose Commit was signed in that round, if one was.
    pub committed: Option<B256>,
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
        let position = record.position();
        let certificate = record.certificate().filter(|_| record.commit().is_some());
        let committed = certificate.map(|certificate| certificate.block.0);
        Ok(Self { height: position.height, round: position.round, committed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::Address;
    use peruri_ibft2::{RoundId, SignRecord};

    #[test]
    fn the_newest_signature_is_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("sign");
        assert!(Signed::read(&path).is_err());
        let mut store = SignStore::create(&path, B256::ZERO, Address::ZERO).expect("new");
        let position = RoundId::new(4, 1);
        let record = SignRecord::released(B256::ZERO, Address::ZERO, position, 2);
        store.persist(&record, None).expect("written");
        let expected = Signed { height: 4, round: 1, committed: None };
        assert_eq!(Signed::read(&path).expect("read"), expected);
    }
}
