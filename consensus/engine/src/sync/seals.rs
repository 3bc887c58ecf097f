//! Seals that came after a block was final, from nodes that have them.

use super::Synced;
use crate::EngineError;
use peruri_ibft2::ExtraData;
use peruri_primitives::{Block, SealedHeader};

/// Whether a stored header lacks the seal of a validator. Nobody seals the genesis block.
///
/// # Errors
/// If its extra data cannot be read.
pub(super) fn may_come(stored: &SealedHeader) -> Result<bool, EngineError> {
    let number = stored.number;
    let extra = ExtraData::decode(&stored.extra_data)
        .map_err(|source| EngineError::ExtraData { number, source })?;
    Ok(number > 0 && extra.seals.len() < extra.validators.len())
}

/// The seals of `block` if it is the stored one; another block is not ours to judge. More seals than
/// validators are no honest node's, and none of them is looked at.
pub(super) fn of_stored(stored: &SealedHeader, block: &Block) -> Option<Synced> {
    if block.header.number != stored.number || block.header.hash_slow() != stored.hash() {
        return None;
    }
    // It has the hash of a header that was checked, so that this part of it can be read.
    let extra = ExtraData::decode(&block.header.extra_data).ok();
    let extra = extra.filter(|extra| extra.seals.len() <= extra.validators.len());
    let seals = extra.map(|extra| extra.seals).unwrap_or_default();
    Some(Synced::Seals { number: stored.number, seals })
}
