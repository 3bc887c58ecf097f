//! The gas limit of a block, relative to that of its parent.

/// Lowest gas limit of a block.
pub const MIN_GAS_LIMIT: u64 = 5_000;

/// Highest gas limit of a block: `2^63 - 1`.
pub const MAX_GAS_LIMIT: u64 = u64::MAX >> 1;

/// A block's gas limit differs from its parent's by less than the parent's divided by this.
const BOUND_DIVISOR: u64 = 1_024;

/// Where a block stands relative to the activation of the base-fee market (London, EIP-1559).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeMarket {
    /// Not active: headers carry no base fee.
    Inactive,
    /// This block activates it. The parent's gas limit counts twice (EIP-1559's elasticity).
    Activating,
    /// Active since an earlier block or since genesis.
    Active,
}

impl FeeMarket {
    /// From whether London is active at the parent and at the block itself.
    pub const fn from_activity(at_parent: bool, at_block: bool) -> Self {
        match (at_parent, at_block) {
            (_, false) => Self::Inactive,
            (false, true) => Self::Activating,
            (true, true) => Self::Active,
        }
    }

    /// The parent's gas limit as the rules of this block see it.
    pub const fn parent_gas_limit(self, parent: u64) -> u64 {
        match self {
            Self::Activating => parent.saturating_mul(2),
            Self::Inactive | Self::Active => parent,
        }
    }
}

/// Whether the step from the parent's limit (already doubled where London activates) to `limit` is
/// small enough: strictly less than `floor(parent / 1024)`.
pub const fn is_within_bound(parent: u64, limit: u64) -> bool {
    parent.abs_diff(limit) < parent / BOUND_DIVISOR
}

/// The gas limit a creator writes: the parent's, moved towards `target` by at most
/// `floor(parent / 1024) - 1`, and doubled where London activates.
pub fn next_gas_limit(parent: u64, target: Option<u64>, fee_market: FeeMarket) -> u64 {
    let step = (parent / BOUND_DIVISOR).saturating_sub(1);
    let target = target.unwrap_or(parent);
    let limit = target.clamp(parent.saturating_sub(step), parent.saturating_add(step));
    // A target must not push the limit out of the range; a limit already outside stays put.
    let limit = if (MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&limit) { limit } else { parent };
    fee_market.parent_gas_limit(limit).min(MAX_GAS_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn created_limits_are_valid(
            parent in MIN_GAS_LIMIT..=(MAX_GAS_LIMIT / 2),
            target in proptest::option::of(any::<u64>()),
        ) {
            for market in [FeeMarket::Inactive, FeeMarket::Activating, FeeMarket::Active] {
                let limit = next_gas_limit(parent, target, market);
                prop_assert!((MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&limit));
                prop_assert!(is_within_bound(market.parent_gas_limit(parent), limit));
            }
        }
    }

    #[test]
    fn without_target_the_limit_stays() {
        assert_eq!(next_gas_limit(10_000_000, None, FeeMarket::Active), 10_000_000);
        assert_eq!(next_gas_limit(10_000_000, None, FeeMarket::Activating), 20_000_000);
    }

    #[test]
    fn target_moves_the_limit_by_less_than_a_1024th() {
        let parent = 1_024_000;
        assert_eq!(next_gas_limit(parent, Some(u64::MAX), FeeMarket::Inactive), parent + 999);
        assert_eq!(next_gas_limit(parent, Some(0), FeeMarket::Inactive), parent - 999);
        assert_eq!(next_gas_limit(parent, Some(parent + 5), FeeMarket::Inactive), parent + 5);
        assert!(is_within_bound(parent, parent + 999));
        assert!(!is_within_bound(parent, parent + 1_000));
    }

    #[test]
    fn market_follows_from_activity() {
        assert_eq!(FeeMarket::from_activity(false, false), FeeMarket::Inactive);
        assert_eq!(FeeMarket::from_activity(false, true), FeeMarket::Activating);
        assert_eq!(FeeMarket::from_activity(true, true), FeeMarket::Active);
    }
}
