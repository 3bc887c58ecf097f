//! The chain as an extension reads it.

use super::{ChainEntry, ChainView, Limits, SourceState};
use crate::{
    ActivityId,
    rows::{Place, StoreError},
};
use alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;
use alloy_primitives::{Address, B256};
use peruri_exex::ExExProvider;
use peruri_plog::{
    Entry, EntryType, PLOG_ADDRESS,
    layout::{
        LogMode, LogSlots, MAY_WRITE, SourceProgress, SourceSigner, SourceSlots, writer_slot,
    },
};

/// One source of one log, read from the store.
#[derive(Debug, Clone)]
pub struct ProviderChain {
    provider: ExExProvider,
    log: B256,
    source: u32,
    signer: Address,
    /// Percent of a block's gas that the lane has.
    gas_share: u64,
}

impl ProviderChain {
    /// The view of `source` with its `signer`; `gas_share` is the lane's, in percent of a block.
    pub const fn new(
        provider: ExExProvider,
        log: B256,
        source: u32,
        signer: Address,
        gas_share: u64,
    ) -> Self {
        Self { provider, log, source, signer, gas_share }
    }
}

impl ChainView for ProviderChain {
    fn source(&self) -> Result<SourceState, StoreError> {
        let height = self.provider.best_block_number()?;
        let state = self.provider.history_by_block_number(height)?;
        let slots = SourceSlots::new(self.source);
        let word = |slot: alloy_primitives::U256| state.storage(PLOG_ADDRESS, slot.into());
        let signer = SourceSigner::unpack(word(slots.signer())?);
        let may_write = word(writer_slot(self.log, self.source))? == MAY_WRITE;
        let progress = SourceProgress::unpack(word(slots.progress())?);
        Ok(SourceState {
            height,
            // A source that is not known yet begins like a new one.
            next_seq: progress.next_seq.max(SourceProgress::NEW.next_seq),
            nonce: state.account(&self.signer)?.map_or(0, |account| account.nonce),
            may_append: signer.active && signer.signer == self.signer && may_write,
        })
    }

    fn limits(&self) -> Result<Limits, StoreError> {
        let header = self.provider.last_header()?;
        let state = self.provider.latest()?;
        let mode = state.storage(PLOG_ADDRESS, LogSlots::new(self.log).mode().into())?;
        let share = header.gas_limit.saturating_mul(self.gas_share) / 100;
        // Not the head's: a genesis block has a fee on chains without one, too.
        let soonest = header.timestamp.saturating_add(1);
        let base_fee = self.provider.chain_spec().next_base_fee(header.header(), soonest);
        Ok(Limits {
            base_fee: base_fee.unwrap_or_default(),
            max_gas: share.min(MAX_TX_GAS_LIMIT_OSAKA),
            subject_chains: LogMode::unpack(mode).subject_chains(),
        })
    }

    fn published(&self, ids: &[ActivityId]) -> Result<Vec<Option<(B256, u64)>>, StoreError> {
        let view = self.provider.plog()?;
        ids.iter()
            .map(|id| {
                let found = view.find_activity(&id.0)?;
                let other = found.iter().find(|record| {
                    Entry::decode(&record.entry).is_ok_and(|entry| {
                        entry.source_id != self.source && is_activity(entry.kind)
                    })
                });
                Ok(other.map(|record| (record.log, record.index)))
            })
            .collect()
    }

    fn entries(&self, from: u64, limit: usize) -> Result<Vec<ChainEntry>, StoreError> {
        let view = self.provider.plog()?;
        let mut entries = Vec::new();
        let mut transaction: Option<((u64, u32), B256)> = None;
        for seq in (from..).take(limit) {
            let Some(record) = view.find_seq(self.source, seq)? else { break };
            let at = (record.block, record.tx_index);
            let tx_hash = match transaction {
                Some((known, hash)) if known == at => hash,
                _ => self.tx_hash(at)?,
            };
            transaction = Some((at, tx_hash));
            let place = Place { tx_hash, block: record.block, index: record.index };
            entries.push(ChainEntry { log: record.log, entry: record.entry, place });
        }
        Ok(entries)
    }
}

impl ProviderChain {
    fn tx_hash(&self, (block, index): (u64, u32)) -> Result<B256, StoreError> {
        let missing =
            || StoreError::new(format!("transaction {index} of block {block} is missing"));
        let block = self.provider.recovered_block(block)?.ok_or_else(missing)?;
        let found = usize::try_from(index).ok().and_then(|at| block.body().transactions.get(at));
        Ok(*found.ok_or_else(missing)?.tx_hash())
    }
}

/// What publishes an activity, unlike a VOID or a notice.
const fn is_activity(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::Activity
            | EntryType::TokenEffect
            | EntryType::BadgeEffect
            | EntryType::DocumentEvent
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use peruri_chainspec::ChainSpec;
    use peruri_storage::{DbOptions, ProviderFactory};
    use std::sync::Arc;

    #[test]
    fn what_is_sealed_on_the_genesis_block_costs_nothing_on_a_chain_without_fees() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Arc::new(ChainSpec::pilot());
        let factory = ProviderFactory::open(folder.path(), spec, DbOptions::default()).unwrap();
        factory.init_genesis().unwrap();
        let provider = ExExProvider::new(factory);
        assert!(provider.last_header().unwrap().base_fee_per_gas.unwrap() > 0);
        let chain = ProviderChain::new(provider, B256::ZERO, 1, Address::ZERO, 50);
        assert_eq!(chain.limits().unwrap().base_fee, 0);
    }
}
