//! Seeded bugs that the simulator has to find. Compiled with the feature `mutants` only, which no
//! product may be built with.

/// Declares the bugs with their names.
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A seeded bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in the source.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

mutants! {
    /// One Commit less than a quorum finalises.
    CommitQuorumMinusOne,
    /// One Prepare less than needed makes prepared.
    PrepareQuorumMinusOne,
    /// One RoundChange less than a quorum makes a proposal of a later round.
    RoundChangeQuorumMinusOne,
    /// A proposal of a later round is not asked for its RoundChanges.
    JustificationUnchecked,
    /// The block of a proposal is not compared with the highest certificate.
    ReproposalUnchecked,
    /// The lowest certificate wins instead of the highest.
    LowestCertificateWins,
    /// The own certificate is forgotten when a round is entered by others' messages.
    LockLostOnJump,
    /// The own certificate is forgotten when the timer runs out.
    LockLostOnTimer,
    /// Messages are sent without waiting for the record.
    SendBeforePersist,
    /// A block made final by the own Commit does not wait for the record.
    FinaliseBeforePersist,
    /// The own Commit counts as soon as a proposal is accepted.
    CommitCountedUnprepared,
    /// The record is not asked before something is signed.
    RecordIgnored,
    /// A restart starts in round 0 with an empty record.
    RecordForgottenOnRestart,
    /// The certificate is not restored on a restart.
    CertificateForgottenOnRestart,
    /// An old record is accepted although the database names a newer one.
    OldRecordAccepted,
    /// Marks told by others are ignored.
    MarksIgnored,
    /// A missing record counts as a first one.
    MissingRecordAccepted,
    /// The next height starts before the block is stored.
    NextHeightBeforeStored,
    /// A round timer r >= 1 starts alone, although capped.
    RoundTimerAlone,
    /// No jump on f + 1 RoundChanges.
    NoJump,
    /// One RoundChange is enough to jump.
    JumpOnOne,
    /// The round timer is not started in a new round.
    TimerNotReset,
    /// Own messages are never sent again.
    NoResend,
    /// The coinbase of a fresh proposal is not compared with its author.
    CoinbaseUnbound,
    /// The block of a proposal is not checked.
    BlockUnchecked,
    /// The seal in a Commit is not checked.
    SealUnchecked,
    /// Prepares for another digest count.
    DigestIgnored,
    /// The signer of a message need not be a validator.
    OutsiderAccepted,
    /// Prepares are counted by signature instead of by author.
    CountedBySignature,
    /// The proposer's own Prepare counts.
    ProposerPrepareCounts,
    /// The validator set is not recomputed after a block.
    SetNotAdvanced,
    /// Late Commits are signed before the block is stored.
    LateCommitBeforeStored,
    /// Nobody fetches the one block that it is behind.
    NoCatchUp,
    /// All rounds of all authors are kept.
    UnboundedRounds,
    /// The round falls back to 0 when a message of round 0 comes.
    RoundFallsBack,
}
