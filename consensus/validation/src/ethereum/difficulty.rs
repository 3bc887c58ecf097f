//! The difficulty of a proof-of-work block.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header as EthHeader};
use alloy_hardforks::{EthereumHardfork, EthereumHardforks};
use alloy_primitives::U256;

/// Smallest difficulty (Yellow Paper, D0).
const MINIMUM: u64 = 131_072;

/// A block's step of difficulty is its parent's divided by this.
const BOUND_DIVISOR: u64 = 2048;

/// The bomb doubles every so many blocks.
const BOMB_PERIOD: u64 = 100_000;

/// The difficulty that a block on top of `parent` must have, by its fork: Frontier, Homestead (EIP-2)
/// or Byzantium (EIP-100) with the bomb's delays (EIP-649, 1234, 2384, 3554, 4345, 5133).
///
/// The timestamp is in seconds and must be later than the parent's.
pub fn difficulty(forks: &impl EthereumHardforks, timestamp: u64, parent: &EthHeader) -> U256 {
    let number = parent.number.saturating_add(1);
    let elapsed = timestamp.saturating_sub(parent.timestamp);
    let active = |fork| forks.is_ethereum_fork_active_at_block(fork, number);
    if active(EthereumHardfork::Byzantium) {
        let ommers = if parent.ommers_hash == EMPTY_OMMER_ROOT_HASH { 1 } else { 2 };
        let adjusted = adjust(parent.difficulty, ommers, elapsed / 9);
        let fake_number = number.saturating_sub(bomb_delay(forks, number));
        with_bomb(adjusted, fake_number)
    } else if active(EthereumHardfork::Homestead) {
        with_bomb(adjust(parent.difficulty, 1, elapsed / 10), number)
    } else {
        let step = parent.difficulty / U256::from(BOUND_DIVISOR);
        let adjusted = if elapsed < 13 {
            parent.difficulty.saturating_add(step)
        } else {
            parent.difficulty.saturating_sub(step)
        };
        with_bomb(adjusted.max(U256::from(MINIMUM)), number).max(U256::from(MINIMUM))
    }
}

/// `parent + parent / 2048 × max(up - down, -99)`, at least the minimum.
fn adjust(parent: U256, up: u64, down: u64) -> U256 {
    let step = parent / U256::from(BOUND_DIVISOR);
    let adjusted = if up >= down {
        parent.saturating_add(step.saturating_mul(U256::from(up - down)))
    } else {
        parent.saturating_sub(step.saturating_mul(U256::from((down - up).min(99))))
    };
    adjusted.max(U256::from(MINIMUM))
}

/// Adds `2^(number / 100000 - 2)`.
fn with_bomb(difficulty: U256, number: u64) -> U256 {
    match (number / BOMB_PERIOD).checked_sub(2) {
        Some(exponent) => {
            let bomb = U256::from(1).checked_shl(usize::try_from(exponent).unwrap_or(usize::MAX));
            difficulty.saturating_add(bomb.unwrap_or(U256::MAX))
        }
        None => difficulty,
    }
}

/// By how many blocks the bomb of block `number` is delayed.
fn bomb_delay(forks: &impl EthereumHardforks, number: u64) -> u64 {
    const DELAYS: [(EthereumHardfork, u64); 6] = [
        (EthereumHardfork::GrayGlacier, 11_400_000),
        (EthereumHardfork::ArrowGlacier, 10_700_000),
        (EthereumHardfork::London, 9_700_000),
        (EthereumHardfork::MuirGlacier, 9_000_000),
        (EthereumHardfork::Constantinople, 5_000_000),
        (EthereumHardfork::Byzantium, 3_000_000),
    ];
    let active = |fork| forks.is_ethereum_fork_active_at_block(fork, number);
    DELAYS.into_iter().find(|(fork, _)| active(*fork)).map_or(0, |(_, delay)| delay)
}

#[cfg(test)]
mod tests {
    use alloy_hardforks::EthereumChainHardforks;
    use alloy_primitives::b256;

    use super::*;

    fn parent(number: u64, difficulty: u64, timestamp: u64) -> EthHeader {
        EthHeader { number, difficulty: U256::from(difficulty), timestamp, ..EthHeader::default() }
    }

    /// Difficulties of Ethereum mainnet blocks.
    #[test]
    fn mainnet_blocks() {
        let mainnet = EthereumChainHardforks::mainnet();
        // Block 1: parent is the genesis (time 0, difficulty 17179869184), mined at 1438269988.
        let got = difficulty(&mainnet, 1_438_269_988, &parent(0, 17_179_869_184, 0));
        assert_eq!(got, U256::from(17_171_480_576u64));
        // Block 2, 28 seconds... mined at 1438270017.
        let got = difficulty(&mainnet, 1_438_270_017, &parent(1, 17_171_480_576, 1_438_269_988));
        assert_eq!(got, U256::from(17_163_096_064u64));
        // Block 3, mined at 1438270048.
        let got = difficulty(&mainnet, 1_438_270_048, &parent(2, 17_163_096_064, 1_438_270_017));
        assert_eq!(got, U256::from(17_154_715_646u64));
    }

    #[test]
    fn homestead_moves_by_ten_seconds_and_at_most_99_steps() {
        let forks = EthereumChainHardforks::mainnet();
        let parent = parent(1_150_000, 2_048_000_000, 1000);
        let bomb = U256::from(1u64 << 9);
        let base = U256::from(2_048_000_000u64);
        let step = U256::from(1_000_000u64);
        assert_eq!(difficulty(&forks, 1009, &parent), base + step + bomb);
        assert_eq!(difficulty(&forks, 1010, &parent), base + bomb);
        assert_eq!(difficulty(&forks, 1025, &parent), base - step + bomb);
        assert_eq!(difficulty(&forks, 9_999, &parent), base - step * U256::from(99) + bomb);
    }

    #[test]
    fn byzantium_counts_the_parents_ommers_and_delays_the_bomb() {
        let forks = EthereumChainHardforks::mainnet();
        let mut parent = parent(4_370_000, 2_048_000_000, 1000);
        let bomb = U256::from(1u64 << 11);
        let alone = difficulty(&forks, 1009, &parent);
        assert_eq!(alone, U256::from(2_048_000_000u64) + bomb);
        parent.ommers_hash =
            b256!("00000000000000000000000000000000000000000000000000000000000000ff");
        let with_ommers = difficulty(&forks, 1009, &parent);
        assert_eq!(with_ommers - alone, U256::from(1_000_000u64));
    }

    #[test]
    fn the_minimum_holds() {
        let forks = EthereumChainHardforks::mainnet();
        for number in [0, 1_150_000, 12_965_000] {
            let got = difficulty(&forks, 1_000_000, &parent(number, MINIMUM, 0));
            assert!(got >= U256::from(MINIMUM));
        }
    }
}
