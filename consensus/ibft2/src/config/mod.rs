//! `config.ibft2` of a genesis file and the transitions that change it.
//!
//! The types here know nothing of JSON: a reader fills [`Ibft2Config`] and [`Transition`]s, and
//! [`Ibft2Schedule::new`] checks them. Everything else in this crate takes the checked schedule.

use core::time::Duration;

use alloy_primitives::{Address, U256};

mod schedule;

pub use schedule::{
    BlockParams, BlockPeriod, ForkPoints, Ibft2Schedule, Transition, TransitionKind,
};

/// Upper bound of `maxproposalbytes`: a proposal has to fit into one 16 MiB message.
pub const MAX_PROPOSAL_BYTES: u64 = 15 * 1024 * 1024;

/// Form in which Proposal and RoundChange messages are sent; both are always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BesuDialect {
    /// Without a trailing element, as Besu up to 25.12.
    V25,
    /// With a trailing block access list, as Besu from 26.1.
    #[default]
    V26,
}

/// All keys of `config.ibft2`, with their defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ibft2Config {
    /// `blockperiodseconds`: least distance of two header times, in seconds.
    pub block_period_seconds: u64,
    /// `requesttimeoutseconds`: length of round 0, in seconds.
    pub request_timeout_seconds: u64,
    /// `epochlength`: blocks after which votes are forgotten.
    pub epoch_length: u64,
    /// `blockreward`: wei credited per block.
    pub block_reward: U256,
    /// `miningbeneficiary`: receiver of reward and fees instead of the coinbase.
    pub mining_beneficiary: Option<Address>,
    /// `messagequeuelimit`: accepted, without effect.
    pub message_queue_limit: u64,
    /// `duplicatemessagelimit`: accepted, without effect.
    pub duplicate_message_limit: u64,
    /// `futuremessageslimit`: accepted, without effect.
    pub future_messages_limit: u64,
    /// `futuremessagesmaxdistance`: heights ahead of which messages are kept.
    pub future_messages_max_distance: u64,
    /// `gossipedhistorylimit`: accepted, without effect.
    pub gossiped_history_limit: u64,
    /// `xblockperiodmilliseconds`: if not 0, the block timer in milliseconds instead of
    /// `blockperiodseconds`.
    pub block_period_milliseconds: u64,
    /// `besuPeers`: Besu validators take part.
    pub besu_peers: bool,
    /// `besuDialect`: form of sent messages.
    pub besu_dialect: BesuDialect,
    /// `roundtimeoutcapseconds` if given; see [`Self::round_timeout_cap`].
    pub round_timeout_cap_seconds: Option<u64>,
    /// `chainBoundSignatures`: signatures and vanity name the chain.
    pub chain_bound_signatures: bool,
    /// `emptyblockperiodseconds`: how long an empty proposal waits, in seconds; 0 = not at all.
    pub empty_block_period_seconds: u64,
    /// `maxproposalbytes`: RLP bytes above which a fresh block is neither built nor prepared.
    pub max_proposal_bytes: u64,
    /// `dropvotessurviveuntil`: epoch blocks below this number keep DROP votes.
    pub drop_votes_survive_until: u64,
}

impl Default for Ibft2Config {
    fn default() -> Self {
        Self {
            block_period_seconds: 1,
            request_timeout_seconds: 1,
            epoch_length: 30_000,
            block_reward: U256::ZERO,
            mining_beneficiary: None,
            message_queue_limit: 1_000,
            duplicate_message_limit: 100,
            future_messages_limit: 1_000,
            future_messages_max_distance: 10,
            gossiped_history_limit: 1_000,
            block_period_milliseconds: 0,
            besu_peers: false,
            besu_dialect: BesuDialect::default(),
            round_timeout_cap_seconds: None,
            chain_bound_signatures: false,
            empty_block_period_seconds: 0,
            max_proposal_bytes: 8 * 1024 * 1024,
            drop_votes_survive_until: 0,
        }
    }
}

