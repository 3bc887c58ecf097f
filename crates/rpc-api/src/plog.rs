//! Namespace `plog`: the transparency log.
//!
//! Numbers are JSON numbers below 2^53, bytes are lower-case `0x` hex, activity ids are canonical UUID
//! text. Every answer with a proof carries the [`PlogHead`] that it leads to. A parameter that is not
//! acceptable is −32602 and named; a log, index, size or source that does not exist is −32014.

use alloy_primitives::{Address, B256, Bytes};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// Reading the log, and proofs that auditors check without a node.
#[rpc(server, client, namespace = "plog")]
pub trait PlogApi {
    /// All logs.
    #[method(name = "listLogs", blocking)]
    fn list_logs(&self) -> RpcResult<Vec<PlogLogInfo>>;

    /// One log.
    #[method(name = "getLog", blocking)]
    fn get_log(&self, log_id: Value) -> RpcResult<PlogLogInfo>;

    /// One entry.
    #[method(name = "getEntry", blocking)]
    fn get_entry(&self, log_id: Value, index: Value) -> RpcResult<PlogEntry>;

    /// Up to `limit` entries (at most 1,000) from an index on.
    #[method(name = "getEntries", blocking)]
    fn get_entries(&self, log_id: Value, from: Value, limit: Value) -> RpcResult<Vec<PlogEntry>>;

    /// Entries by `{activityId}`, `{leafHash}` or `{sourceId, seq}`: several sources may carry one id.
    #[method(name = "findEntry", blocking)]
    fn find_entry(&self, what: Value) -> RpcResult<Vec<PlogEntry>>;

    /// The path from an entry to the root at a size, the newest by default (RFC 9162 §2.1.3).
    #[method(name = "getInclusionProof", blocking)]
    fn get_inclusion_proof(
        &self,
        log_id: Value,
        index: Value,
        size: Option<Value>,
    ) -> RpcResult<PlogInclusionProof>;

    /// That the tree of `second` entries begins with that of `first` (RFC 9162 §2.1.4).
    #[method(name = "getConsistencyProof", blocking)]
    fn get_consistency_proof(
        &self,
        log_id: Value,
        first: Value,
        second: Value,
    ) -> RpcResult<PlogConsistencyProof>;

    /// The entries of a pseudonym, from an index on.
    #[method(name = "getSubjectHistory", blocking)]
    fn get_subject_history(
        &self,
        log_id: Value,
        subject: Value,
        from: Option<Value>,
    ) -> RpcResult<PlogSubjectHistory>;

    /// A source: who signs for it and how far it is.
    #[method(name = "getSource", blocking)]
    fn get_source(&self, source_id: Value) -> RpcResult<PlogSource>;

    /// A receipt: a self-contained document that proves an entry offline. Options: `block` proves
    /// against that block; `seals` asks for a header with so many; `validators` are those that the
    /// auditor trusts, those of the genesis block by default.
    #[method(name = "getReceipt", blocking)]
    fn get_receipt(
        &self,
        log_id: Value,
        index: Value,
        options: Option<Value>,
    ) -> RpcResult<Box<RawValue>>;

    /// The report of `plog-verify` on a receipt, an object or its text, under a policy in TOML.
    #[method(name = "verifyReceipt", blocking)]
    fn verify_receipt(&self, receipt: Box<RawValue>, policy: String) -> RpcResult<Box<RawValue>>;
}

/// Push notifications of the log (WebSocket only).
#[rpc(server, client, namespace = "plog")]
pub trait PlogPubSubApi {
    /// Subscribes to `entries` ([`PlogEntry`]) or `heads` ([`PlogHead`]), in the order of the chain.
    #[subscription(
        name = "subscribe" => "subscription",
        unsubscribe = "unsubscribe",
        item = Box<RawValue>
    )]
    async fn subscribe_log(&self, what: String) -> jsonrpsee::core::SubscriptionResult;
}

/// Size and root of a log in the state of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlogHead {
    /// The log.
    pub log_id: B256,
    /// Number of entries.
    pub size: u64,
    /// Root of the tree.
    pub root: B256,
    /// The block.
    pub block_number: u64,
    /// Its hash.
    pub block_hash: B256,
}

/// A log with its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlogLogInfo {
    /// Its head.
    #[serde(flatten)]
    pub head: PlogHead,
    /// Mode bits; bit 0: a hash chain per subject.
    pub mode: u32,
}

/// An entry with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlogEntry {
    /// The log.
    pub log_id: B256,
    /// Index in the log.
    pub index: u64,
    /// The 140 bytes.
    pub entry: Bytes,
    /// Its leaf hash.
    pub leaf: B256,
    /// The transaction that appended it.
    pub tx_hash: B256,
    /// That transaction's block.
    pub block_number: u64,
}

/// An inclusion proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlogInclusionProof {
    /// Index of the entry.
    pub index: u64,
    /// Size of the tree that it is proven in.
    pub size: u64,
    /// Leaf hash of the entry.
    pub leaf: B256,
    /// The path, leaf to root.
    pub path: Vec<B256>,
    /// The newest head.
    pub head: PlogHead,
}

/// A consistency proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlogConsistencyProof {
    /// The log.
    pub log_id: B256,
    /// The earlier size.
    pub first: u64,
    /// Its root.
    pub first_root: B256,
    /// The later size.
    pub second: u64,
    /// Its root.
    pub second_root: B256,
    /// The proof.
    pub path: Vec<B256>,
    /// The newest head.
    pub head: PlogHead,
}

/// A page of a subject's entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlogSubjectHistory {
    /// The entries.
    pub entries: Vec<PlogEntry>,
    /// Index from which the next page goes on; `null` at the end.
    pub next: Option<u64>,
    /// How many entries the chain counts; 0 in a log without subject chains.
    pub count: u64,
    /// The hash chain over them.
    pub chain: B256,
    /// The newest head.
    pub head: PlogHead,
}

/// A source of entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlogSource {
    /// Its number.
    pub source_id: u32,
    /// Whose transactions append for it.
    pub signer: Address,
    /// A contract that may too; `null` for none.
    pub gateway: Option<Address>,
    /// Whether it may append at all.
    pub active: bool,
    /// Sequence number of its next entry.
    pub next_seq: u64,
    /// Block of its last entry, 0 for none.
    pub last_block: u64,
    /// The logs that it may write.
    pub logs: Vec<B256>,
}
