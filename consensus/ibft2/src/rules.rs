//! Validation of an IBFT 2.0 header against its parent.
//!
//! These rules replace those of Ethereum headers completely. They are checked in this order; the
//! first that fails is reported.
//!
//! | # | rule | condition | light |
//! |---|---|---|---|
//! | 1 | ancestry | `parentHash` is the parent's block hash, number is the parent's + 1 | yes |
//! | 2 | gas used | at most the gas limit | yes |
//! | 3 | gas limit | in its range, less than a 1024th from the parent's; no base fee before London | yes |
//! | 4 | future | time at most one second ahead of the local clock | yes |
//! | 5 | mix hash | the IBFT 2.0 constant | yes |
//! | 6 | ommers | none | yes |
//! | 7 | difficulty | 1 | yes |
//! | 8 | nonce | 0 | yes |
//! | 9 | validators | listed strictly ascending, exactly the set after the parent | yes |
//! | 10 | coinbase | member of that set | yes |
//! | 11 | commit seals | of a quorum of that set, no signer twice, no outsider | no |
//! | 12 | past | time at least the block period after the parent's | yes |
//!
//! Not checked, as sealed blocks of existing chains may have any: length of the vanity, value and
//! presence of the base fee from London on, blob fields, and whose turn it was.

use std::collections::BTreeSet;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_primitives::{Address, B64, B256, U256};
use reth_primitives_traits::SealedHeader;

use crate::{
    config::BlockPeriod,
    extra_data::{ExtraData, ExtraDataError},
    gas_limit::{FeeMarket, MAX_GAS_LIMIT, MIN_GAS_LIMIT, is_within_bound},
    hash::{MIX_HASH, seal_digest_with},
    header::IbftHeader,
    quorum::quorum,
    seal::SealError,
    validators::ValidatorSet,
};

/// How far ahead of the local clock a header time may be, in seconds.
pub const MAX_FUTURE_SECONDS: u64 = 1;

/// Difficulty of every IBFT 2.0 header.
pub const DIFFICULTY: U256 = U256::ONE;

/// Which rules apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All but the commit seals: a proposal, which has none yet.
    Light,
    /// All: a block from a peer, a file or a finished round.
    Full,
}

/// What the rules need besides the two headers.
#[derive(Debug, Clone, Copy)]
pub struct HeaderContext<'a> {
    /// The validators after the parent.
    pub validators: &'a ValidatorSet,
    /// The block period in force for this block.
    pub period: BlockPeriod,
    /// Local time in whole seconds since 1970, rounded down.
    pub now: u64,
    /// Whether the block has a base fee.
    pub fee_market: FeeMarket,
}

/// Checks `header` against its parent.
///
/// # Errors
/// The first rule that is broken.
pub fn validate_header(
    header: &Header,
    parent: &SealedHeader<IbftHeader>,
    ctx: &HeaderContext<'_>,
    mode: Mode,
) -> Result<(), HeaderError> {
    ancestry(header, parent)?;
    gas(header, parent.gas_limit, ctx.fee_market)?;
    future(header, ctx.now)?;
    constants(header)?;
    let extra = validators(header, ctx.validators)?;
    if mode == Mode::Full {
        commit_seals(header, &extra, ctx.validators)?;
    }
    past(header, parent.timestamp, ctx.period)
}

fn ancestry(header: &Header, parent: &SealedHeader<IbftHeader>) -> Result<(), HeaderError> {
    if header.parent_hash != parent.hash() {
        return Err(HeaderError::ParentHash { expected: parent.hash(), got: header.parent_hash });
    }
    if parent.number.checked_add(1) != Some(header.number) {
        return Err(HeaderError::Number { parent: parent.number, got: header.number });
    }
    Ok(())
}

const fn gas(header: &Header, parent: u64, fee_market: FeeMarket) -> Result<(), HeaderError> {
    let limit = header.gas_limit;
    if header.gas_used > limit {
        return Err(HeaderError::GasUsed { limit, got: header.gas_used });
    }
    if limit < MIN_GAS_LIMIT || limit > MAX_GAS_LIMIT {
        return Err(HeaderError::GasLimitRange { got: limit });
    }
    let parent = fee_market.parent_gas_limit(parent);
    if !is_within_bound(parent, limit) {
        return Err(HeaderError::GasLimitStep { parent, got: limit });
    }
    match (fee_market, header.base_fee_per_gas) {
        (FeeMarket::Inactive, Some(got)) => Err(HeaderError::BaseFeeBeforeLondon { got }),
        _ => Ok(()),
    }
}

