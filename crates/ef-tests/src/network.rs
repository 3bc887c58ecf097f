//! Names of networks in the tests, and the fork schedules they stand for.

use alloy_hardforks::{EthereumHardfork, ForkCondition};
use alloy_primitives::U256;
use peruri_chainspec::Forks;

use EthereumHardfork::{
    ArrowGlacier, Berlin, Bpo1, Bpo2, Bpo3, Bpo4, Bpo5, Byzantium, Cancun, Constantinople, Dao,
    GrayGlacier, Homestead, Istanbul, London, MuirGlacier, Osaka, Paris, Petersburg, Prague,
    Shanghai, SpuriousDragon, Tangerine,
};

/// Names of one step of Ethereum's history, and the forks it brings.
type Step = (&'static [&'static str], &'static [EthereumHardfork]);

/// Ethereum's history as the tests name it.
const HISTORY: [Step; 22] = [
    (&["Frontier"], &[]),
    (&["Homestead"], &[Homestead]),
    (&["EIP150", "TangerineWhistle"], &[Tangerine]),
    (&["EIP158", "SpuriousDragon"], &[SpuriousDragon]),
    (&["Byzantium"], &[Byzantium]),
    (&["ConstantinopleFix", "Petersburg"], &[Constantinople, Petersburg]),
    (&["Istanbul"], &[Istanbul]),
    (&["MuirGlacier"], &[MuirGlacier]),
    (&["Berlin"], &[Berlin]),
    (&["London"], &[London]),
    (&["ArrowGlacier"], &[ArrowGlacier]),
    (&["GrayGlacier"], &[GrayGlacier]),
    (&["Paris", "Merge"], &[Paris]),
    (&["Shanghai"], &[Shanghai]),
    (&["Cancun"], &[Cancun]),
    (&["Prague"], &[Prague]),
    (&["Osaka"], &[Osaka]),
    (&["BPO1"], &[Bpo1]),
    (&["BPO2"], &[Bpo2]),
    (&["BPO3"], &[Bpo3]),
    (&["BPO4"], &[Bpo4]),
    (&["BPO5"], &[Bpo5]),
];

/// A fork schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Network {
    /// Forks by block or time.
    pub(crate) forks: Forks,
    /// Total difficulty from which on blocks are merged, where the test goes by it. `forks` is then
    /// the schedule of a block before the merge.
    pub(crate) terminal_total_difficulty: Option<U256>,
}

/// Why a network cannot be tested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NetworkError {
    /// EIP-1283 was withdrawn before mainnet saw it.
    #[error("Constantinople without its fix (EIP-1283) is not implemented by the EVM")]
    Constantinople,
    /// Not in the table.
    #[error("network {0:?} is not known")]
    Unknown(String),
}

impl Network {
    /// The schedule of a network's name: a fork, or `AToBAtN`, `AToBAtTimeNk`, `AToBAtDiffX`.
    ///
    /// # Errors
    /// [`NetworkError`] if there is no such schedule here.
    pub(crate) fn parse(name: &str) -> Result<Self, NetworkError> {
        let unknown = || NetworkError::Unknown(name.to_owned());
        let Some((path, point)) = name.split_once("At").filter(|(path, _)| path.contains("To"))
        else {
            return Ok(Self {
                forks: schedule(0..=step(name)?, None),
                terminal_total_difficulty: None,
            });
        };
        let (from, to) = path.split_once("To").ok_or_else(unknown)?;
        let point = Point::parse(point).ok_or_else(unknown)?;
        let from = step(from)?;
        if to == "Dao" {
            let Point::Block(block) = point else { return Err(unknown()) };
            let mut forks = schedule(0..=from, None);
            forks.set(Dao, ForkCondition::Block(block));
            return Ok(Self { forks, terminal_total_difficulty: None });
        }
        let to = step(to)?;
        let mut forks = schedule(0..=from, None);
        let mut terminal_total_difficulty = None;
        let condition = match point {
            Point::Block(block) => ForkCondition::Block(block),
            Point::Time(time) => ForkCondition::Timestamp(time),
            Point::Difficulty(difficulty) => {
                terminal_total_difficulty = Some(difficulty);
                ForkCondition::Never
            }
        };
        for (fork, at) in schedule(from + 1..=to, Some(condition)).iter() {
            // Every schedule begins with Frontier.
            if fork != EthereumHardfork::Frontier {
                forks.set(fork, at);
            }
        }
        Ok(Self { forks, terminal_total_difficulty })
    }
}

