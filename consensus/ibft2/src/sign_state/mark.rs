//! The highest thing that somebody has seen a validator sign.

use alloy_primitives::Address;

use crate::{
    crypto::Crypto,
    messages::{MessageKind, RoundId, SignedPayload, SigningDomain},
};

/// A signed message of a validator, kept by others to warn it should it forget it.
///
/// Marks are ordered by height, round and kind: RoundChange, then Proposal and Prepare, then
/// Commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(SignedPayload);

impl Mark {
    /// The mark that `message` sets.
    pub const fn new(message: SignedPayload) -> Self {
        Self(message)
    }

    /// The signed message.
    pub const fn message(&self) -> &SignedPayload {
        &self.0
    }

    /// Height and round.
    pub fn id(&self) -> RoundId {
        self.0.id()
    }

    /// What marks are ordered by.
    pub fn position(&self) -> (RoundId, u8) {
        position(&self.0)
    }

    /// Whether `validator` signed the message, so that the mark counts at all.
    pub fn is_signed_by(
        &self,
        validator: Address,
        crypto: &impl Crypto,
        domain: &SigningDomain,
    ) -> bool {
        self.0.author(crypto, domain) == Some(validator)
    }
}

/// Height, round and rank of the kind.
fn position(message: &SignedPayload) -> (RoundId, u8) {
    rank(message.id(), message.kind())
}

/// What a message of this kind is ordered by.
pub(super) const fn rank(id: RoundId, kind: MessageKind) -> (RoundId, u8) {
    let rank = match kind {
        MessageKind::RoundChange => 0,
        MessageKind::Proposal | MessageKind::Prepare => 1,
        MessageKind::Commit => 2,
    };
    (id, rank)
}
