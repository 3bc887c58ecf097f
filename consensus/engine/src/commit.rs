//! From a final block to the database, the pool and those who listen.

use crate::{EngineError, driver::observe};
use alloy_primitives::Address;
use peruri_chainspec::ChainSpec;
use peruri_ibft2::{ExtraData, Seal, seal_digest, sealing::seal_header};
use peruri_payload::lane;
use peruri_primitives::{RecoveredBlock, SealedHeader};
use peruri_storage::{CommitExtras, ExecutedBlock, ProviderFactory, RoundRecord};
use peruri_txpool::{CanonicalStateUpdate, TransactionPool};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Commits final blocks. Blocking.
#[derive(Clone)]
pub(crate) struct Committer {
    pub(crate) chain_spec: Arc<ChainSpec>,
    pub(crate) provider: ProviderFactory,
    pub(crate) pool: Arc<dyn TransactionPool>,
    /// See [`EngineConfig::lane_gas_share`](crate::EngineConfig::lane_gas_share).
    pub(crate) lane_gas_share: u8,
}

/// What goes into the batch of a block beside it.
#[derive(Debug, Clone)]
pub(crate) struct FinalBlock {
    pub(crate) block: ExecutedBlock,
    /// The round that the seals sign.
    pub(crate) round: u32,
    pub(crate) seals: Vec<Seal>,
    pub(crate) rounds: RoundRecord,
    /// Sequence number of the newest durable record of the sign state.
    pub(crate) sign_record_seq: Option<u64>,
    /// Seals of earlier blocks that came after these were final.
    pub(crate) late_seals: BTreeMap<u64, Vec<Seal>>,
}

impl Committer {
    /// Puts round and seals into the header, writes one synced batch and tells the pool. Returns the
    /// sealed block.
    ///
    /// # Errors
    /// If the block cannot be sealed or the batch cannot be written.
    pub(crate) fn commit(&self, last: FinalBlock) -> Result<ExecutedBlock, EngineError> {
        let block = sealed(last.block, last.round, last.seals)?;
        let late_seals = last
            .late_seals
            .into_iter()
            .map(|(height, seals)| self.with_late_seals(height, seals))
            .collect::<Result<Vec<_>, _>>()?;
        self.watch_lane(&block, &last.rounds.proposer)?;
        let extras = CommitExtras {
            rounds: Some(last.rounds),
            sign_record_seq: last.sign_record_seq,
            late_seals: late_seals.into_iter().flatten().collect(),
        };
        self.provider.commit_block_with(&block, &extras)?;
        self.update_pool(&block);
        Ok(block)
    }

    /// Counts what the block leaves out of the lane of the transparency log. To take it first is the
    /// proposer's policy and no rule, so nothing follows from it. Store and pool still stand on the
    /// parent.
    fn watch_lane(&self, block: &ExecutedBlock, proposer: &Address) -> Result<(), EngineError> {
        // Here for a whole block: gossip has brought it everywhere.
        let Some(entered_by) = block.number().checked_sub(2) else { return Ok(()) };
        let waiting = self.pool.lane_due(entered_by);
        if !waiting.is_empty() {
            let due = lane::judge(waiting, &*self.provider.latest()?)?;
            let left_out = lane::left_out(&due, &block.recovered_block, self.lane_gas_share);
            observe::lane_skipped(proposer, left_out);
        }
        Ok(())
    }

    /// The stored header of `height` with more seals; `None` if it is not stored here or none is new.
    /// They come from the core, or with a block that another node keeps: only the first one of each
    /// validator of the block counts.
    fn with_late_seals(
        &self,
        height: u64,
        late: Vec<Seal>,
    ) -> Result<Option<SealedHeader>, EngineError> {
        let Some(stored) = self.provider.sealed_header(height)? else { return Ok(None) };
        let extra_data = |source| EngineError::ExtraData { number: height, source };
        let extra = ExtraData::decode(&stored.extra_data).map_err(extra_data)?;
        let digest = seal_digest(stored.header()).map_err(extra_data)?;
        let author = |seal: &Seal| seal.recover(digest).ok();
        let mut sealed: BTreeSet<_> = extra.seals.iter().filter_map(author).collect();
        let mut seals = extra.seals.clone();
        for seal in late {
            if let Some(validator) = author(&seal).filter(|it| extra.validators.contains(it))
                && sealed.insert(validator)
            {
                observe::seal(&validator);
                seals.push(seal);
            }
        }
        if seals.len() == extra.seals.len() {
            return Ok(None);
        }
        let header = seal_header(stored.header(), extra.round, seals).map_err(extra_data)?;
        Ok(Some(SealedHeader::new(header, stored.hash())))
    }

    fn update_pool(&self, block: &ExecutedBlock) {
        let header = block.recovered_block.header();
        let next_base_fee = self.chain_spec.next_base_fee(&header.0, header.timestamp).unwrap_or(0);
        self.pool.on_canonical_state_change(CanonicalStateUpdate::new(
            &block.recovered_block,
            block.hashed_state.clone(),
            next_base_fee,
            0,
        ));
    }
}

/// The block with round and seals in its header. Its block hash stays.
fn sealed(
    block: ExecutedBlock,
    round: u32,
    seals: Vec<Seal>,
) -> Result<ExecutedBlock, EngineError> {
    let hash = block.hash();
    let (mut inner, senders) = Arc::unwrap_or_clone(block.recovered_block).split();
    let number = inner.header.number;
    inner.header = seal_header(&inner.header, round, seals)
        .map_err(|source| EngineError::ExtraData { number, source })?;
    let recovered_block = Arc::new(RecoveredBlock::new(inner, senders, hash));
    Ok(ExecutedBlock { recovered_block, ..block })
}

impl std::fmt::Debug for Committer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Committer").finish_non_exhaustive()
    }
}
