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
//! | [`proposer`], [`quorum`], [`timeout`] | who proposes, how many suffice, how long a round lasts |
//! | [`rules`] | validation of a header against its parent |

#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

pub mod extra_data;
pub mod hash;
pub mod header;
pub mod seal;

pub use extra_data::{ExtraData, ExtraDataError, Form, Vote, VoteType};
pub use hash::{BlockHash, SealDigest, block_hash, is_ibft2, seal_digest};
pub use header::IbftHeader;
pub use seal::{SEAL_LENGTH, Seal, SealError, recover_seals};
