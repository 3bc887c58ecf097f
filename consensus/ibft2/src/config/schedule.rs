//! The configuration of a chain over its whole life: transitions on top of `config.ibft2`.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};

use super::{ConfigError, Ibft2Config, positive};
use crate::validators::ValidatorSet;

/// One entry of `config.transitions.ibft2`. Absent values carry forward.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transition {
    /// First block with the new values (but see [`TransitionKind`]).
    pub block: u64,
    /// New `blockperiodseconds`.
    pub block_period_seconds: Option<u64>,
    /// New `blockreward` in wei.
    pub block_reward: Option<U256>,
    /// New `miningbeneficiary`; `Some(None)` (an empty string) returns to the coinbase.
    pub mining_beneficiary: Option<Option<Address>>,
    /// Validators of exactly this block, in any order.
    pub validators: Option<Vec<Address>>,
}

/// Activation points of the forks of a genesis file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForkPoints {
    /// Block numbers of forks by block.
    pub blocks: Vec<u64>,
    /// Times of forks by timestamp, in seconds.
    pub times: Vec<u64>,
}

impl ForkPoints {
    /// How the value of a transition is read: as the closest fork at or below it. A fork by time
    /// wins over one by block at the same value; without any fork below, values are blocks.
    fn kind_at(&self, value: u64) -> TransitionKind {
        let floor = |points: &[u64]| points.iter().copied().filter(|point| *point <= value).max();
        // Frontier stands at block 0 in every genesis.
        let block = floor(&self.blocks).unwrap_or(0);
        match floor(&self.times) {
            Some(time) if time >= block => TransitionKind::Time,
            _ => TransitionKind::Block,
        }
    }
}

/// What the `block` of a [`Transition`] is compared with for period, reward and beneficiary.
///
/// Besu keeps forks by block and by time in one ordered map and gives a transition the kind of the
/// entry below it. A genesis with `shanghaiTime: 0` therefore turns `"block": 1000` into second
/// 1000 of 1970, which has long passed. Validators stay with the block number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransitionKind {
    /// With the number of the block.
    Block,
    /// With the timestamp of the block.
    Time,
}

/// The values in force for one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockParams {
    /// Distance to the parent.
    pub period: BlockPeriod,
    /// Wei credited for the block.
    pub reward: U256,
    /// Receiver of reward and fees; `None` = the coinbase.
    pub beneficiary: Option<Address>,
}

/// Distance of a block to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockPeriod {
    /// Seconds between the header times.
    Seconds(u64),
    /// Milliseconds after the import of the parent.
    Milliseconds(u64),
}

impl BlockPeriod {
    /// The period in milliseconds.
    pub const fn as_millis(self) -> u64 {
        match self {
            Self::Seconds(seconds) => seconds.saturating_mul(1_000),
            Self::Milliseconds(milliseconds) => milliseconds,
        }
    }

    /// Least distance of the header times in seconds; `None` below one second, where headers are
    /// only bound not to be older than their parents.
    pub const fn min_seconds(self) -> Option<u64> {
        match self.as_millis() / 1_000 {
            0 => None,
            seconds => Some(seconds),
        }
    }
}

/// A transition with its values carried forward from the earlier ones.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    value: u64,
    kind: TransitionKind,
    params: BlockParams,
}

/// Checked configuration of an IBFT 2.0 chain over its whole life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ibft2Schedule {
    config: Ibft2Config,
    initial: BlockParams,
    /// Ascending by value.
    entries: Vec<Entry>,
    overrides: BTreeMap<u64, ValidatorSet>,
}

impl Ibft2Schedule {
    /// Checks and orders the configuration. `transitions` may stand in any order.
    ///
    /// # Errors
    /// [`ConfigError`] for an invalid configuration, a transition at block 0, two transitions at
    /// one block, or an empty list of validators.
    pub fn new(
        config: Ibft2Config,
        mut transitions: Vec<Transition>,
        forks: &ForkPoints,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        transitions.sort_by_key(|transition| transition.block);
        let initial = BlockParams {
            period: period(&config, config.block_period_seconds),
            reward: config.block_reward,
            beneficiary: config.mining_beneficiary,
        };
        let mut this = Self { config, initial, entries: Vec::new(), overrides: BTreeMap::new() };
        for transition in transitions {
            this.push(transition, forks)?;
        }
        Ok(this)
    }

