//! Which logs there are, and whether the index has all that the chain says.

use crate::{ProviderError, ProviderFactory, ProviderResult, StateProvider};
use alloy_primitives::{B256, b256};
use peruri_plog::{
    PLOG_ADDRESS,
    layout::{LogHead, LogSlots},
};
use std::collections::BTreeSet;

/// First topic of `LogCreated(bytes32 indexed logId, uint32 mode)`.
const LOG_CREATED: B256 = b256!("638b5dd50debd413fb22dad2cb222ea6940a1ca3961c752ff9e23b60836c9dc1");
/// First topic of `Appended(bytes32,uint32,uint64,uint64,uint64,bytes32,bytes32)`.
const APPENDED: B256 = b256!("e58d285967d127547cc48ae1a80c2826b9350d412b3085a128732cf887dc6d5c");

impl ProviderFactory {
    /// Ids of the logs: the configured ones, those that governance has created, as far as receipts are
    /// kept, and those with entries.
    ///
    /// # Errors
    /// The database cannot be read or is empty.
    pub fn plog_ids(&self) -> ProviderResult<BTreeSet<B256>> {
        let configured = self.chain_spec().plog().into_iter().flat_map(|plog| &plog.logs);
        let mut ids: BTreeSet<B256> = configured.map(|log| log.id).collect();
        ids.extend(self.plog()?.logs().map(|(id, _)| id));
        let blocks = self.blocks_matching(&[PLOG_ADDRESS], &[vec![LOG_CREATED]], 0..=u64::MAX)?;
        for number in blocks.iter() {
            let receipts = self.receipts_by_block(number)?.unwrap_or_default();
            let logs = receipts.iter().flat_map(|receipt| &receipt.logs);
            let created = logs.filter(|log| log.address == PLOG_ADDRESS);
            ids.extend(created.filter_map(|log| match log.data.topics() {
                [LOG_CREATED, id, ..] => Some(*id),
                _ => None,
            }));
        }
        Ok(ids)
    }

    /// Blocks that may have appended to a log, as far as receipts are kept.
    ///
    /// # Errors
    /// The database cannot be read or is empty.
    pub fn plog_blocks(&self) -> ProviderResult<Vec<u64>> {
        let blocks = self.blocks_matching(&[PLOG_ADDRESS], &[vec![APPENDED]], 0..=u64::MAX)?;
        Ok(blocks.iter().collect())
    }

    /// Compares the size of every log in the index with that in the newest state. Quick: entries are not
    /// looked at.
    ///
    /// # Errors
    /// [`ProviderError::PlogIndex`] for the first log that differs; the database cannot be read or is
    /// empty.
    pub fn check_plog_sizes(&self) -> ProviderResult<()> {
        let (view, state) = (self.plog()?, self.latest()?);
        for log in self.plog_ids()? {
            let (expected, got) = (plog_size(&*state, log)?, view.size(log));
            if expected != got {
                return Err(ProviderError::PlogIndex { log, expected, got });
            }
        }
        Ok(())
    }
}

/// Number of entries of a log in a state; 0 for one that is not there.
///
/// # Errors
/// The state cannot be read.
pub fn plog_size(state: &dyn StateProvider, log: B256) -> ProviderResult<u64> {
    let word = state.storage(PLOG_ADDRESS, LogSlots::new(log).head().into())?;
    Ok(LogHead::unpack(word).size)
}
