//! Answers of [`PlogApiServer`].

use super::{
    params,
    receipt::{Options, receipt},
    snapshot::Snapshot,
    terms::Terms,
};
use crate::{RpcError, context::Context, error::RpcResult as Answer};
use alloy_primitives::B256;
use jsonrpsee::core::RpcResult;
use parking_lot::Mutex;
use peruri_plog::{
    MakeProofError, Policy,
    proof::{consistency_proof, inclusion_proof, root_at},
    verify,
};
use peruri_rpc_api::{
    PlogApiServer, PlogConsistencyProof, PlogEntry, PlogHead, PlogInclusionProof, PlogLogInfo,
    PlogSource, PlogSubjectHistory,
};
use peruri_storage::{PlogRecord, PlogTree, PlogView, ProviderError};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use std::sync::Arc;

/// Most entries of one answer.
const MAX_ENTRIES: u64 = 1_000;

/// Answers of [`PlogApiServer`].
#[derive(Clone)]
pub(crate) struct Plog {
    ctx: Context,
    terms: Arc<Mutex<Terms>>,
}

/// A log, its head, and the index, which is not older.
struct Log {
    id: B256,
    head: PlogHead,
    view: PlogView,
}

impl Plog {
    pub(crate) fn new(ctx: Context) -> Self {
        Self { ctx, terms: Arc::default() }
    }

    fn log(&self, id: &Value) -> Answer<Log> {
        let id = params::hash("logId", id)?;
        let head = Snapshot::newest(&self.ctx)?.head(id)?;
        Ok(Log { id, head, view: self.ctx.factory().plog()? })
    }

    fn entries_of(&self, records: Vec<PlogRecord>) -> Answer<Vec<PlogEntry>> {
        records.into_iter().map(|record| entry(&self.ctx, record)).collect()
    }
}

/// The entry as it is answered.
pub(super) fn entry(ctx: &Context, record: PlogRecord) -> Answer<PlogEntry> {
    let tx_index = record.tx_index as usize;
    let block = ctx.block_by_number(record.block)?;
    let hash = block.and_then(|block| block.transactions().get(tx_index).map(|tx| *tx.tx_hash()));
    let missing = || RpcError::internal(format_args!("no transaction of entry {}", record.index));
    Ok(PlogEntry {
        log_id: record.log,
        index: record.index,
        leaf: record.leaf(),
        entry: record.entry.into(),
        tx_hash: hash.ok_or_else(missing)?,
        block_number: record.block,
    })
}

impl Log {
    /// The tree; a log without entries has none to prove anything in.
    pub(super) fn tree(&self) -> Answer<PlogTree> {
        self.view.tree(self.id).ok_or_else(|| unknown("index", 0, 0))
    }

    fn index(&self, index: &Value) -> Answer<u64> {
        let index = params::number("index", index)?;
        let size = self.head.size;
        if index < size { Ok(index) } else { Err(unknown("index", index, size)) }
    }

    /// A size that the log has or had.
    fn size(&self, name: &str, value: &Value) -> Answer<u64> {
        let got = params::number(name, value)?;
        let size = self.head.size;
        if got <= size { Ok(got) } else { Err(unknown(name, got, size)) }
    }

    fn root(&self, size: u64) -> Answer<B256> {
        match size {
            0 => Ok(peruri_plog::EMPTY_ROOT),
            size => Ok(root_at(&self.tree()?, size)?),
        }
    }
}

pub(super) fn unknown(name: &str, got: u64, size: u64) -> RpcError {
    RpcError::Unknown(format!("{name}: {got} is not there, the log has {size} entries"))
}

pub(super) fn proof_error(error: MakeProofError<ProviderError>) -> RpcError {
    match error {
        MakeProofError::Nodes(error) => error.into(),
        error => RpcError::Unknown(error.to_string()),
    }
}

impl PlogApiServer for Plog {
    fn list_logs(&self) -> RpcResult<Vec<PlogLogInfo>> {
        let snapshot = Snapshot::newest(&self.ctx)?;
        let mut logs = Vec::new();
        for id in self.ctx.factory().plog_ids().map_err(RpcError::from)? {
            if snapshot.exists(id)? {
                logs.push(snapshot.info(id)?);
            }
        }
        Ok(logs)
    }

    fn get_log(&self, log_id: Value) -> RpcResult<PlogLogInfo> {
        Ok(Snapshot::newest(&self.ctx)?.info(params::hash("logId", &log_id)?)?)
    }

    fn get_entry(&self, log_id: Value, index: Value) -> RpcResult<PlogEntry> {
        let log = self.log(&log_id)?;
        let index = log.index(&index)?;
        let record = log.view.entry(log.id, index).map_err(RpcError::from)?;
        let record = record.ok_or_else(|| RpcError::internal("an entry is not in the index"))?;
        Ok(entry(&self.ctx, record)?)
    }

    fn get_entries(&self, log_id: Value, from: Value, limit: Value) -> RpcResult<Vec<PlogEntry>> {
        let log = self.log(&log_id)?;
        let from = log.size("from", &from)?;
        let limit = params::number("limit", &limit)?;
        if limit > MAX_ENTRIES {
            let what = "entries of plog_getEntries (limit)";
            return Err(RpcError::Limit { what, got: limit, limit: MAX_ENTRIES }.into());
        }
        let limit = limit.min(log.head.size - from) as usize;
        let records = log.view.entries(log.id, from, limit).map_err(RpcError::from)?;
        Ok(self.entries_of(records)?)
    }

