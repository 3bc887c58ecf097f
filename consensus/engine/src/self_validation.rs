//! The check of a block of our own before it is sealed.

use crate::{SelfValidation, clock};
use alloy_hardforks::EthereumHardfork;
use peruri_chainspec::ChainSpec;
use peruri_ibft2::{
    Ibft2Schedule, ValidatorSet,
    gas_limit::FeeMarket,
    rules::{HeaderContext, Mode, validate_header},
};
use peruri_primitives::SealedHeader;
use peruri_storage::ExecutedBlock;
use peruri_validation::FullConsensus;
use std::sync::Arc;

/// Whether the base-fee market is active for the block after `parent` with this timestamp (seconds).
/// The question is the one that validation asks, so that both agree where forks activate by time.
pub(crate) fn fee_market(
    chain_spec: &ChainSpec,
    parent: &SealedHeader,
    timestamp: u64,
) -> FeeMarket {
    let london =
        |number, timestamp| chain_spec.is_fork_active(EthereumHardfork::London, number, timestamp);
    FeeMarket::from_activity(
        london(parent.number, parent.timestamp),
        london(parent.number.saturating_add(1), timestamp),
    )
}

/// The rules another validator applies to a proposal, except execution, which builder and validator
/// share: header rules without seals, and the body against the header.
pub fn self_validation(
    chain_spec: Arc<ChainSpec>,
    schedule: Arc<Ibft2Schedule>,
    consensus: Arc<dyn FullConsensus>,
) -> SelfValidation {
    Box::new(move |parent: &SealedHeader, validators: &ValidatorSet, block: &ExecutedBlock| {
        let header = block.recovered_block.header();
        let context = HeaderContext {
            validators,
            period: schedule.params(header.number, header.timestamp).period,
            // Our own clock may have been set back since the parent: the time of a lone validator's
            // header follows the parent's then, and is nobody else's future.
            now: (clock::unix_millis() / 1_000).max(header.timestamp),
            fee_market: fee_market(&chain_spec, parent, header.timestamp),
        };
        validate_header(header, parent, &context, Mode::Light)
            .map_err(|error| error.to_string())?;
        consensus
            .validate_block_pre_execution(block.recovered_block.sealed_block())
            .map_err(|error| error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::Header;
    use alloy_hardforks::ForkCondition;
    use peruri_chainspec::ChainSpecBuilder;

    fn spec(london: ForkCondition) -> ChainSpec {
        let forks = [
            (EthereumHardfork::Berlin, ForkCondition::ZERO_BLOCK),
            (EthereumHardfork::London, london),
        ]
        .into_iter()
        .collect();
        ChainSpecBuilder { chain_id: 1, forks, ..Default::default() }.build().expect("in order")
    }

    fn parent(number: u64, timestamp: u64) -> SealedHeader {
        SealedHeader::seal_slow(Header { number, timestamp, ..Default::default() }.into())
    }

    #[test]
    fn the_fee_market_activates_by_time() {
        let spec = spec(ForkCondition::Timestamp(100));
        assert_eq!(fee_market(&spec, &parent(5, 90), 99), FeeMarket::Inactive);
        assert_eq!(fee_market(&spec, &parent(5, 90), 100), FeeMarket::Activating);
        assert_eq!(fee_market(&spec, &parent(6, 100), 101), FeeMarket::Active);
    }

    #[test]
    fn the_fee_market_activates_by_number() {
        let spec = spec(ForkCondition::Block(7));
        assert_eq!(fee_market(&spec, &parent(5, 0), 1), FeeMarket::Inactive);
        assert_eq!(fee_market(&spec, &parent(6, 0), 1), FeeMarket::Activating);
        assert_eq!(fee_market(&spec, &parent(7, 0), 1), FeeMarket::Active);
    }
}
