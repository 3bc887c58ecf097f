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
    /// The timer of round 0 starts with the height instead of when its block is due.
    RoundTimerEarly,
    /// Timers double without end.
    TimerUncapped,
    /// The timer leads to the round after the next.
    RoundSkipped,
    /// A timer of a round that is over counts.
    LateTimerCounts,
    /// A jump goes to any round.
    JumpUnbounded,
    /// The time for a block is waited for in full, however far the clock was set back.
    WaitUncut,
    /// Work does not end the wait of an idle height.
    WorkIgnored,
    /// A lone validator waits for somebody to tell it what it has signed.
    LoneWaitsForOthers,
    /// Messages with a full block are longer than the decoder takes.
    MessageBoundTooSmall,
    /// Proposals and RoundChanges in the other dialect are not read.
    ForeignDialectRefused,
    /// Claims to have more blocks are never given up.
    ClaimsNeverExpire,
    /// Nothing is signed while somebody claims to have more blocks.
    ClaimsStop,
    /// A mark of a height that the chain has not reached proves the record to be old.
    FarMarksProve,
    /// A conflicting block is not looked at.
    ConflictIgnored,
    /// Any conflicting block stops the validator.
    AnyConflictStops,
    /// A conflicting block replaces the final one.
    FinalBlockReplaced,
    /// Nobody is told that there are too few validators to tolerate a malicious one.
    FewValidatorsSilent,
    /// Votes survive an epoch block.
    EpochKeepsVotes,
    /// Transitions do not change the validators.
    OverrideIgnored,
    /// Blocks that a certificate forces are checked as fresh ones.
    AlwaysFresh,
    /// Fresh blocks are checked as ones that a certificate forces.
    NeverFresh,
    /// Signatures do not name the chain although they should.
    DomainUnbound,
    /// Messages of later heights are kept whoever signed them.
    FutureAuthorUnchecked,
    /// Messages of all later heights are kept.
    FutureHeightsUnbounded,
    /// What the driver said about a block is forgotten with the round.
    VerdictForgotten,
    /// The first proposal of a round stands for all later rounds.
    RoundPoisoned,
    /// A block that was not built is waited for in all later rounds.
    BuildNotRetried,
    /// A block that was too early is never looked at again.
    FutureBlockForgotten,
    /// Votes are cast however few members would be live afterwards.
    VoteUnchecked,
    /// Messages that have waited for their height are thrown away when it starts.
    BacklogDropped,
    /// The seal of a late Commit is not checked.
    LateSealUnchecked,
    /// The time of an own block is that of the clock, however slow.
    NotBeforeIgnored,
}
