//! The log in the state of one block.

use crate::{RpcError, context::Inner, error::RpcResult};
use alloy_primitives::{Address, B256, U256};
use peruri_plog::{
    PLOG_ADDRESS,
    layout::{
        LogHead, LogMode, LogSlots, MAY_WRITE, SourceProgress, SourceSigner, SourceSlots,
        SubjectSlots, word_address, writer_slot,
    },
};
use peruri_primitives::SealedHeader;
use peruri_rpc_api::{PlogHead, PlogLogInfo, PlogSource};
use peruri_storage::StateProviderBox;

/// State of a block, and the block.
pub(super) struct Snapshot {
    pub(super) state: StateProviderBox,
    pub(super) header: SealedHeader,
}

impl Snapshot {
    /// The newest.
    pub(super) fn newest(ctx: &Inner) -> RpcResult<Self> {
        Self::at(ctx, ctx.factory().last_header()?)
    }

    /// That of a block.
    pub(super) fn at(ctx: &Inner, header: SealedHeader) -> RpcResult<Self> {
        let state = ctx.factory().history_by_block_number(header.number)?;
        Ok(Self { state, header })
    }

    fn word(&self, slot: U256) -> RpcResult<U256> {
        Ok(self.state.storage(PLOG_ADDRESS, slot.into())?)
    }

    /// Whether there is such a log.
    pub(super) fn exists(&self, log: B256) -> RpcResult<bool> {
        Ok(self.mode(log)?.exists)
    }

    fn mode(&self, log: B256) -> RpcResult<LogMode> {
        Ok(LogMode::unpack(self.word(LogSlots::new(log).mode())?))
    }

    /// The log's head; −32014 if there is no such log.
    pub(super) fn head(&self, log: B256) -> RpcResult<PlogHead> {
        if !self.exists(log)? {
            return Err(RpcError::Unknown(format!("logId: there is no log {log}")));
        }
        let slots = LogSlots::new(log);
        Ok(PlogHead {
            log_id: log,
            size: LogHead::unpack(self.word(slots.head())?).size,
            root: self.word(slots.root())?.into(),
            block_number: self.header.number,
            block_hash: self.header.hash(),
        })
    }

    pub(super) fn info(&self, log: B256) -> RpcResult<PlogLogInfo> {
        Ok(PlogLogInfo { head: self.head(log)?, mode: self.mode(log)?.mode })
    }

    /// Number of entries and hash chain of a subject.
    pub(super) fn subject(&self, log: B256, subject: B256) -> RpcResult<(u64, B256)> {
        let slots = SubjectSlots::new(log, subject);
        Ok((self.word(slots.count())?.saturating_to(), self.word(slots.chain())?.into()))
    }

    /// A source, which may write some of `logs`; −32014 if it was never set.
    pub(super) fn source(
        &self,
        id: u32,
        logs: impl IntoIterator<Item = B256>,
    ) -> RpcResult<PlogSource> {
        let slots = SourceSlots::new(id);
        let SourceSigner { signer, active } = SourceSigner::unpack(self.word(slots.signer())?);
        if signer.is_zero() {
            return Err(RpcError::Unknown(format!("sourceId: there is no source {id}")));
        }
        let progress = SourceProgress::unpack(self.word(slots.progress())?);
        let gateway = word_address(self.word(slots.gateway())?);
        let mut writes = Vec::new();
        for log in logs {
            if self.word(writer_slot(log, id))? == MAY_WRITE {
                writes.push(log);
            }
        }
        Ok(PlogSource {
            source_id: id,
            signer,
            gateway: (gateway != Address::ZERO).then_some(gateway),
            active,
            next_seq: progress.next_seq,
            last_block: progress.last_block,
            logs: writes,
        })
    }
}
