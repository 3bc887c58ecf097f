//! The validator set after each block, counted a second time.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;

use super::header::View;

/// What decides about the set beside the blocks.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Blocks between two epoch blocks.
    pub epoch: u64,
    /// Sets that apply from a block on.
    pub overrides: BTreeMap<u64, Vec<Address>>,
}

/// A set and the votes that stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    set: BTreeSet<Address>,
    /// Voters by subject and by whether it is to be added.
    votes: BTreeMap<(Address, bool), BTreeSet<Address>>,
}

impl Members {
    /// The state after a genesis that lists `validators`.
    pub fn genesis(rules: &Rules, validators: &[Address]) -> Self {
        let listed = rules.overrides.get(&1).map_or(validators, Vec::as_slice);
        Self { set: listed.iter().copied().collect(), votes: BTreeMap::new() }
    }

    /// The state after `block`, this being the one after its parent.
    pub fn after(&self, rules: &Rules, block: &View) -> Self {
        let epoch = block.number.is_multiple_of(rules.epoch);
        let mut next = if epoch {
            Self { set: block.validators.iter().copied().collect(), votes: BTreeMap::new() }
        } else {
            self.clone()
        };
        if let Some(set) = rules.overrides.get(&(block.number + 1)) {
            next = Self { set: set.iter().copied().collect(), votes: BTreeMap::new() };
        }
        match block.vote {
            _ if epoch => next.votes.clear(),
            Some((subject, add)) => next.count(block.coinbase, subject, add),
            None => {}
        }
        next
    }

    fn count(&mut self, voter: Address, subject: Address, add: bool) {
        self.votes.entry((subject, add)).or_default().insert(voter);
        if let Some(voters) = self.votes.get_mut(&(subject, !add)) {
            voters.remove(&voter);
        }
        let needed = self.set.len() / 2 + 1;
        let reached = |votes: &BTreeMap<(Address, bool), BTreeSet<Address>>, add| {
            votes.get(&(subject, add)).is_some_and(|voters| voters.len() >= needed)
        };
        if reached(&self.votes, true) {
            self.set.insert(subject);
            self.forget(subject);
        }
        if reached(&self.votes, false) {
            self.set.remove(&subject);
            self.forget(subject);
            for voters in self.votes.values_mut() {
                voters.remove(&subject);
            }
        }
    }

    fn forget(&mut self, subject: Address) {
        self.votes.remove(&(subject, true));
        self.votes.remove(&(subject, false));
    }

    /// The members, ascending.
    pub fn list(&self) -> Vec<Address> {
        self.set.iter().copied().collect()
    }

    /// Whether `address` is a member.
    pub fn contains(&self, address: &Address) -> bool {
        self.set.contains(address)
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.set.len()
    }

    /// Whether nobody is left.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Whose turn `round` is on a parent made by `creator`.
    pub fn proposer(&self, creator: Address, round: u32) -> Option<Address> {
        let list = self.list();
        let count = u64::try_from(list.len()).ok()?;
        let above = list.iter().position(|member| *member >= creator).unwrap_or(0);
        let extra = u64::from(list.contains(&creator));
        let turn = (above as u64 + extra + u64::from(round)).checked_rem(count)?;
        list.get(usize::try_from(turn).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use peruri_ibft2::{ValidatorSet, ValidatorState, Vote, VoteType, proposer};

    use super::*;
    use crate::choices::{Choices, Stream};

    fn address(byte: u8) -> Address {
        Address::with_last_byte(byte)
    }

    #[test]
    fn votes_and_turns_agree_with_the_library() {
        let mut choices = Choices::from_seed(11, false);
        for start in 1..8 {
            let listed: Vec<_> = (1..=start).map(address).collect();
            let mut library = ValidatorState::new(listed.iter().copied().collect());
            let mut own = Members::genesis(&Rules::default(), &listed);
            for _ in 0..300 {
                let voter = address(choices.draw(Stream::Workload, 9) as u8);
                let subject = address(choices.draw(Stream::Workload, 9) as u8);
                let add = choices.draw(Stream::Workload, 2) == 0;
                let kind = if add { VoteType::Add } else { VoteType::Drop };
                library.count(voter, Vote { recipient: subject, kind });
                own.count(voter, subject, add);
                assert_eq!(own.list(), library.validators().as_slice());
                let set: ValidatorSet = own.list().into_iter().collect();
                for round in 0..12 {
                    assert_eq!(own.proposer(voter, round), proposer(voter, &set, round));
                }
            }
        }
    }
}
