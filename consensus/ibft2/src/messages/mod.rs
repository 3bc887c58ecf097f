//! The four consensus messages, their payloads and certificates.
//!
//! | code | message | payload | carries besides |
//! |---|---|---|---|
//! | 0 | [`Proposal`] | [`ProposalPayload`] | the block; from round 1 on the RoundChanges that allow it |
//! | 1 | Prepare | [`PreparePayload`] | |
//! | 2 | Commit | [`CommitPayload`] | |
//! | 3 | [`RoundChange`] | [`RoundChangePayload`] | the block of its certificate, if it has one |
//!
//! Heights take 8 bytes and rounds 4 bytes in RLP, leading zeros included. A signature covers the
//! code and the payload ([`SigningDomain`]); the author is the recovered address. Blocks ride on
//! the outer message, never in a payload or certificate.
//!
//! Decoding is strict and bounded: what decodes encodes to the same bytes in the dialect in which
//! it came, lists are counted against [`DecodeLimits`] before anything is allocated for them, and
//! heap memory stays below twice the input. Whether authors are validators and certificates hold is
//! the matter of [`crate::certificates`].

mod block;
mod certificate;
mod devp2p;
mod error;
mod payload;
mod rlp;
mod signed;
mod signed_payload;
mod wire;

pub use block::Block;
pub use certificate::PreparedCertificate;
pub use devp2p::first_codes;
pub use error::DecodeError;
pub use payload::{
    CommitPayload, MessageKind, Payload, PreparePayload, ProposalPayload, RoundChangePayload,
    RoundId,
};
pub use signed::{Signed, SigningDomain};
pub use signed_payload::SignedPayload;
pub use wire::{DecodeLimits, Dialect, Message, Proposal, RoundChange};
