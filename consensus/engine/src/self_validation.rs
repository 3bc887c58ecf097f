//! The check of a block of our own before it is sealed.

use crate::{SelfValidation, clock};
use alloy_hardforks::EthereumHardforks;
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

/// Whether the base-fee market is active for the block after `parent`.
pub(crate) fn fee_market(chain_spec: &ChainSpec, parent: &SealedHeader) -> FeeMarket {
    FeeMarket::from_activity(
        chain_spec.is_london_active_at_block(parent.number),
        chain_spec.is_london_active_at_block(parent.number.saturating_add(1)),
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
            fee_market: fee_market(&chain_spec, parent),
        };
        validate_header(header, parent, &context, Mode::Light)
            .map_err(|error| error.to_string())?;
        consensus
            .validate_block_pre_execution(block.recovered_block.sealed_block())
            .map_err(|error| error.to_string())
    })
}
