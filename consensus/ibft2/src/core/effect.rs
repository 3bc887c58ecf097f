//! What the core asks of the driver.
//!
//! Effects are to be carried out in the order in which they come. Those that ask for something name
//! a [`RequestId`] or a [`PersistToken`] and are answered by the [`Input`](super::Input) of the name
//! given with each.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};

use super::input::{PeerId, RequestId, TimerId};
use crate::{
    certificates::CertificateError,
    evidence::Equivocation,
    hash::BlockHash,
    messages::{Block, DecodeError, MessageKind, RoundId},
    seal::Seal,
    sign_state::SignRecord,
};

/// Counts the `Persist` effects; a record that is durable makes all records before it superfluous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistToken(pub u64);

/// What is signed. All but the seal are signing hashes of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignKind {
    /// The signing hash of a message of this kind.
    Message(MessageKind),
    /// The seal digest of a block.
    Seal,
}

/// Receivers of a message. Validators are those of the set after the newest stored block; only the
/// connected ones are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// All validators.
    Validators,
    /// One connection.
    Peer(PeerId),
    /// All validators but these: a message is passed on.
    AllBut {
        /// Who signed it.
        author: Address,
        /// Who delivered it.
        deliverer: PeerId,
    },
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Sign with the validator's key and answer `Signed`.
    Sign {
        /// Names the answer.
        request: RequestId,
        /// What is signed.
        kind: SignKind,
        /// The 32 bytes to sign.
        digest: B256,
    },
    /// Write the block if there is one, named by its block hash, then the record; sync both; answer
    /// `Durable`. Records are written in the order of their tokens. Blocks that no slot names any
    /// more may be removed. A failed write ends the process.
    Persist {
        /// Names the answer.
        token: PersistToken,
        /// The whole record.
        record: Box<SignRecord>,
        /// The block that the record names and the record before it did not.
        block: Option<Arc<Block>>,
    },
    /// Send a message once `after` is durable.
    Send {
        /// What it waits for.
        after: Option<PersistToken>,
        /// To whom.
        to: Target,
        /// Code and RLP.
        bytes: Bytes,
    },
    /// Send the timer's input at this time of the monotonic clock, or at once if it is past.
    SetTimer {
        /// Names the timer.
        id: TimerId,
        /// Milliseconds of the monotonic clock.
        at: u64,
    },
    /// Forget a timer. Its input may still arrive.
    CancelTimer {
        /// Names the timer.
        id: TimerId,
    },
    /// Build a block and answer `BlockBuilt`. A later request replaces an earlier one.
    BuildBlock {
        /// Names the answer.
        request: RequestId,
        /// Block hash of the parent, the newest stored block.
        parent: BlockHash,
        /// The round in which it will be proposed.
        round: u32,
        /// Value of the header's coinbase.
        coinbase: Address,
        /// Value of the header's `extraData`: vanity, validators, vote, round, no seals.
        extra_data: Bytes,
        /// Least value of the header's time in seconds. The time itself is
        /// [`fresh_timestamp`](crate::fresh_timestamp) of the local clock, if that is later.
        not_before: u64,
    },
    /// Check header (light rules) and execution of a block and answer `BlockChecked`. Nothing is
    /// stored.
    CheckBlock {
        /// Names the answer.
        request: RequestId,
        /// The block.
        block: Arc<Block>,
        /// No certificate forces this block: its base fee must be the one that follows from the
        /// parent.
        fresh: bool,
    },
    /// Put round and seals into the block, store it, announce it, answer `Stored`. Not before
    /// `after` is durable.
    Finalise {
        /// What it waits for: the own Commit is among those that make the block final.
        after: Option<PersistToken>,
        /// The block.
        block: Arc<Block>,
        /// The seals of a quorum, each of another validator.
        seals: Vec<Seal>,
        /// The round that the seals sign.
        round: u32,
    },
    /// Put more seals into the header of a finalised block, with the next batch.
    AddSeals {
        /// Number of the block.
        height: u64,
        /// Seals of validators that the header does not have yet.
        seals: Vec<Seal>,
    },
    /// Ask for sealed blocks from this number on and give them in order as `Finalised`.
    FetchBlocks {
        /// Number of the first block that is missing here.
        from: u64,
        /// Who seems to have it.
        peer: PeerId,
    },
    /// Send the stored block of this number to somebody who still works on it.
    OfferBlock {
        /// Number of a stored block.
        height: u64,
        /// Who needs it.
        peer: PeerId,
    },
    /// For the log, the metrics and the peer's score.
    Report(Box<Report>),
}

