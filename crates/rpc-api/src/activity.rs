//! Namespace `activity`: the activity mirror.
//!
//! Numbers are JSON numbers below 2^53, bytes are lower-case `0x` hex, activity ids are canonical UUID
//! text, times are Unix milliseconds. Unknown members are errors.
//!
//! | code | meaning | `data` |
//! |---|---|---|
//! | −32602 | malformed | `{field, reason}` |
//! | −32005 | the inbox is at its mark | `{retryAfterMs}` |
//! | −32011 | the id was accepted with other content | `{sourceSeq, field}` |
//! | −32013 | the source is stopped, nothing was accepted | `{reason}` |
//! | −32014 | `activity_erase`: no such included entry | – |
//! | −32601 | not offered here | – |
//!
//! Parameters of the writing methods are taken as text: they are parsed where the rules for them are,
//! and refused with the field that is wrong.

use alloy_primitives::{B256, Bytes};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

/// What became of activities. Public.
#[rpc(server, client, namespace = "activity")]
pub trait ActivityApi {
    /// One activity by its id, or up to 1,000 as an array.
    #[method(name = "getStatus", blocking)]
    fn get_status(&self, ids: Value) -> RpcResult<OneOrMany<ActivityStatus>>;

    /// Completions in the order of numbers, without gaps. Waits up to `waitMs` for the first.
    #[method(name = "getCompletions")]
    async fn get_completions(&self, query: Value) -> RpcResult<ActivityCompletions>;

    /// How the source is doing.
    #[method(name = "getQueue", blocking)]
    fn get_queue(&self) -> RpcResult<ActivityQueue>;
}

/// Handing in activities, and what operators do. On the authenticated server only.
#[rpc(server, client, namespace = "activity")]
pub trait ActivityWriteApi {
    /// An activity as subject and commitment: `{activityId, type, occurredAt, subject, commitment,
    /// effect?, test?, promise?}`.
    #[method(name = "submit")]
    async fn submit(&self, activity: Box<RawValue>) -> RpcResult<ActivityAccepted>;

    /// An activity as user id and payload, which are hashed here and not kept: `{activityId, type,
    /// occurredAt, userId, payload, salt, effect?, test?, promise?}`.
    #[method(name = "track")]
    async fn track(&self, activity: Box<RawValue>) -> RpcResult<ActivityAccepted>;

    /// Up to 1,000 activities of either form; an answer for each, in their order.
    #[method(name = "submitBatch")]
    async fn submit_batch(
        &self,
        activities: Vec<Box<RawValue>>,
    ) -> RpcResult<Vec<ActivityBatchItem>>;

    /// A notice that salt and payload of an included entry were destroyed: `{activityId}`.
    #[method(name = "erase")]
    async fn erase(&self, activity: Value) -> RpcResult<ActivityAccepted>;

    /// Closes what is accepted and not sealed, or exactly what is in doubt: `{activityId, reason}` or
    /// `{from, to, reason}`.
    #[method(name = "void")]
    async fn void(&self, what: Value) -> RpcResult<bool>;

    /// Goes on after `append refused`.
    #[method(name = "retryRefused")]
    async fn retry_refused(&self) -> RpcResult<bool>;

    /// The oldest dead letters that are kept, up to `limit` (1,000): reasons, not contents.
    #[method(name = "deadLetters", blocking)]
    fn dead_letters(&self, limit: Option<Value>) -> RpcResult<Vec<ActivityDeadLetter>>;
}

/// Completions as they come.
#[rpc(server, client, namespace = "activity")]
pub trait ActivityPubSubApi {
    /// `"completions"` with `{from}`: the items of `getCompletions`, one by one.
    #[subscription(
        name = "subscribe" => "subscription",
        unsubscribe = "unsubscribe",
        item = ActivityCompletion
    )]
    async fn subscribe_completions(
        &self,
        what: String,
        query: Value,
    ) -> jsonrpsee::core::SubscriptionResult;
}

/// One answer, or one for each of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// For a single value.
    One(T),
    /// For an array.
    Many(Vec<T>),
}

/// The answer to what was accepted, now or earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityAccepted {
    /// The activity.
    pub activity_id: String,
    /// Number of the source.
    pub source_id: u32,
    /// Its number, which never changes.
    pub source_seq: u64,
    /// The entry, 140 bytes.
    pub entry: Bytes,
    /// Its leaf hash.
    pub leaf: B256,
    /// The acceptance promise, if it was asked for: r ‖ s ‖ v.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promise: Option<Bytes>,
    /// The pseudonym of the user, where the user id was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<B256>,
    /// The commitment to the payload, where the payload was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<B256>,
}

/// The answer to one of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ActivityBatchItem {
    /// It was refused; the others were not.
    Refused {
        /// Why.
        error: ActivityRefusal,
    },
    /// It was accepted.
    Accepted(ActivityAccepted),
}

/// Why one of a batch was refused: the members of a JSON-RPC error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityRefusal {
    /// The code that the single method would answer with.
    pub code: i32,
    /// The reason in words.
    pub message: String,
    /// The reason for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// What is known of an activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityStatus {
    /// The activity.
    pub activity_id: String,
    /// Number of the source.
    pub source_id: u32,
    /// Its number.
    pub source_seq: Option<u64>,
    /// `queued`, `sealed`, `included`, `void`, `duplicate` or `unknown`.
    pub status: String,
    /// Its transaction, once it is sealed.
    pub tx_hash: Option<B256>,
    /// Its block.
    pub block_number: Option<u64>,
    /// The log; that of the other source for a duplicate.
    pub log_id: Option<B256>,
    /// Its index there.
    pub leaf_index: Option<u64>,
    /// Why it is void: the number in the VOID entry.
    pub reason: Option<u16>,
}

/// A part of the completions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityCompletions {
    /// From the number that was asked for on.
    pub items: Vec<ActivityCompletion>,
    /// The `from` of the next call.
    pub next: u64,
}

/// An activity that is through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityCompletion {
    /// The activity; `null` for a number that was lost.
    pub activity_id: Option<String>,
    /// Its number.
    pub source_seq: u64,
    /// `included`, `void` or `duplicate`.
    pub status: String,
    /// Its transaction.
    pub tx_hash: B256,
    /// Its block.
    pub block_number: u64,
    /// Index of its entry in the log.
    pub leaf_index: u64,
}

/// How the source is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityQueue {
    /// Accepted and not sealed.
    pub queued: u64,
    /// Sealed and not included.
    pub sealed: u64,
    /// Age of the oldest that is not included.
    pub oldest_ms: Option<u64>,
    /// Transactions that are sealed and not included.
    pub lane_fill: usize,
    /// Blocks that the source has not read yet.
    pub lag_blocks: u64,
    /// Whether a submission would be taken now.
    pub accepting: bool,
    /// Why not, by name.
    pub stopped: Option<String>,
    /// The numbers that are in doubt, as `activity_void` takes them.
    pub in_doubt: Option<ActivityNumbers>,
}

/// Numbers of a source, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityNumbers {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
}

/// Why a message of a queue was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityDeadLetter {
    /// When.
    pub at_ms: u64,
    /// SHA-256 of the message.
    pub sha256: B256,
    /// Why.
    pub reason: String,
}
