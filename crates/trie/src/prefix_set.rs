//! The keys a walk has to visit.

use crate::HashedPostState;
use alloy_primitives::{B256, map::B256Map};
use alloy_trie::Nibbles;

/// The nibble of a key at an index below 64.
#[inline]
pub(crate) const fn nibble(key: &B256, index: usize) -> u8 {
    let byte = key.0[index / 2];
    if index.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}

/// Whether two keys share their first `len` nibbles.
#[inline]
pub(crate) fn shares(a: &B256, b: &B256, len: usize) -> bool {
    let bytes = len / 2;
    a.0[..bytes] == b.0[..bytes] && (len.is_multiple_of(2) || (a.0[bytes] ^ b.0[bytes]) < 0x10)
}

/// A set of keys in order, asked for by prefix.
///
/// A walk asks in key order, so the set is consumed from the front: [`PrefixSet::contains`] moves
/// an index forward and costs amortised constant time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixSet {
    keys: Vec<B256>,
    index: usize,
}

impl PrefixSet {
    /// Sorts the keys and drops repeated ones.
    pub fn new(mut keys: Vec<B256>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        Self { keys, index: 0 }
    }

    /// The keys, ascending.
    pub fn keys(&self) -> &[B256] {
        &self.keys
    }

    /// Whether some key starts with `prefix`. Cheap when prefixes come in ascending order; any
    /// other order gives the same answers.
    pub fn contains(&mut self, prefix: &Nibbles) -> bool {
        let mut lower = B256::ZERO;
        prefix.pack_to(&mut lower.0);
        while self.index > 0 && self.keys[self.index - 1] >= lower {
            self.index -= 1;
        }
        while self.keys.get(self.index).is_some_and(|key| *key < lower) {
            self.index += 1;
        }
        self.keys.get(self.index).is_some_and(|key| shares(key, &lower, prefix.len()))
    }
}

/// The changed keys of all tries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TriePrefixSets {
    /// Hashed addresses of accounts whose leaf changed.
    pub accounts: PrefixSet,
    /// Hashed address → hashed slots that changed.
    pub storages: B256Map<PrefixSet>,
}

impl TriePrefixSets {
    /// The keys of a state change.
    pub fn of(state: &HashedPostState) -> Self {
        let accounts = state.accounts.keys().chain(state.storages.keys()).copied().collect();
        let storages = state
            .storages
            .iter()
            .map(|(address, s)| (*address, PrefixSet::new(s.storage.keys().copied().collect())))
            .collect();
        Self { accounts: PrefixSet::new(accounts), storages }
    }
}

/// Keys of changes that are in order already.
pub(crate) fn keys_of<V>(changes: &[(B256, V)]) -> Vec<B256> {
    changes.iter().map(|(key, _)| *key).collect()
}

/// Splits off the leading keys that have `digit` at `depth`. The keys share all nibbles before.
#[inline]
pub(crate) fn split_child<'a>(keys: &mut &'a [B256], depth: usize, digit: u8) -> &'a [B256] {
    let len = match keys.first() {
        Some(first) if nibble(first, depth) == digit => {
            if keys.len() > 64 {
                keys.partition_point(|key| nibble(key, depth) <= digit)
            } else {
                keys.iter().take_while(|key| nibble(key, depth) == digit).count()
            }
        }
        _ => 0,
    };
    let (child, rest) = keys.split_at(len);
    *keys = rest;
    child
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = B256> {
        proptest::array::uniform32(prop_oneof![Just(0u8), Just(1), Just(0x10), any::<u8>()])
            .prop_map(B256::from)
    }

    proptest! {
        #[test]
        fn nibble_arithmetic_is_that_of_paths(a in key(), b in key(), len in 0usize..=64) {
            let (x, y) = (Nibbles::unpack(a), Nibbles::unpack(b));
            prop_assert_eq!(shares(&a, &b, len), x.slice(..len) == y.slice(..len));
            if len < 64 {
                prop_assert_eq!(nibble(&a, len), x.get_unchecked(len));
            }
        }

        #[test]
        fn contains_answers_in_any_order(
            keys in proptest::collection::vec(key(), 0..20),
            asked in proptest::collection::vec((key(), 0usize..=64), 1..40),
        ) {
            let mut set = PrefixSet::new(keys.clone());
            for (key, len) in asked {
                let prefix = Nibbles::unpack(key).slice(..len);
                let expected = keys.iter().any(|k| Nibbles::unpack(k).starts_with(&prefix));
                prop_assert_eq!(set.contains(&prefix), expected);
            }
        }

        #[test]
        fn children_partition_the_keys(keys in proptest::collection::vec(key(), 0..200)) {
            let set = PrefixSet::new(keys);
            let mut rest = set.keys();
            let mut total = 0;
            for digit in 0..16 {
                let child = split_child(&mut rest, 0, digit);
                prop_assert!(child.iter().all(|key| nibble(key, 0) == digit));
                total += child.len();
            }
            prop_assert_eq!(total, set.keys().len());
            prop_assert!(rest.is_empty());
        }
    }
}
