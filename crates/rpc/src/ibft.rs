//! Namespace `ibft`.

use crate::{RpcError, context::Context, error::RpcResult as Answer};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, U64};
use jsonrpsee::core::{RpcResult, async_trait};
use peruri_engine::{EngineHandle, HandleError};
use peruri_ibft2::{ExtraData, core::Wish, quorum, recover_seals, seal_digest};
use peruri_primitives::SealedHeader;
use peruri_rpc_api::{
    CommitCertificate, CommitSeal, IbftApiServer, RoundChangeInfo, RoundRecordInfo, RoundStateInfo,
    SignerMetric,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Blocks that `ibft_getSignerMetrics` looks at without being told which.
const DEFAULT_METRICS: u64 = 100;
/// Most blocks that it looks at.
const MAX_METRICS: u64 = 100_000;

const BAD_ADDRESS: &str = "Invalid address params";
const BAD_VOTE: &str = "Invalid vote type params";
const BAD_BLOCK: &str = "Invalid block param (block not found)";
const BAD_HASH: &str = "Invalid block hash params";
const BAD_RANGE: &str = "Invalid block number params";

/// Answers of [`IbftApiServer`].
#[derive(Clone)]
pub(crate) struct Ibft {
    ctx: Context,
    engine: EngineHandle,
}

impl Ibft {
    pub(crate) const fn new(ctx: Context, engine: EngineHandle) -> Self {
        Self { ctx, engine }
    }

    /// The header that a parameter names: a number in hexadecimal or decimal, or a tag.
    fn header(&self, block: &Value) -> Answer<Option<SealedHeader>> {
        let id = block_number(block).ok_or_else(|| RpcError::invalid(BAD_BLOCK))?;
        self.ctx.header(BlockId::Number(id))
    }

    async fn vote(&self, address: &Value, wish: Wish) -> RpcResult<bool> {
        let subject = address_of(address)?;
        self.engine.vote(subject, wish).await.map_err(vote_error)?;
        Ok(true)
    }
}

fn vote_error(error: HandleError) -> RpcError {
    match error {
        HandleError::Refused(refused) => RpcError::Execution(format!("vote refused: {refused}")),
        HandleError::Storage(reason) => RpcError::internal(reason),
        other => RpcError::Unavailable(other.to_string()),
    }
}

#[async_trait]
impl IbftApiServer for Ibft {
    async fn propose_validator_vote(
        &self,
        address: Value,
        add: Value,
        force: Option<bool>,
    ) -> RpcResult<bool> {
        let add = add.as_bool().ok_or_else(|| RpcError::invalid(BAD_VOTE))?;
        let force = force.unwrap_or(false);
        let wish = if add { Wish::Add { force } } else { Wish::Drop { force } };
        self.vote(&address, wish).await
    }

    async fn discard_validator_vote(&self, address: Value) -> RpcResult<bool> {
        self.vote(&address, Wish::Discard).await
    }

    fn pending_votes(&self) -> RpcResult<BTreeMap<Address, bool>> {
        let votes = self.ctx.factory().votes().map_err(RpcError::from)?;
        Ok(votes.into_iter().map(|(subject, wish)| (subject, wish.add)).collect())
    }

    fn validators_by_block_number(&self, block: Value) -> RpcResult<Option<Vec<Address>>> {
        let header = self.header(&block)?;
        Ok(header.map(|header| validators_of(&header)).transpose()?)
    }

    fn validators_by_block_hash(&self, hash: Value) -> RpcResult<Option<Vec<Address>>> {
        let hash: B256 = hash
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| RpcError::invalid(BAD_HASH))?;
        let header = self.ctx.header(BlockId::hash(hash))?;
        Ok(header.map(|header| validators_of(&header)).transpose()?)
    }

    fn signer_metrics(
        &self,
        from: Option<Value>,
        to: Option<Value>,
    ) -> RpcResult<Vec<SignerMetric>> {
        let head = self.ctx.factory().best_block_number().map_err(RpcError::from)?;
        let number = |value: Option<Value>, default: u64| match value {
            None | Some(Value::Null) => Ok(default),
            Some(value) => match block_number(&value) {
                Some(BlockNumberOrTag::Number(number)) => Ok(number),
                Some(BlockNumberOrTag::Earliest) => Ok(0),
                Some(_) => Ok(head),
                None => Err(RpcError::invalid(BAD_RANGE)),
            },
        };
        let from = number(from, head.saturating_sub(DEFAULT_METRICS))?;
        let to = number(to, head)?.min(head);
        if from >= to {
            return Err(RpcError::invalid(BAD_RANGE).into());
        }
        let (got, limit) = (to - from, MAX_METRICS);
        if got > limit {
            return Err(
                RpcError::Limit { what: "blocks of ibft_getSignerMetrics", got, limit }.into()
            );
        }
        Ok(self.count_proposals(from, to)?)
    }

    async fn round_state(&self) -> RpcResult<RoundStateInfo> {
        let state = self.engine.round_state().await.map_err(vote_error)?;
        let is_absent = |it: &&Address| **it != state.local && !state.connected.contains(it);
        Ok(RoundStateInfo {
            height: U64::from(state.id.height),
            round: U64::from(state.id.round),
            proposer: state.proposer,
            quorum: U64::from(state.quorum),
            local: state.local,
            proposal_accepted: state.proposed,
            absent: state.validators.iter().filter(is_absent).copied().collect(),
            prepared: state.prepared,
            committed: state.committed,
            connected: state.connected,
            timeout_in_ms: state.timeout_in_ms,
            in_doubt: state.in_doubt,
            validators: state.validators,
        })
    }

    fn round_record(&self, block: Value) -> RpcResult<Option<RoundRecordInfo>> {
        let Some(header) = self.header(&block)? else { return Ok(None) };
        let record = self.ctx.factory().rounds(header.number).map_err(RpcError::from)?;
        Ok(record.map(|record| RoundRecordInfo {
            round: U64::from(record.round),
            proposer: record.proposer,
            started_ms: record.started_ms,
            committed_ms: record.committed_ms,
            prepared: record.prepared,
            committed: record.committed,
            changes: record
                .changes
                .into_iter()
                .map(|it| RoundChangeInfo { round: it.round, reason: it.reason })
                .collect(),
        }))
    }

    fn commit_certificate(&self, block: Value) -> RpcResult<Option<CommitCertificate>> {
        let header = match block.as_str().and_then(|text| text.parse::<B256>().ok()) {
            Some(hash) => self.ctx.header(BlockId::hash(hash))?,
            None => self.header(&block)?,
        };
        Ok(header.map(|header| certificate(&header)).transpose()?)
    }
}