const fn future(header: &Header, now: u64) -> Result<(), HeaderError> {
    let limit = now.saturating_add(MAX_FUTURE_SECONDS);
    if header.timestamp > limit {
        return Err(HeaderError::Future { limit, got: header.timestamp });
    }
    Ok(())
}

fn constants(header: &Header) -> Result<(), HeaderError> {
    if header.mix_hash != MIX_HASH {
        return Err(HeaderError::MixHash { got: header.mix_hash });
    }
    if header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
        return Err(HeaderError::OmmersHash { got: header.ommers_hash });
    }
    if header.difficulty != DIFFICULTY {
        return Err(HeaderError::Difficulty { got: header.difficulty });
    }
    if header.nonce != B64::ZERO {
        return Err(HeaderError::Nonce { got: header.nonce });
    }
    Ok(())
}

fn validators(header: &Header, expected: &ValidatorSet) -> Result<ExtraData, HeaderError> {
    let extra = ExtraData::decode(&header.extra_data)?;
    // A set is strictly ascending, so equality checks the order as well.
    if extra.validators != expected.as_slice() {
        return Err(HeaderError::Validators { expected: expected.to_vec(), got: extra.validators });
    }
    if !expected.contains(&header.beneficiary) {
        return Err(HeaderError::Coinbase { got: header.beneficiary });
    }
    Ok(extra)
}

fn commit_seals(
    header: &Header,
    extra: &ExtraData,
    validators: &ValidatorSet,
) -> Result<(), HeaderError> {
    let needed = quorum(validators.len());
    // More seals than members must repeat a signer or contain an outsider: do not recover them all.
    if extra.seals.len() > validators.len() {
        let (members, got) = (validators.len(), extra.seals.len());
        return Err(HeaderError::TooManySeals { members, got });
    }
    let digest = seal_digest_with(header, extra);
    let mut signers = BTreeSet::new();
    for seal in &extra.seals {
        let signer = seal.recover(digest)?;
        if !validators.contains(&signer) {
            return Err(HeaderError::SealOfOutsider { signer });
        }
        if !signers.insert(signer) {
            return Err(HeaderError::SealTwice { signer });
        }
    }
    if signers.len() < needed {
        return Err(HeaderError::TooFewSeals { needed, got: signers.len() });
    }
    Ok(())
}

const fn past(header: &Header, parent: u64, period: BlockPeriod) -> Result<(), HeaderError> {
    let distance = match period.min_seconds() {
        Some(seconds) => seconds,
        None => 0,
    };
    let earliest = parent.saturating_add(distance);
    if header.timestamp < earliest {
        return Err(HeaderError::Past { earliest, got: header.timestamp });
    }
    Ok(())
}