    fn push(&mut self, transition: Transition, forks: &ForkPoints) -> Result<(), ConfigError> {
        let block = transition.block;
        positive("transitions.ibft2.block", block)?;
        let previous = self.entries.last();
        if previous.is_some_and(|previous| previous.value == block) {
            return Err(ConfigError::DuplicateTransition { block });
        }
        let mut params = previous.map_or(self.initial, |previous| previous.params);
        if let Some(seconds) = transition.block_period_seconds {
            positive("transitions.ibft2.blockperiodseconds", seconds)?;
            params.period = period(&self.config, seconds);
        }
        params.reward = transition.block_reward.unwrap_or(params.reward);
        params.beneficiary = transition.mining_beneficiary.unwrap_or(params.beneficiary);
        if let Some(validators) = transition.validators {
            if validators.is_empty() {
                return Err(ConfigError::NoValidators { block });
            }
            self.overrides.insert(block, validators.into_iter().collect());
        }
        self.entries.push(Entry { value: block, kind: forks.kind_at(block), params });
        Ok(())
    }

    /// The keys of `config.ibft2`. Period, reward and beneficiary may be changed by transitions:
    /// ask [`Self::params`] for them.
    pub const fn config(&self) -> &Ibft2Config {
        &self.config
    }

    /// Period, reward and beneficiary of the block with this number and time (seconds).
    pub fn params(&self, number: u64, timestamp: u64) -> BlockParams {
        let in_force = |entry: &&Entry| match entry.kind {
            TransitionKind::Block => number >= entry.value,
            TransitionKind::Time => timestamp >= entry.value,
        };
        self.entries.iter().rev().find(in_force).map_or(self.initial, |entry| entry.params)
    }

    /// The validators that a transition sets for exactly this block.
    pub fn validators_at(&self, number: u64) -> Option<&ValidatorSet> {
        self.overrides.get(&number)
    }

    /// Blocks for which a transition sets the validators, ascending.
    pub fn override_blocks(&self) -> impl Iterator<Item = u64> + '_ {
        self.overrides.keys().copied()
    }

    /// Each transition: how its value is read, the value, what is in force from it on, and the
    /// validators that it sets.
    pub fn milestones(
        &self,
    ) -> impl Iterator<Item = (TransitionKind, u64, BlockParams, Option<&ValidatorSet>)> + '_ {
        self.entries
            .iter()
            .map(|entry| (entry.kind, entry.value, entry.params, self.validators_at(entry.value)))
    }

    /// Whether votes are forgotten at this block.
    pub const fn is_epoch(&self, number: u64) -> bool {
        matches!(number.checked_rem(self.config.epoch_length), Some(0))
    }

    /// Whether DROP votes survive the epoch block with this number.
    pub const fn drop_votes_survive(&self, number: u64) -> bool {
        number < self.config.drop_votes_survive_until
    }

    /// Transitions whose block is read as a time ([`TransitionKind::Time`]), for a notice at start.
    pub fn read_as_time(&self) -> impl Iterator<Item = u64> + '_ {
        let is_time = |entry: &&Entry| entry.kind == TransitionKind::Time;
        self.entries.iter().filter(is_time).map(|entry| entry.value)
    }
}

