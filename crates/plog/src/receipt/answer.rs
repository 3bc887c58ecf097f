use super::{
    error::ContainerError,
    field::{Field, Members},
};
use alloy_primitives::B256;
use serde::Serialize;

/// What `plog_getConsistencyProof` answers: that the tree of `second` leaves begins with that of
/// `first` leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsistencyAnswer {
    /// The log.
    pub log_id: B256,
    /// The earlier size.
    pub first: u64,
    /// The root at that size.
    pub first_root: B256,
    /// The later size.
    pub second: u64,
    /// The root at that size.
    pub second_root: B256,
    /// The proof.
    pub path: Vec<B256>,
    /// The head when the answer was given.
    pub head: Head,
}

/// A log's size and root in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The log.
    pub log_id: B256,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree.
    pub root: B256,
    /// Number of the block.
    pub block_number: u64,
    /// Hash of the block.
    pub block_hash: B256,
}

impl ConsistencyAnswer {
    /// Reads an answer, as strictly as a receipt.
    ///
    /// # Errors
    /// The first [`ContainerError`].
    pub fn parse(document: &[u8]) -> Result<Self, ContainerError> {
        let mut members = Members::of_document(document)?;
        let answer = Self {
            log_id: members.take("logId")?.hash()?,
            first: members.take("first")?.integer()?,
            first_root: members.take("firstRoot")?.hash()?,
            second: members.take("second")?.integer()?,
            second_root: members.take("secondRoot")?.hash()?,
            path: members.take("path")?.list(Field::hash)?,
            head: Head::read(members.take("head")?)?,
        };
        members.finish()?;
        Ok(answer)
    }
}

impl Head {
    fn read(field: Field) -> Result<Self, ContainerError> {
        let mut members = field.members()?;
        let head = Self {
            log_id: members.take("logId")?.hash()?,
            size: members.take("size")?.integer()?,
            root: members.take("root")?.hash()?,
            block_number: members.take("blockNumber")?.integer()?,
            block_hash: members.take("blockHash")?.hash()?,
        };
        members.finish()?;
        Ok(head)
    }
}
