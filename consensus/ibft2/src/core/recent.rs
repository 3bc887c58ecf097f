//! The newest final blocks: whose late seals are added to their headers, and what a conflicting
//! block is compared with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::Address;

use crate::{
    hash::{BlockHash, SealDigest},
    messages::RoundId,
    validators::ValidatorSet,
};

/// Heights whose late seals are taken.
const KEPT_HEIGHTS: usize = 64;

/// A final block.
#[derive(Debug, Clone)]
pub(super) struct RecentBlock {
    pub(super) hash: BlockHash,
    pub(super) round: u32,
    pub(super) digest: SealDigest,
    pub(super) validators: Arc<ValidatorSet>,
    /// Whose seals the header has.
    pub(super) sealed_by: BTreeSet<Address>,
}

/// The newest final blocks by height.
#[derive(Debug, Clone, Default)]
pub(super) struct RecentBlocks(BTreeMap<u64, RecentBlock>);

impl RecentBlocks {
    pub(super) fn push(&mut self, height: u64, block: RecentBlock) {
        self.0.insert(height, block);
        while self.0.len() > KEPT_HEIGHTS {
            self.0.pop_first();
        }
    }

    pub(super) fn get(&self, height: u64) -> Option<&RecentBlock> {
        self.0.get(&height)
    }

    /// The digest that seals of this height and round sign.
    pub(super) fn digest(&self, id: RoundId) -> Option<SealDigest> {
        self.0.get(&id.height).filter(|block| block.round == id.round).map(|block| block.digest)
    }

    pub(super) fn has_seal(&self, height: u64, author: &Address) -> bool {
        self.0.get(&height).is_some_and(|block| block.sealed_by.contains(author))
    }

    /// Notes a seal; false if the header has it or the height is not kept.
    pub(super) fn add_seal(&mut self, height: u64, author: Address) -> bool {
        self.0.get_mut(&height).is_some_and(|block| block.sealed_by.insert(author))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> RecentBlock {
        RecentBlock {
            hash: BlockHash::default(),
            round: 2,
            digest: SealDigest::default(),
            validators: Arc::default(),
            sealed_by: BTreeSet::from([Address::ZERO]),
        }
    }

    #[test]
    fn sixty_four_heights_are_kept() {
        let mut recent = RecentBlocks::default();
        (1..=70).for_each(|height| recent.push(height, block()));
        assert_eq!(recent.0.len(), 64);
        assert!(recent.get(6).is_none() && recent.get(7).is_some());
    }

    #[test]
    fn one_seal_per_address() {
        let mut recent = RecentBlocks::default();
        recent.push(5, block());
        assert!(!recent.add_seal(5, Address::ZERO));
        assert!(recent.add_seal(5, Address::with_last_byte(1)));
        assert!(!recent.add_seal(5, Address::with_last_byte(1)));
        assert!(!recent.add_seal(6, Address::with_last_byte(1)));
        assert_eq!(recent.digest(RoundId::new(5, 2)), Some(SealDigest::default()));
        assert_eq!(recent.digest(RoundId::new(5, 1)), None);
    }
}
