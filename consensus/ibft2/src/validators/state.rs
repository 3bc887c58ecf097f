//! Validators and standing votes after a block.

use std::collections::{BTreeMap, BTreeSet};

use alloy_consensus::Header;
use alloy_primitives::Address;

use super::ValidatorSet;
use crate::{
    config::Ibft2Schedule,
    extra_data::{ExtraData, ExtraDataError, Vote, VoteType},
    quorum::vote_majority,
};

/// Votes by subject, each with its voters.
type Votes = BTreeMap<Address, BTreeSet<Address>>;

/// What a block contributes to the counting of votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockVote {
    /// Number of the block.
    pub number: u64,
    /// Its coinbase, who is the voter.
    pub coinbase: Address,
    /// Its vote.
    pub vote: Option<Vote>,
}

impl BlockVote {
    /// The contribution of `header`, whose decoded `extraData` is `extra`.
    pub const fn new(header: &Header, extra: &ExtraData) -> Self {
        Self { number: header.number, coinbase: header.beneficiary, vote: extra.vote }
    }
}

/// The validators and the standing votes after a block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ValidatorState {
    validators: ValidatorSet,
    adds: Votes,
    drops: Votes,
}

impl ValidatorState {
    /// These validators, without votes.
    pub const fn new(validators: ValidatorSet) -> Self {
        Self { validators, adds: Votes::new(), drops: Votes::new() }
    }

    /// The validators of the next block.
    pub const fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// Whether `voter` has a standing vote of this kind on `subject`.
    pub fn has_voted(&self, voter: &Address, subject: &Address, kind: VoteType) -> bool {
        let votes = match kind {
            VoteType::Add => &self.adds,
            VoteType::Drop => &self.drops,
        };
        votes.get(subject).is_some_and(|voters| voters.contains(voter))
    }

    /// Standing votes as (subject, kind, voters), ordered by kind and subject.
    pub fn votes(&self) -> impl Iterator<Item = (Address, VoteType, &BTreeSet<Address>)> {
        let adds = self.adds.iter().map(|(subject, voters)| (*subject, VoteType::Add, voters));
        let drops = self.drops.iter().map(|(subject, voters)| (*subject, VoteType::Drop, voters));
        adds.chain(drops)
    }

    /// The state after `header`; `parent` is the state after its parent, which an epoch block and
    /// the last block before an override of the validators do not need.
    ///
    /// # Errors
    /// [`StateError`] if `extraData` does not decode or the parent's state is needed and missing.
    pub fn after_block(
        parent: Option<&Self>,
        header: &Header,
        schedule: &Ibft2Schedule,
    ) -> Result<Self, StateError> {
        let extra = ExtraData::decode(&header.extra_data)?;
        let block = BlockVote::new(header, &extra);
        let start = match Self::restart(schedule, block.number, &extra.validators) {
            Some(start) => start,
            None => parent.ok_or(StateError::NoParent { number: block.number })?.clone(),
        };
        Ok(start.apply(schedule, &block))
    }

    /// The state from which counting starts afresh at block `number`, before that block is applied,
    /// or `None` if it starts from the state after the parent. `listed` are the validators in the
    /// header of the block.
    pub fn restart(schedule: &Ibft2Schedule, number: u64, listed: &[Address]) -> Option<Self> {
        let child = number.checked_add(1)?;
        if let Some(validators) = schedule.validators_at(child) {
            return Some(Self::new(validators.clone()));
        }
        let keeps_votes = number != 0 && schedule.drop_votes_survive(number);
        (schedule.is_epoch(number) && !keeps_votes)
            .then(|| Self::new(listed.iter().copied().collect()))
    }

    /// Applies a block to the state it starts from.
    #[must_use]
    pub fn apply(mut self, schedule: &Ibft2Schedule, block: &BlockVote) -> Self {
        if schedule.is_epoch(block.number) {
            self.adds.clear();
            if !schedule.drop_votes_survive(block.number) {
                self.drops.clear();
            }
        } else if let Some(vote) = block.vote {
            self.count(block.coinbase, vote);
        }
        self
    }

