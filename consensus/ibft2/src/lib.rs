//! IBFT 2.0 as a pure library: header hash, `extraData` codec, commit seals, configuration,
//! validator sets and votes, proposer selection, quorum sizes, round timers and header rules.
//!
//! The rules are those that Hyperledger Besu applies to IBFT 2.0 chains, so that its genesis files
//! and blocks are understood unchanged. Nothing here performs I/O or reads a clock; every function
//! is a pure function of its arguments.
//!
//! | module | rules |
//! |---|---|
//! | [`extra_data`] | the five elements of `extraData` and their three encodings |
//! | [`hash`] | block hash and seal digest of a header |
//! | [`header`] | [`IbftHeader`], the header type whose hash follows these rules |
//! | [`seal`] | commit seals and the recovery of their signers |
//! | [`sealing`] | from an unsealed header to a sealed one |
//! | [`config`] | `config.ibft2` and its transitions |
//! | [`validators`] | validator sets, vote counting, the walk over headers |
//! | [`votes`] | which vote the next own block carries |
//! | [`mod@proposer`], [`mod@quorum`], [`timeout`] | who proposes, how many suffice, how long a round lasts |
//! | [`gas_limit`], [`rules`] | validation of a header against its parent |
//! | [`core`] | the consensus core, a pure state machine |
//! | [`sign_state`] | what a validator has signed, and what it therefore must not sign |
//! | [`messages`], [`crypto`] | the four consensus messages, their codec and signatures |
//! | [`certificates`] | which messages and certificates are valid in a height |
//! | [`evidence`] | proof of equivocation |

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

pub mod certificates;
pub mod config;
pub mod core;
pub mod crypto;
pub mod evidence;
pub mod extra_data;
pub mod gas_limit;
pub mod hash;
pub mod header;
pub mod messages;
pub mod proposer;
pub mod quorum;
pub mod rules;
pub mod seal;
pub mod sealing;
pub mod sign_state;
pub mod timeout;
pub mod validators;
pub mod votes;

pub use certificates::{CertificateError, HeightContext};
pub use config::{
    BesuDialect, BlockParams, BlockPeriod, ConfigError, ForkPoints, Ibft2Config, Ibft2Schedule,
    Transition, TransitionKind,
};
pub use crypto::{Crypto, Secp256k1Crypto, Signature65};
pub use evidence::Equivocation;
pub use extra_data::{ExtraData, ExtraDataError, Form, Vote, VoteType};
pub use gas_limit::{FeeMarket, next_gas_limit};
pub use hash::{BlockHash, MIX_HASH, SealDigest, block_hash, is_ibft2, seal_digest};
pub use header::IbftHeader;
pub use messages::{
    Block, CommitPayload, DecodeError, DecodeLimits, Dialect, Message, MessageKind, Payload,
    PreparePayload, PreparedCertificate, Proposal, ProposalPayload, RoundChange,
    RoundChangePayload, RoundId, Signed, SignedPayload, SigningDomain,
};
pub use proposer::{proposer, sticky_proposer};
pub use quorum::{byzantine, prepare_quorum, quorum, vote_majority};
pub use rules::{HeaderContext, HeaderError, Mode, validate_header};
pub use seal::{SEAL_LENGTH, Seal, SealError, recover_seals};
pub use sealing::{
    digest_to_sign, prepare_header, seal_header, unsealed_extra_data, vanity, with_round,
};
pub use sign_state::{Mark, SignRecord};
pub use timeout::{capped_round_timeout, fresh_timestamp, round_timeout};
pub use validators::{
    BlockVote, HeaderSource, StateError, ValidatorSet, ValidatorState, ValidatorWalk, WalkError,
};

/// Whether this build contains the seeded bugs of the feature `mutants`. A node asserts that it does
/// not.
pub const MUTANTS: bool = cfg!(feature = "mutants");