impl Ibft2Config {
    /// Checks what can be checked without transitions.
    ///
    /// # Errors
    /// [`ConfigError`] for a value out of its range or a combination that makes no sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        positive("blockperiodseconds", self.block_period_seconds)?;
        positive("requesttimeoutseconds", self.request_timeout_seconds)?;
        positive("epochlength", self.epoch_length)?;
        positive("maxproposalbytes", self.max_proposal_bytes)?;
        if self.max_proposal_bytes > MAX_PROPOSAL_BYTES {
            return Err(ConfigError::TooLarge {
                key: "maxproposalbytes",
                limit: MAX_PROPOSAL_BYTES,
                got: self.max_proposal_bytes,
            });
        }
        if let Some(cap) = self.round_timeout_cap_seconds
            && cap < self.request_timeout_seconds
        {
            return Err(ConfigError::CapBelowTimeout { cap, base: self.request_timeout_seconds });
        }
        if self.besu_peers && self.chain_bound_signatures {
            return Err(ConfigError::BesuPeers { key: "chainBoundSignatures" });
        }
        if self.besu_peers && self.round_timeout_cap_seconds.is_some() {
            return Err(ConfigError::BesuPeers { key: "roundtimeoutcapseconds" });
        }
        Ok(())
    }

    /// Length of round 0.
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }

    /// Longest round, or `None` where timers must not be capped because Besu validators take part.
    pub fn round_timeout_cap(&self) -> Option<Duration> {
        if self.besu_peers {
            return None;
        }
        let default = self.request_timeout_seconds.saturating_mul(5).max(10);
        Some(Duration::from_secs(self.round_timeout_cap_seconds.unwrap_or(default)))
    }

    /// Length of `round`, capped as configured.
    pub fn round_timeout(&self, round: u32) -> Duration {
        let timeout = crate::timeout::round_timeout(self.request_timeout(), round);
        self.round_timeout_cap().map_or(timeout, |cap| timeout.min(cap))
    }
}

const fn positive(key: &'static str, value: u64) -> Result<(), ConfigError> {
    if value == 0 { Err(ConfigError::Zero { key }) } else { Ok(()) }
}

/// Why an IBFT 2.0 configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value that must be positive is 0.
    #[error("{key} must be greater than 0")]
    Zero {
        /// The key.
        key: &'static str,
    },
    /// A value is above its limit.
    #[error("{key} is {got}, the limit is {limit}")]
    TooLarge {
        /// The key.
        key: &'static str,
        /// Its greatest value.
        limit: u64,
        /// The value found.
        got: u64,
    },
    /// The cap of round timers is below the first round's timer.
    #[error("roundtimeoutcapseconds is {cap}, below requesttimeoutseconds {base}")]
    CapBelowTimeout {
        /// The cap in seconds.
        cap: u64,
        /// The first round's timer in seconds.
        base: u64,
    },
    /// A key that Besu validators do not understand stands beside `besuPeers`.
    #[error("{key} cannot be combined with besuPeers")]
    BesuPeers {
        /// The key.
        key: &'static str,
    },
    /// Two transitions stand at one block.
    #[error("transitions.ibft2 has two entries for block {block}")]
    DuplicateTransition {
        /// The block.
        block: u64,
    },
    /// A transition sets no validators at all, which would stop the chain.
    #[error("transitions.ibft2 sets an empty list of validators at block {block}")]
    NoValidators {
        /// The block.
        block: u64,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert_eq!(Ibft2Config::default().validate(), Ok(()));
    }

    #[test]
    fn bad_values_are_refused() {
        let bad = |change: fn(&mut Ibft2Config)| {
            let mut config = Ibft2Config::default();
            change(&mut config);
            config.validate().unwrap_err()
        };
        assert!(matches!(bad(|c| c.block_period_seconds = 0), ConfigError::Zero { .. }));
        assert!(matches!(bad(|c| c.request_timeout_seconds = 0), ConfigError::Zero { .. }));
        assert!(matches!(bad(|c| c.epoch_length = 0), ConfigError::Zero { .. }));
        assert!(matches!(
            bad(|c| c.max_proposal_bytes = MAX_PROPOSAL_BYTES + 1),
            ConfigError::TooLarge { .. }
        ));
        assert!(matches!(
            bad(|c| (c.request_timeout_seconds, c.round_timeout_cap_seconds) = (5, Some(4))),
            ConfigError::CapBelowTimeout { cap: 4, base: 5 }
        ));
        assert_eq!(
            bad(|c| (c.besu_peers, c.chain_bound_signatures) = (true, true)),
            ConfigError::BesuPeers { key: "chainBoundSignatures" }
        );
        assert_eq!(
            bad(|c| (c.besu_peers, c.round_timeout_cap_seconds) = (true, Some(60))),
            ConfigError::BesuPeers { key: "roundtimeoutcapseconds" }
        );
    }

    #[test]
    fn timers_are_capped_unless_besu_takes_part() {
        let config = Ibft2Config { request_timeout_seconds: 4, ..Ibft2Config::default() };
        assert_eq!(config.round_timeout_cap(), Some(Duration::from_secs(20)));
        assert_eq!(config.round_timeout(9), Duration::from_secs(20));
        assert_eq!(Ibft2Config::default().round_timeout_cap(), Some(Duration::from_secs(10)));
        let besu = Ibft2Config { besu_peers: true, ..config };
        assert_eq!(besu.round_timeout(9), Duration::from_secs(4 << 9));
    }
}
