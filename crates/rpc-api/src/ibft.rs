//! Namespace `ibft`: Hyperledger Besu's methods, with its parameters, answers and error texts, and
//! two more.

use alloy_primitives::{Address, B256, Bytes, U64};
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// IBFT 2.0: validators, votes, and how the running height stands.
#[rpc(server, client, namespace = "ibft")]
pub trait IbftApi {
    /// Puts a vote on this node's wish list: `true` adds a validator, `false` removes one. The list is
    /// durable when this answers. A vote that would leave fewer live members than the quorum of the new
    /// set is refused unless `force` is `true`.
    #[method(name = "proposeValidatorVote")]
    async fn propose_validator_vote(
        &self,
        address: Value,
        add: Value,
        force: Option<bool>,
    ) -> RpcResult<bool>;

    /// Takes a vote off the wish list; `true` also if there was none.
    #[method(name = "discardValidatorVote")]
    async fn discard_validator_vote(&self, address: Value) -> RpcResult<bool>;

    /// The wish list: address → whether it shall be added. Not the votes on the chain.
    #[method(name = "getPendingVotes", blocking)]
    fn pending_votes(&self) -> RpcResult<BTreeMap<Address, bool>>;

    /// The validators that sealed a block; `null` if there is no such block. A number in hexadecimal
    /// or decimal, or a tag.
    #[method(name = "getValidatorsByBlockNumber", blocking)]
    fn validators_by_block_number(&self, block: Value) -> RpcResult<Option<Vec<Address>>>;

    /// The validators that sealed a block; `null` if there is no such block.
    #[method(name = "getValidatorsByBlockHash", blocking)]
    fn validators_by_block_hash(&self, hash: Value) -> RpcResult<Option<Vec<Address>>>;

    /// How many blocks each validator has proposed: from block `from` on, up to before block `to`;
    /// the last 100 blocks by default.
    #[method(name = "getSignerMetrics", blocking)]
    fn signer_metrics(
        &self,
        from: Option<Value>,
        to: Option<Value>,
    ) -> RpcResult<Vec<SignerMetric>>;

    /// Where the running height stands: round, proposer, timer, and who is missing.
    #[method(name = "getRoundState")]
    async fn round_state(&self) -> RpcResult<RoundStateInfo>;

    /// How this node saw consensus reach a block; `null` if it kept no record.
    #[method(name = "getRoundRecord", blocking)]
    fn round_record(&self, block: Value) -> RpcResult<Option<RoundRecordInfo>>;

    /// The commit seals of a block with their signers: what proves that it is final. `null` if there
    /// is no such block.
    #[method(name = "getCommitCertificate", blocking)]
    fn commit_certificate(&self, block: Value) -> RpcResult<Option<CommitCertificate>>;
}

/// A line of `ibft_getSignerMetrics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignerMetric {
    /// The validator.
    pub address: Address,
    /// Blocks of the range that it proposed.
    pub proposed_block_count: U64,
    /// The last of them, 0 if there is none.
    pub last_proposed_block_number: U64,
}

/// Answer of `ibft_getRoundState`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundStateInfo {
    /// Height that is worked on.
    pub height: U64,
    /// Its running round.
    pub round: U64,
    /// Who proposes in it.
    pub proposer: Option<Address>,
    /// The validators.
    pub validators: Vec<Address>,
    /// How many of them have to agree.
    pub quorum: U64,
    /// This node.
    pub local: Address,
    /// Whether this node has accepted the round's proposal.
    pub proposal_accepted: bool,
    /// Whose Prepare is known.
    pub prepared: Vec<Address>,
    /// Whose Commit is known.
    pub committed: Vec<Address>,
    /// Connected validators, this node not counted.
    pub connected: Vec<Address>,
    /// Validators that are neither connected nor this node: why a chain stands still.
    pub absent: Vec<Address>,
    /// Milliseconds until the round is left; `null` while its timer does not run.
    pub timeout_in_ms: Option<u64>,
    /// Whether this node signs nothing because it is not certain what it has signed before.
    pub in_doubt: bool,
}

/// Answer of `ibft_getRoundRecord`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundRecordInfo {
    /// Round in which the block was finalised.
    pub round: U64,
    /// Proposer of that round.
    pub proposer: Address,
    /// When the height began here, Unix milliseconds.
    pub started_ms: u64,
    /// When the block was final here, Unix milliseconds.
    pub committed_ms: u64,
    /// Whose Prepare was known.
    pub prepared: Vec<Address>,
    /// Who had sealed.
    pub committed: Vec<Address>,
    /// Rounds that were left, and why.
    pub changes: Vec<RoundChangeInfo>,
}

/// A round that was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundChangeInfo {
    /// The round.
    pub round: u32,
    /// `timer`, `jump`, `quorum` or `proposal`.
    pub reason: String,
}

/// Answer of `ibft_getCommitCertificate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitCertificate {
    /// Number of the block.
    pub block_number: U64,
    /// Its hash.
    pub block_hash: B256,
    /// The round that the seals sign.
    pub round: U64,
    /// What each seal signs.
    pub seal_digest: B256,
    /// The validators of the block.
    pub validators: Vec<Address>,
    /// How many of them must have sealed.
    pub quorum: U64,
    /// The seals.
    pub seals: Vec<CommitSeal>,
}

/// A seal of a [`CommitCertificate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitSeal {
    /// Who signed it.
    pub address: Address,
    /// The signature: r, s, v (0 or 1).
    pub seal: Bytes,
}
