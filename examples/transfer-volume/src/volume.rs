//! The sums, and the rows they are kept in.

use alloy_consensus::Transaction;
use alloy_primitives::{Address, U256};
use eyre::eyre;
use peruri_exex::CommittedBlock;
use peruri_storage::ExtensionStore;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Key of the sum of everything. No address: it is shorter than one.
const TOTAL: &[u8] = b"total";

/// What successful transactions moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Transactions with a value.
    pub transfers: u64,
    /// Their values.
    pub wei: U256,
}

impl Volume {
    fn add(&mut self, wei: U256) {
        self.transfers = self.transfers.saturating_add(1);
        self.wei = self.wei.saturating_add(wei);
    }

    fn encode(&self) -> Vec<u8> {
        [&self.transfers.to_be_bytes()[..], &self.wei.to_be_bytes::<32>()].concat()
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let (transfers, wei) = row.split_first_chunk()?;
        let wei = U256::from_be_bytes::<32>(wei.try_into().ok()?);
        Some(Self { transfers: u64::from_be_bytes(*transfers), wei })
    }
}

/// The sums on disk.
#[derive(Debug, Clone)]
pub struct Volumes(ExtensionStore);

impl Volumes {
    /// In the rows of an extension.
    pub const fn new(store: ExtensionStore) -> Self {
        Self(store)
    }

    /// The sum of everything.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn total(&self) -> eyre::Result<Volume> {
        self.read(TOTAL)
    }

    /// What one sender moved.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn of(&self, sender: Address) -> eyre::Result<Volume> {
        self.read(sender.as_slice())
    }

    fn read(&self, key: &[u8]) -> eyre::Result<Volume> {
        let Some(row) = self.0.get(key)? else { return Ok(Volume::default()) };
        Volume::decode(&row).ok_or_else(|| eyre!("a damaged row"))
    }

    /// Adds a block. Its sums and the finished height are one batch: after a crash the block was
    /// either added, or comes again.
    ///
    /// # Errors
    /// The database cannot be read or written.
    pub fn add(&self, block: &CommittedBlock) -> eyre::Result<()> {
        let mut batch = self.0.batch();
        for (key, volume) in self.with(block)? {
            batch.put(key, volume.encode());
        }
        batch.set_finished_height(block.number());
        Ok(batch.commit()?)
    }

    /// The sums that a block changes.
    fn with(&self, block: &CommittedBlock) -> eyre::Result<BTreeMap<Vec<u8>, Volume>> {
        let mut changed = BTreeMap::new();
        let transactions = block.block.transactions_recovered().zip(&block.receipts);
        for (tx, receipt) in transactions.filter(|(tx, _)| !tx.value().is_zero()) {
            if !receipt.success {
                continue;
            }
            for key in [TOTAL, tx.signer_ref().as_slice()] {
                let volume = match changed.entry(key.to_vec()) {
                    std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::btree_map::Entry::Vacant(entry) => {
                        entry.insert(self.read(key)?)
                    }
                };
                volume.add(tx.value());
            }
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_round_trip() {
        let volume = Volume { transfers: 7, wei: U256::MAX };
        assert_eq!(Volume::decode(&volume.encode()), Some(volume));
        assert_eq!(Volume::decode(&[0; 39]), None);
    }
}
