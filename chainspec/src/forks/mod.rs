//! When each fork becomes active: keys of the genesis file, derived forks, order.
//!
//! Besu reads a fork as "from here on these rules hold", so a file that names only
//! `petersburgBlock` also has every fork before it from that block on; geth refuses such a file.
//! We read it as Besu does. The difficulty-bomb forks (Muir, Arrow and Gray Glacier) and the DAO
//! fork stand outside that order: they are active only when they are named.

mod keys;

pub(crate) use keys::{ForkContext, parse_forks};

use EthereumHardfork::{
    Amsterdam, Berlin, Bogota, Bpo1, Bpo2, Bpo3, Bpo4, Bpo5, Byzantium, Cancun, Constantinople,
    Frontier, Homestead, Istanbul, London, Osaka, Paris, Petersburg, Prague, Shanghai,
    SpuriousDragon, Tangerine,
};
use alloy_hardforks::{EthereumHardfork, ForkCondition};
use std::collections::BTreeMap;

/// Forks that imply each other: a later one brings all earlier ones.
const ORDERED: [EthereumHardfork; 14] = [
    Homestead,
    Tangerine,
    SpuriousDragon,
    Byzantium,
    Constantinople,
    Petersburg,
    Istanbul,
    Berlin,
    London,
    Paris,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
];

/// Forks that change blob parameters only, in their order after Osaka (EIP-7892).
pub(crate) const BLOB_FORKS: [EthereumHardfork; 5] = [Bpo1, Bpo2, Bpo3, Bpo4, Bpo5];

/// Activation of every fork. What is absent is never active; Frontier is active from block 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forks(BTreeMap<EthereumHardfork, ForkCondition>);

impl Default for Forks {
    fn default() -> Self {
        Self(BTreeMap::from([(Frontier, ForkCondition::ZERO_BLOCK)]))
    }
}

impl FromIterator<(EthereumHardfork, ForkCondition)> for Forks {
    fn from_iter<T: IntoIterator<Item = (EthereumHardfork, ForkCondition)>>(forks: T) -> Self {
        let mut this = Self::default();
        for (fork, condition) in forks {
            this.set(fork, condition);
        }
        this
    }
}

impl Forks {
    /// The activation of `fork`, [`ForkCondition::Never`] if it is not scheduled.
    pub fn get(&self, fork: EthereumHardfork) -> ForkCondition {
        self.0.get(&fork).copied().unwrap_or(ForkCondition::Never)
    }

    /// Schedules `fork`; `Never` removes it.
    pub fn set(&mut self, fork: EthereumHardfork, condition: ForkCondition) {
        if condition == ForkCondition::Never {
            self.0.remove(&fork);
        } else {
            self.0.insert(fork, condition);
        }
    }

    /// All scheduled forks in their order of history.
    pub fn iter(&self) -> impl Iterator<Item = (EthereumHardfork, ForkCondition)> + '_ {
        self.0.iter().map(|(fork, condition)| (*fork, *condition))
    }

    /// True if `fork` is active in a block with this number and timestamp.
    pub fn is_active(&self, fork: EthereumHardfork, number: u64, timestamp: u64) -> bool {
        self.get(fork).active_at_timestamp_or_number(timestamp, number)
    }

    /// Fills in the forks that later ones bring along and checks the order.
    ///
    /// `genesis_time` is the timestamp of block 0 in seconds: a fork at or before it is active
    /// from the first block, so an earlier fork by block may be derived from it.
    ///
    /// # Errors
    ///
    /// The fork that stands in the way, with the reason.
    pub(crate) fn complete(&mut self, genesis_time: u64) -> Result<(), (EthereumHardfork, String)> {
        for fork in [Amsterdam, Bogota] {
            if self.0.contains_key(&fork) {
                return Err((fork, "the newest fork supported is Osaka".to_owned()));
            }
        }
        // Order is a matter of the given forks: a derived one repeats its successor.
        let mut previous: Option<(EthereumHardfork, ForkCondition)> = None;
        let scheduled = ORDERED.iter().chain(&BLOB_FORKS).map(|fork| (*fork, self.get(*fork)));
        for (fork, condition) in scheduled.filter(|(_, at)| *at != ForkCondition::Never) {
            if let Some((earlier, at)) = previous
                && !in_order(at, condition, genesis_time)
            {
                let (now, before) = (describe_condition(condition), describe_condition(at));
                return Err((fork, format!("{fork} at {now} comes before {earlier} at {before}")));
            }
            previous = Some((fork, condition));
        }
        for fork in BLOB_FORKS {
            if self.0.contains_key(&fork) && !self.0.contains_key(&Osaka) {
                return Err((fork, format!("{fork} needs Osaka before it")));
            }
        }
        self.derive(genesis_time)
    }

    fn derive(&mut self, genesis_time: u64) -> Result<(), (EthereumHardfork, String)> {
        let mut later: Option<(EthereumHardfork, ForkCondition)> = None;
        for fork in ORDERED.into_iter().rev() {
            later = match (self.get(fork), later) {
                (ForkCondition::Never, None) => None,
                (ForkCondition::Never, Some((by, at))) => {
                    let derived = derived_condition(fork, by, at, genesis_time)?;
                    self.set(fork, derived);
                    Some((by, derived))
                }
                (given, _) => Some((fork, given)),
            };
        }
        Ok(())
    }
}