impl Ibft {
    /// Proposals in blocks `from..to`, for all proposers and all validators at the end.
    fn count_proposals(&self, from: u64, to: u64) -> Answer<Vec<SignerMetric>> {
        let none = |address| SignerMetric {
            address,
            proposed_block_count: U64::ZERO,
            last_proposed_block_number: U64::ZERO,
        };
        let mut metrics: BTreeMap<Address, SignerMetric> = BTreeMap::new();
        for number in from..to {
            let Some(header) = self.ctx.factory().sealed_header(number)? else { break };
            let proposer = header.beneficiary;
            let metric = metrics.entry(proposer).or_insert_with(|| none(proposer));
            metric.proposed_block_count += U64::from(1);
            metric.last_proposed_block_number = U64::from(number);
        }
        if let Some(last) = self.ctx.factory().sealed_header(to)? {
            for validator in validators_of(&last)? {
                metrics.entry(validator).or_insert_with(|| none(validator));
            }
        }
        Ok(metrics.into_values().collect())
    }
}

fn extra_data(header: &SealedHeader) -> Answer<ExtraData> {
    ExtraData::decode(&header.extra_data).map_err(RpcError::internal)
}

/// The set that sealed a block stands in its own header.
fn validators_of(header: &SealedHeader) -> Answer<Vec<Address>> {
    Ok(extra_data(header)?.validators)
}

fn certificate(header: &SealedHeader) -> Answer<CommitCertificate> {
    let extra = extra_data(header)?;
    let digest = seal_digest(header.header()).map_err(RpcError::internal)?;
    let signers = recover_seals(digest, &extra.seals).map_err(RpcError::internal)?;
    let seals = signers
        .into_iter()
        .zip(&extra.seals)
        .map(|(address, seal)| CommitSeal { address, seal: seal.as_bytes().to_vec().into() });
    Ok(CommitCertificate {
        block_number: U64::from(header.number),
        block_hash: header.hash(),
        round: U64::from(extra.round),
        seal_digest: digest.0,
        quorum: U64::from(quorum(extra.validators.len())),
        seals: seals.collect(),
        validators: extra.validators,
    })
}

/// An address; `0x` and leading zeros may be missing, as for Besu.
fn address_of(value: &Value) -> Answer<Address> {
    let bad = || RpcError::invalid(BAD_ADDRESS);
    let text = value.as_str().ok_or_else(bad)?;
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.is_empty() || digits.len() > 40 {
        return Err(bad());
    }
    format!("{digits:0>40}").parse().map_err(|_| bad())
}

/// A block number or tag; `finalized` and `safe` are the head, as everywhere.
fn block_number(value: &Value) -> Option<BlockNumberOrTag> {
    if let Some(number) = value.as_u64() {
        return Some(number.into());
    }
    let text = value.as_str()?;
    if text == "pending" {
        // A block that nobody has sealed has no validators to show but those of the head.
        return Some(BlockNumberOrTag::Latest);
    }
    text.parse().ok().or_else(|| text.parse::<u64>().ok().map(Into::into))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_read_as_besu_reads_them() {
        let full = "0x00000000000000000000000000000000000000ff";
        for text in [full, "ff", "0xff", &full[2..]] {
            assert_eq!(address_of(&json!(text)).unwrap(), Address::with_last_byte(0xff));
        }
        for bad in [json!(""), json!("0x"), json!("zz"), json!(7), json!("1".repeat(41))] {
            assert_eq!(address_of(&bad).unwrap_err().to_string(), BAD_ADDRESS);
        }
    }

    #[test]
    fn blocks_are_numbers_of_any_form_and_tags() {
        for value in [json!("0x10"), json!("16"), json!(16)] {
            assert_eq!(block_number(&value), Some(BlockNumberOrTag::Number(16)));
        }
        assert_eq!(block_number(&json!("pending")), Some(BlockNumberOrTag::Latest));
        assert_eq!(block_number(&json!("earliest")), Some(BlockNumberOrTag::Earliest));
        assert_eq!(block_number(&json!("yesterday")), None);
    }
}