/// The rule of [`validate_header`] that a header breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Rule 1: the parent's hash is another one.
    #[error("parentHash is {got}, expected {expected}")]
    ParentHash {
        /// Block hash of the parent.
        expected: B256,
        /// `parentHash` of the header.
        got: B256,
    },
    /// Rule 1: the number does not follow the parent's.
    #[error("number is {got}, expected {parent} + 1")]
    Number {
        /// Number of the parent.
        parent: u64,
        /// Number of the header.
        got: u64,
    },
    /// Rule 2: more gas used than allowed.
    #[error("gasUsed is {got}, gasLimit is {limit}")]
    GasUsed {
        /// Gas limit of the header.
        limit: u64,
        /// Gas used.
        got: u64,
    },
    /// Rule 3: the gas limit is out of its range.
    #[error("gasLimit is {got}, expected {MIN_GAS_LIMIT} to {MAX_GAS_LIMIT}")]
    GasLimitRange {
        /// Gas limit of the header.
        got: u64,
    },
    /// Rule 3: the gas limit moved too far.
    #[error("gasLimit is {got}, which is not within a 1024th of {parent}")]
    GasLimitStep {
        /// Gas limit of the parent, doubled where London activates.
        parent: u64,
        /// Gas limit of the header.
        got: u64,
    },
    /// Rule 3: a base fee where there is no base-fee market.
    #[error("baseFeePerGas is {got} before London")]
    BaseFeeBeforeLondon {
        /// Base fee of the header.
        got: u64,
    },
    /// Rule 4: the block comes from the future.
    #[error("timestamp is {got}, expected at most {limit}")]
    Future {
        /// Latest acceptable time in seconds.
        limit: u64,
        /// Time of the header.
        got: u64,
    },
    /// Rule 5: another mix hash.
    #[error("mixHash is {got}, expected {MIX_HASH}")]
    MixHash {
        /// Mix hash of the header.
        got: B256,
    },
    /// Rule 6: ommers.
    #[error("ommersHash is {got}, expected that of an empty list")]
    OmmersHash {
        /// Ommers hash of the header.
        got: B256,
    },
    /// Rule 7: another difficulty.
    #[error("difficulty is {got}, expected {DIFFICULTY}")]
    Difficulty {
        /// Difficulty of the header.
        got: U256,
    },
    /// Rule 8: another nonce.
    #[error("nonce is {got}, expected 0")]
    Nonce {
        /// Nonce of the header.
        got: B64,
    },
    /// Rule 9: no IBFT 2.0 `extraData`.
    #[error(transparent)]
    ExtraData(#[from] ExtraDataError),
    /// Rule 9: other validators, or in another order.
    #[error("validators are {got:?}, expected {expected:?}")]
    Validators {
        /// The set after the parent.
        expected: Vec<Address>,
        /// The list in the header.
        got: Vec<Address>,
    },
    /// Rule 10: created by an outsider.
    #[error("coinbase {got} is no validator")]
    Coinbase {
        /// Coinbase of the header.
        got: Address,
    },
    /// Rule 11: a seal belongs to no public key.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// Rule 11: a seal of somebody who is no validator.
    #[error("commit seal of {signer}, who is no validator")]
    SealOfOutsider {
        /// The signer.
        signer: Address,
    },
    /// Rule 11: two seals of one validator.
    #[error("two commit seals of {signer}")]
    SealTwice {
        /// The signer.
        signer: Address,
    },
    /// Rule 11: more seals than validators.
    #[error("{got} commit seals of {members} validators")]
    TooManySeals {
        /// Number of validators.
        members: usize,
        /// Number of seals.
        got: usize,
    },
    /// Rule 11: less seals than a quorum.
    #[error("{got} commit seals, {needed} are needed")]
    TooFewSeals {
        /// The quorum.
        needed: usize,
        /// Number of seals.
        got: usize,
    },
    /// Rule 12: too close to the parent, or older.
    #[error("timestamp is {got}, expected at least {earliest}")]
    Past {
        /// Earliest acceptable time in seconds.
        earliest: u64,
        /// Time of the header.
        got: u64,
    },
}

impl HeaderError {
    /// Number of the broken rule in the table of [this module](self), 1 to 12.
    pub const fn rule(&self) -> u8 {
        match self {
            Self::ParentHash { .. } | Self::Number { .. } => 1,
            Self::GasUsed { .. } => 2,
            Self::GasLimitRange { .. }
            | Self::GasLimitStep { .. }
            | Self::BaseFeeBeforeLondon { .. } => 3,
            Self::Future { .. } => 4,
            Self::MixHash { .. } => 5,
            Self::OmmersHash { .. } => 6,
            Self::Difficulty { .. } => 7,
            Self::Nonce { .. } => 8,
            Self::ExtraData(_) | Self::Validators { .. } => 9,
            Self::Coinbase { .. } => 10,
            Self::Seal(_)
            | Self::SealOfOutsider { .. }
            | Self::SealTwice { .. }
            | Self::TooManySeals { .. }
            | Self::TooFewSeals { .. } => 11,
            Self::Past { .. } => 12,
        }
    }

    /// Whether the header may become valid as time passes. All other faults are final.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Future { .. })
    }
}
