//! The ordered set of validators.

use alloy_primitives::{Address, B256, keccak256};

/// Validators in ascending order of their addresses, each once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ValidatorSet(Vec<Address>);

impl ValidatorSet {
    /// The members in ascending order.
    pub fn as_slice(&self) -> &[Address] {
        &self.0
    }

    /// The members in ascending order, as `extraData` lists them.
    pub fn to_vec(&self) -> Vec<Address> {
        self.0.clone()
    }

    /// Number of members.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no member. A chain whose set is empty has stopped.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `address` is a member.
    pub fn contains(&self, address: &Address) -> bool {
        self.0.binary_search(address).is_ok()
    }

    /// The members in ascending order.
    pub fn iter(&self) -> core::slice::Iter<'_, Address> {
        self.0.iter()
    }

    /// Keccak of the members' addresses one after the other, to compare sets by.
    pub fn digest(&self) -> B256 {
        keccak256(self.0.concat())
    }

    /// Adds a member; false if it was one.
    pub fn insert(&mut self, address: Address) -> bool {
        match self.0.binary_search(&address) {
            Ok(_) => false,
            Err(index) => {
                self.0.insert(index, address);
                true
            }
        }
    }

    /// Removes a member; false if it was none.
    pub fn remove(&mut self, address: &Address) -> bool {
        match self.0.binary_search(address) {
            Ok(index) => {
                self.0.remove(index);
                true
            }
            Err(_) => false,
        }
    }
}

impl FromIterator<Address> for ValidatorSet {
    /// Sorts and removes duplicates, as it is done with the validators of a genesis.
    fn from_iter<I: IntoIterator<Item = Address>>(addresses: I) -> Self {
        let mut members: Vec<_> = addresses.into_iter().collect();
        members.sort_unstable();
        members.dedup();
        Self(members)
    }
}

impl<'a> IntoIterator for &'a ValidatorSet {
    type Item = &'a Address;
    type IntoIter = core::slice::Iter<'a, Address>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_as_an_ordered_set(operations in proptest::collection::vec((any::<bool>(), 0u8..12), 0..60)) {
            let mut set = ValidatorSet::default();
            let mut model = BTreeSet::new();
            for (insert, byte) in operations {
                let address = Address::with_last_byte(byte);
                if insert {
                    prop_assert_eq!(set.insert(address), model.insert(address));
                } else {
                    prop_assert_eq!(set.remove(&address), model.remove(&address));
                }
                prop_assert!(set.iter().eq(model.iter()));
                prop_assert_eq!(set.contains(&address), model.contains(&address));
            }
        }

        #[test]
        fn collecting_sorts_and_deduplicates(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let set: ValidatorSet = bytes.iter().map(|byte| Address::with_last_byte(*byte)).collect();
            prop_assert!(set.as_slice().is_sorted_by(|a, b| a < b));
            prop_assert!(bytes.iter().all(|byte| set.contains(&Address::with_last_byte(*byte))));
        }
    }
}