    /// Forgets all votes.
    pub fn clear_votes(&mut self) {
        self.adds.clear();
        self.drops.clear();
    }

    /// Counts one vote. The majority is that of the set before the vote; adding a member or
    /// removing a non-member is counted, and has no effect when the majority is reached.
    pub fn count(&mut self, voter: Address, vote: Vote) {
        let subject = vote.recipient;
        let (cast, opposite) = match vote.kind {
            VoteType::Add => (&mut self.adds, &mut self.drops),
            VoteType::Drop => (&mut self.drops, &mut self.adds),
        };
        cast.entry(subject).or_default().insert(voter);
        withdraw(opposite, &subject, &voter);

        let majority = vote_majority(self.validators.len());
        if voters(&self.adds, &subject) >= majority {
            self.validators.insert(subject);
            self.forget_subject(&subject);
        }
        if voters(&self.drops, &subject) >= majority {
            self.validators.remove(&subject);
            self.forget_subject(&subject);
            self.forget_voter(&subject);
        }
    }

    fn forget_subject(&mut self, subject: &Address) {
        self.adds.remove(subject);
        self.drops.remove(subject);
    }

    fn forget_voter(&mut self, voter: &Address) {
        for votes in [&mut self.adds, &mut self.drops] {
            votes.retain(|_, voters| {
                voters.remove(voter);
                !voters.is_empty()
            });
        }
    }
}

fn voters(votes: &Votes, subject: &Address) -> usize {
    votes.get(subject).map_or(0, BTreeSet::len)
}

fn withdraw(votes: &mut Votes, subject: &Address, voter: &Address) {
    if let Some(voters) = votes.get_mut(subject) {
        voters.remove(voter);
        if voters.is_empty() {
            votes.remove(subject);
        }
    }
}