    fn find_entry(&self, what: Value) -> RpcResult<Vec<PlogEntry>> {
        let members = ["activityId", "leafHash", "sourceId", "seq"];
        let wanted = params::object("filter", &what, &members)?;
        let of = |name: &str| wanted.get(name);
        let view = self.ctx.factory().plog().map_err(RpcError::from)?;
        let found = match (of("activityId"), of("leafHash"), of("sourceId"), of("seq")) {
            (Some(id), None, None, None) => view.find_activity(&params::uuid("activityId", id)?),
            (None, Some(leaf), None, None) => view.find_leaf(params::hash("leafHash", leaf)?),
            (None, None, Some(source), Some(seq)) => {
                let source = params::source("sourceId", source)?;
                let found = view.find_seq(source, params::number("seq", seq)?);
                found.map(|record| record.into_iter().collect())
            }
            _ => {
                let expected = "{activityId}, {leafHash} or {sourceId, seq}";
                return Err(params::bad("filter", expected).into());
            }
        };
        Ok(self.entries_of(found.map_err(RpcError::from)?)?)
    }

    fn get_inclusion_proof(
        &self,
        log_id: Value,
        index: Value,
        size: Option<Value>,
    ) -> RpcResult<PlogInclusionProof> {
        let log = self.log(&log_id)?;
        let size = match size.filter(|size| !size.is_null()) {
            Some(size) => log.size("size", &size)?,
            None => log.head.size,
        };
        let index = log.index(&index)?;
        if index >= size {
            return Err(unknown("index", index, size).into());
        }
        let tree = log.tree()?;
        let path = inclusion_proof(&tree, index, size).map_err(proof_error)?;
        let leaf = peruri_plog::TreeNodes::node(&tree, 0, index).map_err(RpcError::from)?;
        Ok(PlogInclusionProof { index, size, leaf, path, head: log.head })
    }

    fn get_consistency_proof(
        &self,
        log_id: Value,
        first: Value,
        second: Value,
    ) -> RpcResult<PlogConsistencyProof> {
        let log = self.log(&log_id)?;
        let (first, second) = (log.size("first", &first)?, log.size("second", &second)?);
        if first > second {
            return Err(params::bad("first", "no greater than second").into());
        }
        let path = match log.view.tree(log.id) {
            Some(tree) => consistency_proof(&tree, first, second).map_err(proof_error)?,
            None => Vec::new(),
        };
        Ok(PlogConsistencyProof {
            log_id: log.id,
            first,
            first_root: log.root(first)?,
            second,
            second_root: log.root(second)?,
            path,
            head: log.head,
        })
    }

    fn get_subject_history(
        &self,
        log_id: Value,
        subject: Value,
        from: Option<Value>,
    ) -> RpcResult<PlogSubjectHistory> {
        let (id, subject) = (params::hash("logId", &log_id)?, params::hash("subject", &subject)?);
        let from = params::optional_number("from", from.as_ref())?.unwrap_or(0);
        let snapshot = Snapshot::newest(&self.ctx)?;
        let head = snapshot.head(id)?;
        let (count, chain) = snapshot.subject(id, subject)?;
        let view = self.ctx.factory().plog().map_err(RpcError::from)?;
        // One more than asked for tells whether there is more.
        let page = MAX_ENTRIES as usize;
        let mut records = view.subject(id, subject, from, page + 1).map_err(RpcError::from)?;
        records.retain(|record| record.index < head.size);
        let next = records.get(page).map(|record| record.index);
        records.truncate(page);
        Ok(PlogSubjectHistory { entries: self.entries_of(records)?, next, count, chain, head })
    }

    fn get_source(&self, source_id: Value) -> RpcResult<PlogSource> {
        let id = params::source("sourceId", &source_id)?;
        let logs = self.ctx.factory().plog_ids().map_err(RpcError::from)?;
        Ok(Snapshot::newest(&self.ctx)?.source(id, logs)?)
    }

    fn get_receipt(
        &self,
        log_id: Value,
        index: Value,
        options: Option<Value>,
    ) -> RpcResult<Box<RawValue>> {
        let id = params::hash("logId", &log_id)?;
        let index = params::number("index", &index)?;
        let options = Options::read(options.as_ref())?;
        let receipt = receipt(&self.ctx, &mut self.terms.lock(), id, index, &options)?;
        Ok(to_raw_value(&receipt).map_err(RpcError::from)?)
    }

    fn verify_receipt(&self, receipt: Box<RawValue>, policy: String) -> RpcResult<Box<RawValue>> {
        let policy = Policy::parse(&policy)
            .map_err(|error| RpcError::invalid(format!("policy: {error}")))?;
        // As text it is verified byte for byte, as the verifier would.
        let text: Option<String> = serde_json::from_str(receipt.get()).ok();
        let document = text.as_deref().unwrap_or_else(|| receipt.get());
        let report = verify(document.as_bytes(), &policy, None);
        Ok(to_raw_value(&report).map_err(RpcError::from)?)
    }
}