const fn period(config: &Ibft2Config, seconds: u64) -> BlockPeriod {
    match config.block_period_milliseconds {
        0 => BlockPeriod::Seconds(seconds),
        milliseconds => BlockPeriod::Milliseconds(milliseconds),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn forks(blocks: &[u64], times: &[u64]) -> ForkPoints {
        ForkPoints { blocks: blocks.to_vec(), times: times.to_vec() }
    }

    fn schedule(transitions: Vec<Transition>, forks: &ForkPoints) -> Ibft2Schedule {
        Ibft2Schedule::new(Ibft2Config::default(), transitions, forks).unwrap()
    }

    fn period_at(block: u64, seconds: u64) -> Transition {
        Transition { block, block_period_seconds: Some(seconds), ..Transition::default() }
    }

    #[test]
    fn values_carry_forward_in_any_order_of_the_file() {
        let beneficiary = Address::with_last_byte(9);
        let later = Transition { block_reward: Some(U256::from(5)), ..period_at(20, 4) };
        let middle = Transition {
            block: 10,
            mining_beneficiary: Some(Some(beneficiary)),
            ..Transition::default()
        };
        let last =
            Transition { block: 30, mining_beneficiary: Some(None), ..Transition::default() };
        let schedule = schedule(vec![last, later, middle], &forks(&[0], &[]));
        let at = |number| schedule.params(number, 0);
        assert_eq!(at(9).beneficiary, None);
        assert_eq!(at(10).beneficiary, Some(beneficiary));
        assert_eq!(at(10).period, BlockPeriod::Seconds(1));
        assert_eq!(at(20).beneficiary, Some(beneficiary));
        assert_eq!((at(29).period, at(29).reward), (BlockPeriod::Seconds(4), U256::from(5)));
        assert_eq!((at(30).beneficiary, at(30).reward), (None, U256::from(5)));
    }

    #[test]
    fn block_after_a_fork_by_time_is_read_as_a_time() {
        let schedule = schedule(vec![period_at(1_000, 7)], &forks(&[0], &[0]));
        assert_eq!(schedule.params(5, 999).period, BlockPeriod::Seconds(1));
        assert_eq!(schedule.params(5, 1_000).period, BlockPeriod::Seconds(7));
        assert_eq!(schedule.read_as_time().collect::<Vec<_>>(), [1_000]);
    }

    #[test]
    fn block_below_a_fork_by_time_stays_a_block() {
        for forks in [forks(&[0], &[1_700_000_000]), forks(&[0, 900], &[800]), forks(&[], &[])] {
            let schedule = schedule(vec![period_at(1_000, 7)], &forks);
            assert_eq!(schedule.params(999, u64::MAX).period, BlockPeriod::Seconds(1));
            assert_eq!(schedule.params(1_000, 0).period, BlockPeriod::Seconds(7));
            assert_eq!(schedule.read_as_time().count(), 0);
        }
    }

    #[test]
    fn validators_stay_with_the_block_number() {
        let member = Address::with_last_byte(1);
        let transition =
            Transition { block: 8, validators: Some(vec![member]), ..Transition::default() };
        let schedule = schedule(vec![transition], &forks(&[0], &[0]));
        assert_eq!(schedule.validators_at(8).unwrap().as_slice(), [member]);
        assert_eq!((schedule.validators_at(7), schedule.validators_at(9)), (None, None));
        assert_eq!(schedule.override_blocks().collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn bad_transitions_are_refused() {
        let new = |transitions| {
            Ibft2Schedule::new(Ibft2Config::default(), transitions, &ForkPoints::default())
        };
        assert!(matches!(new(vec![period_at(0, 1)]), Err(ConfigError::Zero { .. })));
        assert!(matches!(new(vec![period_at(5, 0)]), Err(ConfigError::Zero { .. })));
        assert_eq!(
            new(vec![period_at(5, 1), period_at(5, 2)]),
            Err(ConfigError::DuplicateTransition { block: 5 })
        );
        let empty = Transition { block: 5, validators: Some(vec![]), ..Transition::default() };
        assert_eq!(new(vec![empty]), Err(ConfigError::NoValidators { block: 5 }));
    }

    #[test]
    fn period_in_milliseconds_replaces_the_other() {
        let new = |milliseconds| {
            let config =
                Ibft2Config { block_period_milliseconds: milliseconds, ..Ibft2Config::default() };
            let forks = ForkPoints::default();
            let schedule = Ibft2Schedule::new(config, vec![period_at(5, 3)], &forks).unwrap();
            schedule.params(7, 0).period
        };
        assert_eq!((new(0).as_millis(), new(0).min_seconds()), (3_000, Some(3)));
        assert_eq!((new(250).as_millis(), new(250).min_seconds()), (250, None));
        assert_eq!((new(2_500).as_millis(), new(2_500).min_seconds()), (2_500, Some(2)));
    }

    #[test]
    fn epochs_start_with_genesis() {
        let schedule = schedule(vec![], &ForkPoints::default());
        assert!(schedule.is_epoch(0) && schedule.is_epoch(30_000));
        assert!(!schedule.is_epoch(1) && !schedule.is_epoch(29_999));
    }
}