/// Why the state after a block cannot be computed from what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The header lists no validators in the IBFT 2.0 form.
    #[error(transparent)]
    ExtraData(#[from] ExtraDataError),
    /// The block starts from the state after its parent, which was not given.
    #[error("validators after block {number} follow from those after its parent")]
    NoParent {
        /// Number of the block.
        number: u64,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        config::{ForkPoints, Ibft2Config, Transition},
        extra_data::Form,
    };

    fn address(byte: u8) -> Address {
        Address::with_last_byte(byte)
    }

    fn set(bytes: &[u8]) -> ValidatorSet {
        bytes.iter().copied().map(address).collect()
    }

    fn vote(kind: VoteType, subject: u8) -> Vote {
        Vote { recipient: address(subject), kind }
    }

    fn header(number: u64, coinbase: u8, listed: &[u8], vote: Option<Vote>) -> Header {
        let extra = ExtraData { validators: set(listed).to_vec(), vote, ..ExtraData::default() };
        Header {
            number,
            beneficiary: address(coinbase),
            extra_data: extra.encode(Form::All),
            ..Header::default()
        }
    }

    fn schedule(epoch: u64, survive: u64, overrides: &[(u64, &[u8])]) -> Ibft2Schedule {
        let config = Ibft2Config {
            epoch_length: epoch,
            drop_votes_survive_until: survive,
            ..Ibft2Config::default()
        };
        let transitions = overrides.iter().map(|(block, members)| Transition {
            block: *block,
            validators: Some(set(members).to_vec()),
            ..Transition::default()
        });
        Ibft2Schedule::new(config, transitions.collect(), &ForkPoints::default()).unwrap()
    }

    #[test]
    fn majority_adds_and_removes() {
        let mut state = ValidatorState::new(set(&[1, 2, 3]));
        state.count(address(1), vote(VoteType::Add, 4));
        assert_eq!(state.validators(), &set(&[1, 2, 3]));
        state.count(address(2), vote(VoteType::Add, 4));
        assert_eq!(state.validators(), &set(&[1, 2, 3, 4]));
        assert_eq!(state.votes().count(), 0);
        for voter in [1, 2, 3] {
            state.count(address(voter), vote(VoteType::Drop, 4));
        }
        assert_eq!(state.validators(), &set(&[1, 2, 3]));
    }

    #[test]
    fn removal_takes_away_the_votes_of_the_removed() {
        let mut state = ValidatorState::new(set(&[1, 2, 3]));
        state.count(address(3), vote(VoteType::Add, 9));
        state.count(address(1), vote(VoteType::Drop, 3));
        state.count(address(2), vote(VoteType::Drop, 3));
        assert_eq!(state.validators(), &set(&[1, 2]));
        assert_eq!(state.votes().count(), 0);
    }

    #[test]
    fn vote_without_effect_is_counted() {
        let mut state = ValidatorState::new(set(&[1, 2, 3]));
        state.count(address(1), vote(VoteType::Add, 2));
        assert!(state.has_voted(&address(1), &address(2), VoteType::Add));
        state.count(address(3), vote(VoteType::Add, 2));
        assert_eq!(state, ValidatorState::new(set(&[1, 2, 3])));
    }

    #[test]
    fn last_member_can_remove_itself() {
        let mut state = ValidatorState::new(set(&[1]));
        state.count(address(1), vote(VoteType::Drop, 1));
        assert!(state.validators().is_empty());
    }

    #[test]
    fn epoch_block_forgets_votes_and_ignores_its_own() {
        let schedule = schedule(10, 0, &[]);
        let mut before = ValidatorState::new(set(&[1, 2, 3]));
        before.count(address(1), vote(VoteType::Add, 4));
        let epoch = header(10, 2, &[1, 2, 3], Some(vote(VoteType::Add, 4)));
        let after = ValidatorState::after_block(Some(&before), &epoch, &schedule).unwrap();
        assert_eq!(after, ValidatorState::new(set(&[1, 2, 3])));
        assert_eq!(ValidatorState::after_block(None, &epoch, &schedule), Ok(after));
    }

    #[test]
    fn drop_votes_may_survive_early_epochs() {
        let schedule = schedule(10, 15, &[]);
        let mut before = ValidatorState::new(set(&[1, 2, 3]));
        before.count(address(1), vote(VoteType::Add, 4));
        before.count(address(1), vote(VoteType::Drop, 3));
        let after = |number| {
            let epoch = header(number, 2, &[1, 2, 3], None);
            ValidatorState::after_block(Some(&before), &epoch, &schedule).unwrap()
        };
        assert!(after(10).has_voted(&address(1), &address(3), VoteType::Drop));
        assert!(!after(10).has_voted(&address(1), &address(4), VoteType::Add));
        assert_eq!(after(20).votes().count(), 0);
        let genesis = header(0, 0, &[1], None);
        assert!(ValidatorState::after_block(None, &genesis, &schedule).is_ok());
    }

    #[test]
    fn last_vote_before_an_override_counts_against_the_new_set() {
        let schedule = schedule(100, 0, &[(5, &[7])]);
        let before = ValidatorState::new(set(&[1, 2, 3, 4]));
        let last = header(4, 1, &[1, 2, 3, 4], Some(vote(VoteType::Add, 8)));
        let after = ValidatorState::after_block(Some(&before), &last, &schedule).unwrap();
        // One vote is the majority of the one member that the override sets.
        assert_eq!(after.validators(), &set(&[7, 8]));
    }

    #[test]
    fn override_after_an_epoch_block_ignores_its_vote() {
        let schedule = schedule(4, 0, &[(5, &[7])]);
        let epoch = header(4, 1, &[1, 2], Some(vote(VoteType::Add, 8)));
        let after = ValidatorState::after_block(None, &epoch, &schedule).unwrap();
        assert_eq!(after, ValidatorState::new(set(&[7])));
    }

    #[test]
    fn ordinary_block_needs_its_parent() {
        let schedule = schedule(10, 0, &[]);
        assert_eq!(
            ValidatorState::after_block(None, &header(3, 1, &[1], None), &schedule),
            Err(StateError::NoParent { number: 3 })
        );
    }
}
