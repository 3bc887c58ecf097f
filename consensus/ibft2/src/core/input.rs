//! What the driver tells the core.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes};

use super::effect::PersistToken;
use crate::{
    crypto::Signature65,
    messages::{Block, RoundId},
    seal::Seal,
    sign_state::Mark,
};

/// The two clocks of the driver at the moment of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds of a clock that never goes back. All timers run on it.
    pub mono_ms: u64,
    /// Milliseconds since 1970 of the wall clock. It only serves to find out how long it is until
    /// the time of a header; setting it back delays that by at most twice the awaited length.
    pub unix_ms: u64,
}

/// A connection to another node, live or not. The driver never uses a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// Joins an effect that asks for something with the input that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a timer. Setting a timer that is set already moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerId {
    /// The block period is over: the proposer of this round may propose.
    Block(RoundId),
    /// The empty-block period is over: the proposer of this round proposes even an empty block.
    EmptyBlock(RoundId),
    /// The round has lasted long enough.
    Round(RoundId),
    /// Once per `requesttimeoutseconds`: own messages are sent again.
    Resend,
    /// The time in which other validators can tell what they have seen this one sign is over.
    Witness,
}

/// The driver's opinion on a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Light header rules and execution passed.
    Valid,
    /// It may be valid later: its time is too far ahead of the local clock.
    NotYet,
    /// Broken for good.
    Invalid,
}

/// What an operator wishes for a member of the validator set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It should become one; `force` also when too few members would be live afterwards.
    Add {
        /// Cast the vote even if the new set has no live quorum.
        force: bool,
    },
    /// It should stop being one; `force` also when too few members would be live afterwards.
    Drop {
        /// Cast the vote even if the new set has no live quorum.
        force: bool,
    },
    /// No wish any more.
    Discard,
}

/// Everything that can happen to a validator.
#[expect(clippy::large_enum_variant, reason = "the large one comes once per block")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A consensus message arrived: its code (one byte), then its RLP. Any bytes are allowed.
    Message {
        /// Who delivered it, not necessarily its author.
        peer: PeerId,
        /// Code and RLP.
        bytes: Bytes,
    },
    /// A timer has run out.
    Timer {
        /// Which.
        id: TimerId,
    },
    /// Answers `BuildBlock`. A driver that cannot build does not answer.
    BlockBuilt {
        /// The request.
        request: RequestId,
        /// The unsealed block.
        block: Block,
    },
    /// Answers `CheckBlock`.
    BlockChecked {
        /// The request.
        request: RequestId,
        /// Whether the block is valid.
        verdict: Verdict,
    },
    /// Answers `Sign`. Every request is answered, or the process ends.
    Signed {
        /// The request.
        request: RequestId,
        /// The signature, with any `s`.
        signature: Signature65,
    },
    /// Answers `Persist`: block and record are synced, and so are those of all earlier tokens.
    Durable {
        /// The token.
        token: PersistToken,
    },
    /// Answers `Finalise`: the database batch with this block is synced.
    Stored {
        /// Number of the block.
        height: u64,
    },
    /// A sealed block from another node whose parent is stored here, checked in full. The core
    /// answers by `Finalise` if it is the next one; the driver stores it only then.
    Finalised {
        /// The block. The round in its `extraData` is the one that its seals sign.
        block: Arc<Block>,
        /// Its commit seals.
        seals: Vec<Seal>,
    },
    /// Pool, activity lane or wish list has something for a block. To be said when it comes up and
    /// again after each `Stored` while something is left.
    WorkPending,
    /// A connection is up, its handshake over.
    PeerConnected {
        /// The connection.
        peer: PeerId,
        /// Its address if it has proved to own a key that is or may become a validator's.
        validator: Option<Address>,
        /// Number of the newest block that it says it has.
        head: u64,
        /// The highest thing that it has seen this validator sign.
        mark: Option<Mark>,
    },
    /// A connected node says that it has stored a block that is stored here too. What it has beyond is
    /// the driver's to fetch.
    PeerHead {
        /// The connection.
        peer: PeerId,
        /// Number of the block; one above the newest stored block counts as that.
        head: u64,
    },
    /// A connection is gone.
    PeerDisconnected {
        /// The connection.
        peer: PeerId,
    },
    /// An operator's wish; durable before the operator is answered. [`super::Core::check_wish`]
    /// tells whether it is accepted.
    Vote {
        /// Whom it is about.
        subject: Address,
        /// What is wished.
        wish: Wish,
    },
}