/// Something worth telling.
#[expect(clippy::large_enum_variant, reason = "rare, and boxed in the effect")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// A validator signed two things that contradict each other.
    Equivocation(Equivocation),
    /// A second block with a valid quorum of seals at a height that is final already. The local
    /// chain stays as it is.
    ConflictingBlock {
        /// The height.
        height: u64,
        /// The block that is final here.
        ours: BlockHash,
        /// The other one.
        other: Arc<Block>,
        /// The seals of the other one.
        seals: Vec<Seal>,
        /// Who sealed both.
        both: Vec<Address>,
        /// More members of the present set sealed both than may be faulty: this validator signs
        /// nothing any more, and the process is to end.
        stop: bool,
    },
    /// A block given as sealed does not continue the chain or lacks the seals of a quorum.
    BadSealedBlock {
        /// The block.
        block: Arc<Block>,
    },
    /// A peer delivered something that no honest node delivers.
    PeerFault {
        /// The connection.
        peer: PeerId,
        /// What it did.
        fault: PeerFault,
    },
    /// A validator signed something that breaks a rule.
    AuthorFault {
        /// The validator.
        author: Address,
        /// Which rule.
        fault: AuthorFault,
    },
    /// This validator is not certain what it has signed and signs nothing for now.
    InDoubt {
        /// Why.
        cause: DoubtCause,
    },
    /// The doubt is over: others have finalised what this validator may have signed before.
    DoubtOver {
        /// Height up to which it has signed nothing.
        height: u64,
    },
    /// A message was refused for what its author has not signed: anybody who passed it on may have
    /// spoiled it, so nobody is to blame.
    Refused {
        /// Who delivered it.
        peer: PeerId,
        /// Who signed its payload.
        author: Address,
        /// Kind of the message.
        kind: MessageKind,
        /// The rule.
        error: CertificateError,
    },
    /// The signer gave a signature that is not the validator's.
    BadOwnSignature {
        /// What was to be signed.
        kind: SignKind,
    },
    /// The validators that are in force now are so few that a single malicious one can break
    /// agreement. Said at the start, and when a block makes them so few.
    NoFaultTolerance {
        /// Their number.
        validators: usize,
    },
    /// An epoch block is stored. Nodes that tell different things for one number do not agree on
    /// the validators.
    Epoch {
        /// Number of the block.
        number: u64,
        /// The block.
        block: BlockHash,
        /// [`ValidatorSet::digest`](crate::ValidatorSet::digest) of the validators after it.
        validators: B256,
    },
    /// A round was left.
    RoundChanged {
        /// The new round.
        id: RoundId,
        /// Why the old one was left.
        cause: RoundCause,
    },
}

/// A fault of the peer that delivered a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerFault {
    /// The message does not decode.
    Undecodable(DecodeError),
    /// No key belongs to its signature.
    Signature,
    /// It told a mark that this validator has not signed.
    ForgedMark,
}

/// A fault of the author of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorFault {
    /// The message breaks a rule.
    Invalid {
        /// Kind of the message.
        kind: MessageKind,
        /// The rule.
        error: CertificateError,
    },
    /// Its fresh proposal names another coinbase than itself.
    Coinbase,
    /// Its fresh proposal has another vanity than the chain prescribes.
    Vanity,
    /// Its fresh proposal is longer than allowed.
    TooLong,
    /// Its proposal does not stand on the newest block or lists other validators.
    Parent,
    /// The block of its proposal is invalid.
    Block,
}

/// Why a round was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundCause {
    /// Its timer ran out.
    Timer,
    /// More validators than may be faulty have left it.
    Jump,
    /// A quorum wants the new round.
    Quorum,
    /// A valid proposal of the new round.
    Proposal,
}

/// Why a validator is not certain what it has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtCause {
    /// There is no record, or only the first one although the chain knows this validator.
    Missing,
    /// The record cannot be read, or a block that it names is gone.
    Damaged,
    /// The database names a newer record.
    BehindStore,
    /// Somebody holds a signature of this validator that the record does not know.
    Mark(RoundId),
}