/// The activation of `fork` when only the later fork `by` is scheduled, at `at`.
fn derived_condition(
    fork: EthereumHardfork,
    by: EthereumHardfork,
    at: ForkCondition,
    genesis_time: u64,
) -> Result<ForkCondition, (EthereumHardfork, String)> {
    match at {
        ForkCondition::Timestamp(time) if fork < Shanghai => {
            if time <= genesis_time {
                Ok(ForkCondition::ZERO_BLOCK)
            } else if fork == Paris {
                // Paris alone has no header of its own on a BFT chain: it arrives with Shanghai.
                Ok(at)
            } else {
                // Whether the base fee exists could not be told from a block number.
                Err((by, format!("{by} by time needs {fork} scheduled by block")))
            }
        }
        condition => Ok(condition),
    }
}

/// True if a fork at `later` may follow one at `earlier`. A block and a time cannot be compared
/// unless the time has passed at genesis.
const fn in_order(earlier: ForkCondition, later: ForkCondition, genesis_time: u64) -> bool {
    match (earlier, later) {
        (ForkCondition::Block(earlier), ForkCondition::Block(later)) => earlier <= later,
        (ForkCondition::Timestamp(earlier), ForkCondition::Timestamp(later)) => earlier <= later,
        (ForkCondition::Block(block), ForkCondition::Timestamp(time)) => {
            block == 0 || time > genesis_time
        }
        _ => true,
    }
}

/// A fork condition in words, for people: `block 7`, `time 1767225600`, `never`.
pub fn describe_condition(condition: ForkCondition) -> String {
    match condition {
        ForkCondition::Block(block) => format!("block {block}"),
        ForkCondition::Timestamp(time) => format!("time {time}"),
        ForkCondition::TTD { activation_block_number, .. } => {
            format!("block {activation_block_number}")
        }
        ForkCondition::Never => "never".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use EthereumHardfork::{Dao, MuirGlacier};
    use ForkCondition::{Block, Timestamp};

    fn complete(
        forks: &[(EthereumHardfork, ForkCondition)],
    ) -> Result<Forks, (EthereumHardfork, String)> {
        let mut forks: Forks = forks.iter().copied().collect();
        forks.complete(100).map(|()| forks)
    }

    #[test]
    fn a_fork_brings_the_earlier_ones() {
        let forks = complete(&[(Istanbul, Block(7))]).unwrap();
        assert_eq!(forks.get(Homestead), Block(7));
        assert_eq!(forks.get(Petersburg), Block(7));
        assert_eq!(forks.get(Berlin), ForkCondition::Never);
        assert_eq!(forks.get(MuirGlacier), ForkCondition::Never);
        assert_eq!(forks.get(Dao), ForkCondition::Never);
    }

    #[test]
    fn a_fork_by_time_at_genesis_brings_those_by_block() {
        let forks = complete(&[(Prague, Timestamp(100))]).unwrap();
        assert_eq!(forks.get(Shanghai), Timestamp(100));
        assert_eq!(forks.get(Paris), Block(0));
        assert_eq!(forks.get(London), Block(0));
    }

    #[test]
    fn paris_comes_with_a_later_shanghai() {
        let forks = complete(&[(London, Block(0)), (Shanghai, Timestamp(500))]).unwrap();
        assert_eq!(forks.get(Paris), Timestamp(500));
        assert_eq!(complete(&[(Shanghai, Timestamp(500))]).unwrap_err().0, Shanghai);
    }

    #[test]
    fn wrong_order_is_refused() {
        for (forks, wrong) in [
            (vec![(Berlin, Block(9)), (London, Block(8))], London),
            (vec![(Shanghai, Timestamp(300)), (Cancun, Timestamp(200))], Cancun),
            (vec![(London, Block(5)), (Shanghai, Timestamp(100))], Shanghai),
            (vec![(Osaka, Timestamp(0)), (Amsterdam, Timestamp(0))], Amsterdam),
            (vec![(Prague, Timestamp(0)), (Bpo1, Timestamp(0))], Bpo1),
        ] {
            assert_eq!(complete(&forks).unwrap_err().0, wrong, "{forks:?}");
        }
    }

    #[test]
    fn activity_is_by_number_or_time() {
        let forks = complete(&[(London, Block(3)), (Shanghai, Timestamp(200))]).unwrap();
        assert!(!forks.is_active(London, 2, 199) && forks.is_active(London, 3, 0));
        assert!(!forks.is_active(Shanghai, 9, 199) && forks.is_active(Shanghai, 9, 200));
    }
}
