use super::{
    error::ContainerError,
    field::{Field, LONGEST_ECHO, Members},
};
use crate::layout::PLOG_ADDRESS;
use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Serialize, Serializer, ser::SerializeStruct};

/// The version of receipts that this crate writes and reads.
pub const VERSION: &str = "plog-receipt/v1";

/// A receipt as it was read: well-formed, not verified.
///
/// To make one, fill in the fields and serialise it: members are written in the order of the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The chain's id.
    pub chain_id: u64,
    /// Hash of the chain's block 0.
    pub genesis_hash: B256,
    /// Where the entry stands in which tree.
    pub log: LogPosition,
    /// The entry's bytes.
    pub entry: Bytes,
    /// The entry's path to the root, leaf to root.
    pub inclusion: Vec<B256>,
    /// That the root is in the state.
    pub state: StateProof,
    /// RLP of the header whose state it is, seals included.
    pub header: Bytes,
    /// RLP of headers that lead from the policy's validators to the header's, oldest first.
    pub validator_changes: Vec<Bytes>,
}

/// An entry's place in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogPosition {
    /// The log.
    pub id: B256,
    /// The entry's index, from 0.
    pub index: u64,
    /// Number of entries of the tree.
    pub size: u64,
    /// The tree's root.
    pub root: B256,
}

/// Merkle Patricia proofs (Yellow Paper, appendix D), each from the root down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateProof {
    /// The account: the precompile's.
    pub address: Address,
    /// RLP nodes from the state root to the account.
    pub account_proof: Vec<Bytes>,
    /// The log's head and root, in this order: see [`LogSlots`](crate::layout::LogSlots).
    pub storage_proof: Vec<StorageItem>,
}

/// One word of the account's storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StorageItem {
    /// The slot, not hashed.
    pub key: B256,
    /// The word.
    pub value: U256,
    /// RLP nodes from the storage root to the word.
    pub proof: Vec<Bytes>,
}

impl Receipt {
    /// Reads a receipt.
    ///
    /// # Errors
    /// The first [`ContainerError`].
    pub fn parse(document: &[u8]) -> Result<Self, ContainerError> {
        let mut members = Members::of_document(document)?;
        let version = members.take("version")?.text()?;
        if version != VERSION {
            let got = version.chars().take(LONGEST_ECHO).collect();
            return Err(ContainerError::Version { expected: VERSION, got });
        }
        let receipt = Self {
            chain_id: members.take("chainId")?.integer()?,
            genesis_hash: members.take("genesisHash")?.hash()?,
            log: LogPosition::read(members.take("log")?)?,
            entry: members.take("entry")?.bytes()?,
            inclusion: members.take("inclusion")?.list(Field::hash)?,
            state: StateProof::read(members.take("state")?)?,
            header: members.take("header")?.bytes()?,
            validator_changes: members.take("validatorChanges")?.list(Field::bytes)?,
        };
        members.finish()?;
        Ok(receipt)
    }
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Receipt", 9)?;
        out.serialize_field("version", VERSION)?;
        out.serialize_field("chainId", &self.chain_id)?;
        out.serialize_field("genesisHash", &self.genesis_hash)?;
        out.serialize_field("log", &self.log)?;
        out.serialize_field("entry", &self.entry)?;
        out.serialize_field("inclusion", &self.inclusion)?;
        out.serialize_field("state", &self.state)?;
        out.serialize_field("header", &self.header)?;
        out.serialize_field("validatorChanges", &self.validator_changes)?;
        out.end()
    }
}

impl LogPosition {
    fn read(field: Field) -> Result<Self, ContainerError> {
        let mut members = field.members()?;
        let position = Self {
            id: members.take("id")?.hash()?,
            index: members.take("index")?.integer()?,
            size: members.take("size")?.integer()?,
            root: members.take("root")?.hash()?,
        };
        members.finish()?;
        Ok(position)
    }
}

impl StateProof {
    /// Proofs of the precompile's account, of a log's head and of its root.
    pub fn new(account_proof: Vec<Bytes>, head: StorageItem, root: StorageItem) -> Self {
        Self { address: PLOG_ADDRESS, account_proof, storage_proof: vec![head, root] }
    }

    fn read(field: Field) -> Result<Self, ContainerError> {
        let mut members = field.members()?;
        let state = Self {
            address: members.take("address")?.address()?,
            account_proof: members.take("accountProof")?.list(Field::bytes)?,
            storage_proof: members.take("storageProof")?.list(StorageItem::read)?,
        };
        members.finish()?;
        Ok(state)
    }
}

impl StorageItem {
    fn read(field: Field) -> Result<Self, ContainerError> {
        let mut members = field.members()?;
        let item = Self {
            key: members.take("key")?.hash()?,
            value: members.take("value")?.quantity()?,
            proof: members.take("proof")?.list(Field::bytes)?,
        };
        members.finish()?;
        Ok(item)
    }
}
