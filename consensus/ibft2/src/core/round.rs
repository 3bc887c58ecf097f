//! The state of one round.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes};

use super::{checks::CheckKey, effect::PersistToken, input::RequestId};
use crate::{
    hash::{BlockHash, SealDigest},
    messages::{
        Block, MessageKind, PreparedCertificate, Proposal, ProposalPayload, RoundChangePayload,
        Signed,
    },
};

/// A proposal whose block has been found valid.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) author: Address,
    pub(super) proposal: Proposal,
    /// Block hash of its block, computed once.
    pub(super) hash: BlockHash,
}

impl Accepted {
    pub(super) const fn digest(&self) -> SealDigest {
        self.proposal.signed.payload.digest
    }

    pub(super) const fn block(&self) -> &Arc<Block> {
        &self.proposal.block
    }
}

/// A proposal whose block is still to be checked.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) author: Address,
    pub(super) proposal: Proposal,
    pub(super) key: CheckKey,
    /// No certificate forces its block.
    pub(super) fresh: bool,
    /// Delivered by its author.
    pub(super) direct: bool,
}

/// The own highest prepared certificate with its block, in whose `extraData` stands the round of the
/// certificate.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) certificate: Arc<PreparedCertificate>,
    pub(super) block: Arc<Block>,
    /// Block hash of the block, computed once.
    pub(super) hash: BlockHash,
}

/// How far the own proposal is.
#[derive(Debug, Clone, Default)]
pub(super) enum Proposing {
    /// Nothing is under way.
    #[default]
    Idle,
    /// A fresh block is being built.
    Building { request: RequestId, round_changes: Option<Vec<Signed<RoundChangePayload>>> },
    /// A block is there and waits for the signature.
    Ready { block: Arc<Block>, round_changes: Option<Vec<Signed<RoundChangePayload>>> },
    /// Signed.
    Done,
}

/// The state of one round. What others have said is in the inbox of the height.
#[derive(Debug, Clone, Default)]
pub(super) struct Round {
    pub(super) number: u32,
    /// The first proposal with the proposer's signature.
    pub(super) seen: Option<Signed<ProposalPayload>>,
    /// Copies of it that differ in the body, which no signature covers directly.
    pub(super) candidates: Vec<Candidate>,
    pub(super) accepted: Option<Accepted>,
    pub(super) prepared: bool,
    /// When the round timer was set to run out.
    pub(super) timer: Option<u64>,
    /// A valid proposal of this round, or a quorum that reached it, is known.
    pub(super) justified: bool,
    /// The own RoundChange to this round is to be signed.
    pub(super) wants_round_change: bool,
    pub(super) proposing: Proposing,
    /// The block timer was set, and has run out.
    pub(super) block_timer: Timer,
    /// The empty-block timer was set, and has run out.
    pub(super) empty_timer: Timer,
    /// The own messages of this round as they are sent, by kind.
    pub(super) own: Vec<(MessageKind, Bytes)>,
    /// The record with the own Commit.
    pub(super) own_commit: Option<PersistToken>,
    pub(super) commit_sent: bool,
}

/// A timer that runs out once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Timer {
    #[default]
    Unset,
    Set,
    Over,
}

impl Round {
    pub(super) fn new(number: u32) -> Self {
        Self { number, ..Self::default() }
    }

    /// The own message of this kind as it is sent.
    pub(super) fn own(&self, kind: MessageKind) -> Option<&Bytes> {
        self.own.iter().find(|(own, _)| *own == kind).map(|(_, bytes)| bytes)
    }
}