/// Where a network goes from one fork to the next.
enum Point {
    Block(u64),
    Time(u64),
    Difficulty(U256),
}

impl Point {
    fn parse(text: &str) -> Option<Self> {
        if let Some(difficulty) = text.strip_prefix("Diff") {
            return U256::from_str_radix(difficulty, 16).ok().map(Self::Difficulty);
        }
        if let Some(time) = text.strip_prefix("Time") {
            let (digits, unit) = match time.strip_suffix('k') {
                Some(thousands) => (thousands, 1000),
                None => (time, 1),
            };
            return digits.parse::<u64>().ok()?.checked_mul(unit).map(Self::Time);
        }
        text.parse().ok().map(Self::Block)
    }
}

fn step(name: &str) -> Result<usize, NetworkError> {
    if name == "Constantinople" {
        return Err(NetworkError::Constantinople);
    }
    HISTORY
        .iter()
        .position(|(names, _)| names.contains(&name))
        .ok_or_else(|| NetworkError::Unknown(name.to_owned()))
}

/// The forks of these steps: from genesis on, or at one condition.
fn schedule(steps: std::ops::RangeInclusive<usize>, at: Option<ForkCondition>) -> Forks {
    let forks = HISTORY.get(steps).unwrap_or_default().iter().flat_map(|(_, forks)| *forks);
    forks.map(|fork| (*fork, at.unwrap_or_else(|| from_genesis(*fork)))).collect()
}

fn from_genesis(fork: EthereumHardfork) -> ForkCondition {
    if fork >= Shanghai { ForkCondition::ZERO_TIMESTAMP } else { ForkCondition::ZERO_BLOCK }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Network {
        Network::parse(name).expect(name)
    }

    #[test]
    fn forks_bring_everything_before_them() {
        let forks = parse("Cancun").forks;
        assert_eq!(forks.get(Cancun), ForkCondition::Timestamp(0));
        assert_eq!(forks.get(Paris), ForkCondition::Block(0));
        assert_eq!(forks.get(Homestead), ForkCondition::Block(0));
        assert_eq!(forks.get(Prague), ForkCondition::Never);
        assert_eq!(forks.get(Dao), ForkCondition::Never);
    }

    #[test]
    fn frontier_is_without_forks() {
        assert_eq!(parse("Frontier").forks, Forks::default());
    }

    #[test]
    fn transitions_by_block() {
        let forks = parse("ByzantiumToConstantinopleFixAt5").forks;
        assert_eq!(forks.get(Byzantium), ForkCondition::Block(0));
        assert_eq!(forks.get(Petersburg), ForkCondition::Block(5));
        assert_eq!(forks.get(Constantinople), ForkCondition::Block(5));
        assert_eq!(forks.get(Istanbul), ForkCondition::Never);
        let forks = parse("HomesteadToDaoAt5").forks;
        assert_eq!(forks.get(Dao), ForkCondition::Block(5));
        assert_eq!(forks.get(Tangerine), ForkCondition::Never);
        assert_eq!(parse("BerlinToLondonAt5").forks.get(London), ForkCondition::Block(5));
    }

    #[test]
    fn transitions_by_time() {
        let forks = parse("ParisToShanghaiAtTime15k").forks;
        assert_eq!(forks.get(Paris), ForkCondition::Block(0));
        assert_eq!(forks.get(Shanghai), ForkCondition::Timestamp(15_000));
        let forks = parse("BPO1ToBPO2AtTime15k").forks;
        assert_eq!(forks.get(Bpo1), ForkCondition::Timestamp(0));
        assert_eq!(forks.get(Bpo2), ForkCondition::Timestamp(15_000));
    }

    #[test]
    fn transitions_by_difficulty() {
        let network = parse("ArrowGlacierToParisAtDiffC0000");
        assert_eq!(network.terminal_total_difficulty, Some(U256::from(0xc0000)));
        assert_eq!(network.forks.get(Paris), ForkCondition::Never);
        assert_eq!(network.forks.get(ArrowGlacier), ForkCondition::Block(0));
    }

    #[test]
    fn unknown_networks_are_named() {
        assert_eq!(Network::parse("Constantinople"), Err(NetworkError::Constantinople));
        assert_eq!(
            Network::parse("ByzantiumToConstantinopleAt5"),
            Err(NetworkError::Constantinople)
        );
        for name in ["", "Atlantis", "LondonToAtlantisAt5", "BerlinToLondonAtNoon"] {
            assert!(matches!(Network::parse(name), Err(NetworkError::Unknown(_))), "{name}");
        }
    }
}
