//! Which messages and certificates are valid in a height, as far as that follows from the message
//! and the validator set alone.
//!
//! | function | rule of IBFT 2.0 (as Besu applies it) |
//! |---|---|
//! | [`validate_prepared`] | proposal by the proposer of its round; at least `quorum - 1` Prepares by distinct other members for the same height, round and digest; the round is below the target |
//! | [`validate_round_change_payload`] | author is a member, height fits, certificate (if any) is valid |
//! | [`validate_round_change`] | besides: certificate if and only if block, block is that of the certificate |
//! | [`validate_round_change_certificate`] | a quorum of valid RoundChanges of distinct authors for exactly the round of the proposal |
//! | [`highest_certificate`], [`validate_reproposal`] | the block must be that of the certificate with the highest round, with only the round replaced |
//! | [`validate_justification`] | no certificate in round 0; in later rounds a valid one that allows the block |
//! | [`validate_proposal`] | author is the proposer, justification, block number, round and digest fit |
//! | [`validate_commit_seal`] | the seal is the author's, over the digest of the message |
//!
//! What needs the chain or a clock (header rules, execution) is not here. Cheap checks come before
//! signature recoveries, and as distinct members are demanded anyway, lists longer than the set are
//! refused before any. Besu has no such bound, but nothing it accepts is longer.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use alloy_primitives::{Address, B256};

use crate::{
    crypto::{Crypto, Signature65},
    extra_data::ExtraDataError,
    hash::SealDigest,
    messages::{
        Block, CommitPayload, Payload, PreparedCertificate, Proposal, RoundChange,
        RoundChangePayload, RoundId, Signed, SigningDomain,
    },
    proposer::proposer,
    quorum::{prepare_quorum, quorum},
    seal::SEAL_LENGTH,
    validators::ValidatorSet,
};

/// What the messages of one height are checked against.
#[derive(Debug, Clone, Copy)]
pub struct HeightContext<'a> {
    /// Number of the block that is agreed on.
    pub height: u64,
    /// The validators after the parent.
    pub validators: &'a ValidatorSet,
    /// Coinbase of the parent, from which the turn of the proposers follows.
    pub parent_coinbase: Address,
    /// What signatures of messages cover.
    pub domain: &'a SigningDomain,
    /// A seeded bug.
    #[cfg(feature = "mutants")]
    pub mutant: Option<crate::core::Mutant>,
}

/// Whether a seeded bug is switched on; never, without the feature `mutants`.
macro_rules! mutant {
    ($ctx:expr, $name:ident) => {{
        #[cfg(feature = "mutants")]
        let on = $ctx.mutant == Some(crate::core::Mutant::$name);
        #[cfg(not(feature = "mutants"))]
        let (on, _) = (false, $ctx);
        on
    }};
}

impl<'a> HeightContext<'a> {
    /// The context of the height after a parent with the coinbase `parent_coinbase`.
    pub const fn new(
        height: u64,
        validators: &'a ValidatorSet,
        parent_coinbase: Address,
        domain: &'a SigningDomain,
    ) -> Self {
        Self {
            height,
            validators,
            parent_coinbase,
            domain,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// The proposer of `round`; `None` only for an empty set.
    pub fn proposer(&self, round: u32) -> Option<Address> {
        proposer(self.parent_coinbase, self.validators, round)
    }

    /// Recovers the author of a payload, who must be a validator.
    ///
    /// # Errors
    /// [`CertificateError::Signature`] or [`CertificateError::Outsider`].
    pub fn member<P: Payload>(
        &self,
        signed: &Signed<P>,
        crypto: &impl Crypto,
    ) -> Result<Address, CertificateError> {
        let author = signed.author(crypto, self.domain).ok_or(CertificateError::Signature)?;
        if self.validators.contains(&author) || mutant!(self, OutsiderAccepted) {
            Ok(author)
        } else {
            Err(CertificateError::Outsider { author })
        }
    }

    const fn check_height(&self, id: RoundId) -> Result<(), CertificateError> {
        if id.height == self.height {
            Ok(())
        } else {
            Err(CertificateError::Height { expected: self.height, got: id.height })
        }
    }

    /// Recovers the author of a payload of `round`, who must be its proposer.
    fn proposer_of<P: Payload>(
        &self,
        signed: &Signed<P>,
        crypto: &impl Crypto,
    ) -> Result<Address, CertificateError> {
        let author = self.member(signed, crypto)?;
        let expected = self.proposer(signed.payload.id().round);
        if expected == Some(author) {
            Ok(author)
        } else {
            Err(CertificateError::Proposer { expected, got: author })
        }
    }
}

/// Whether `certificate` proves that its round was prepared, which must be below `target`.
///
/// # Errors
/// The first rule that is broken.
pub fn validate_prepared(
    certificate: &PreparedCertificate,
    target: u32,
    ctx: &HeightContext<'_>,
    crypto: &impl Crypto,
) -> Result<(), CertificateError> {
    let id = certificate.id();
    ctx.check_height(id)?;
    if id.round >= target {
        return Err(CertificateError::PreparedRound { target, got: id.round });
    }
    let members = ctx.validators.len();
    // The proposer's own Prepare is its proposal.
    let mut needed = prepare_quorum(members);
    if mutant!(ctx, PrepareQuorumMinusOne) {
        needed = needed.saturating_sub(1);
    }
    check_count("Prepares", certificate.prepares.len(), needed, members.saturating_sub(1))?;
    for prepare in &certificate.prepares {
        check_round(id, prepare.payload.id)?;
        check_digest(certificate.digest(), prepare.payload.digest)?;
    }
    let proposer = ctx.proposer_of(&certificate.proposal, crypto)?;
    let mut authors = BTreeSet::new();
    for prepare in &certificate.prepares {
        let author = ctx.member(prepare, crypto)?;
        if author == proposer && !mutant!(ctx, ProposerPrepareCounts) {
            return Err(CertificateError::PrepareOfProposer { author });
        }
        if !authors.insert(author) && !mutant!(ctx, CountedBySignature) {
            return Err(CertificateError::Twice { author });
        }
    }
    Ok(())
}

/// Checks what a RoundChange's author signed and returns the author.
///
/// # Errors
/// The first rule that is broken.
pub fn validate_round_change_payload(
    signed: &Signed<RoundChangePayload>,
    ctx: &HeightContext<'_>,
    crypto: &impl Crypto,
) -> Result<Address, CertificateError> {
    let id = signed.payload.id;
    ctx.check_height(id)?;
    // Nobody has to ask for the round in which a height starts.
    if id.round == 0 {
        return Err(CertificateError::TargetZero);
    }
    let author = ctx.member(signed, crypto)?;
    if let Some(certificate) = &signed.payload.certificate {
        validate_prepared(certificate, id.round, ctx, crypto)?;
    }
    Ok(author)
}

/// Checks a RoundChange message with its block and returns the author. The block is not executed.
///
/// # Errors
/// The first rule that is broken.
pub fn validate_round_change(
    message: &RoundChange,
    ctx: &HeightContext<'_>,
    crypto: &impl Crypto,
) -> Result<Address, CertificateError> {
    match (&message.signed.payload.certificate, &message.block) {
        (None, None) => {}
        (Some(certificate), Some(block)) => {
            check_block(block, certificate.id(), certificate.digest())?;
        }
        (certificate, _) => {
            return Err(CertificateError::BlockPresence { certificate: certificate.is_some() });
        }
    }
    validate_round_change_payload(&message.signed, ctx, &Memo::new(crypto))
}

/// Whether `entries` allow a proposal of round `id`.
///
/// # Errors
/// The first rule that is broken.
pub fn validate_round_change_certificate(
    entries: &[Signed<RoundChangePayload>],
    id: RoundId,
    ctx: &HeightContext<'_>,
    crypto: &impl Crypto,
) -> Result<(), CertificateError> {
    let members = ctx.validators.len();
    let mut needed = quorum(members);
    if mutant!(ctx, RoundChangeQuorumMinusOne) {
        needed = needed.saturating_sub(1);
    }
    check_count("RoundChanges", entries.len(), needed, members)?;
    for entry in entries {
        check_round(id, entry.payload.id)?;
    }
    // Certificates of one round consist of the same Prepares: recover each signature once.
    let crypto = Memo::new(crypto);
    let mut authors = BTreeSet::new();
    for entry in entries {
        let author = validate_round_change_payload(entry, ctx, &crypto)?;
        if !authors.insert(author) {
            return Err(CertificateError::Twice { author });
        }
    }
    Ok(())
}

/// The certificate with the highest round, the first of several. `None` if nobody was prepared.
pub fn highest_certificate(entries: &[Signed<RoundChangePayload>]) -> Option<&PreparedCertificate> {
    let mut highest: Option<&PreparedCertificate> = None;
    for certificate in entries.iter().filter_map(|entry| entry.payload.certificate.as_deref()) {
        if highest.is_none_or(|best| certificate.id().round > best.id().round) {
            highest = Some(certificate);
        }
    }
    highest
}

/// [`highest_certificate`], if no seeded bug takes another.
fn deciding_certificate<'a>(
    entries: &'a [Signed<RoundChangePayload>],
    ctx: &HeightContext<'_>,
) -> Option<&'a PreparedCertificate> {
    if mutant!(ctx, LowestCertificateWins) {
        let certificates = entries.iter().filter_map(|entry| entry.payload.certificate.as_deref());
        return certificates.min_by_key(|certificate| certificate.id().round);
    }
    highest_certificate(entries)
}

/// Whether `block` is the one that `certificate` is about, apart from the round in it.
///
/// # Errors
/// [`CertificateError::Digest`], or that `extraData` does not decode.
pub fn validate_reproposal(
    block: &Block,
    certificate: &PreparedCertificate,
) -> Result<(), CertificateError> {
    let prepared = block.with_round(certificate.id().round)?.digest()?;
    check_digest(certificate.digest(), prepared)
}

/// Whether the RoundChanges of a proposal allow its block.
///
/// # Errors
/// The first rule that is broken.
pub fn validate_justification(
    proposal: &Proposal,
    ctx: &HeightContext<'_>,
    crypto: &impl Crypto,
) -> Result<(), CertificateError> {
    let id = proposal.signed.payload.id;
    if mutant!(ctx, JustificationUnchecked) {
        return Ok(());
    }
    match &proposal.round_changes {
        None if id.round == 0 => Ok(()),
        None => Err(CertificateError::NoRoundChanges { round: id.round }),
        Some(_) if id.round == 0 => Err(CertificateError::RoundChangesInRoundZero),
        Some(entries) => {
            validate_round_change_certificate(entries, id, ctx, crypto)?;
            match deciding_certificate(entries, ctx) {
                Some(_) if mutant!(ctx, ReproposalUnchecked) => Ok(()),
                Some(certificate) => validate_reproposal(&proposal.block, certificate),
                None => Ok(()),
            }
        }
    }
}

/// Checks a proposal of any round of the height, apart from its block's validity, and returns the
/// author.
///
/// # Errors
/// The first rule that is broken.
pub fn validate_proposal(
    proposal: &Proposal,
    ctx: &HeightContext<'_>,
    crypto: &impl Crypto,
) -> Result<Address, CertificateError> {
    let payload = proposal.signed.payload;
    ctx.check_height(payload.id)?;
    check_block(&proposal.block, payload.id, payload.digest)?;
    let author = ctx.proposer_of(&proposal.signed, crypto)?;
    validate_justification(proposal, ctx, crypto)?;
    Ok(author)
}

/// Whether the seal in a Commit was made by the Commit's `author` over the digest in it. That the
/// digest is the one of the accepted proposal is checked apart.
///
/// # Errors
/// [`CertificateError::Signature`] or [`CertificateError::SealOfOther`].
pub fn validate_commit_seal(
    commit: &CommitPayload,
    author: Address,
    crypto: &impl Crypto,
) -> Result<(), CertificateError> {
    let signer =
        crypto.recover_seal(commit.digest, &commit.seal).ok_or(CertificateError::Signature)?;
    if signer == author { Ok(()) } else { Err(CertificateError::SealOfOther { author, signer }) }
}

/// Whether `block` has the height and round of `id` and the digest `digest`.
///
/// # Errors
/// The first of the three that differs, or that `extraData` does not decode.
pub fn check_block(block: &Block, id: RoundId, digest: SealDigest) -> Result<(), CertificateError> {
    if block.number() != id.height {
        return Err(CertificateError::Height { expected: id.height, got: block.number() });
    }
    let round = block.extra_data()?.round;
    check_round(id, RoundId::new(id.height, round))?;
    check_digest(digest, block.digest()?)
}

fn check_round(expected: RoundId, got: RoundId) -> Result<(), CertificateError> {
    if expected == got { Ok(()) } else { Err(CertificateError::Round { expected, got }) }
}

fn check_digest(expected: SealDigest, got: SealDigest) -> Result<(), CertificateError> {
    if expected == got { Ok(()) } else { Err(CertificateError::Digest { expected, got }) }
}

const fn check_count(
    what: &'static str,
    got: usize,
    needed: usize,
    limit: usize,
) -> Result<(), CertificateError> {
    if got < needed {
        return Err(CertificateError::TooFew { what, needed, got });
    }
    if got > limit {
        return Err(CertificateError::TooMany { what, limit, got });
    }
    Ok(())
}

/// Recovers each pair of hash and signature once.
struct Memo<'a, C> {
    inner: &'a C,
    known: RefCell<Recovered>,
}

/// Who signed what, by hash and signature.
type Recovered = BTreeMap<(B256, [u8; SEAL_LENGTH]), Option<Address>>;

impl<'a, C: Crypto> Memo<'a, C> {
    const fn new(inner: &'a C) -> Self {
        Self { inner, known: RefCell::new(BTreeMap::new()) }
    }
}

impl<C: Crypto> Crypto for Memo<'_, C> {
    fn recover(&self, hash: &B256, signature: &Signature65) -> Option<Address> {
        *self
            .known
            .borrow_mut()
            .entry((*hash, *signature.as_bytes()))
            .or_insert_with(|| self.inner.recover(hash, signature))
    }
}

/// Why a message or certificate is not valid in its height. Its author is at fault, not the peer
/// that delivered it, unless no author can be recovered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Another height.
    #[error("height is {got}, expected {expected}")]
    Height {
        /// The height that is checked.
        expected: u64,
        /// The height found.
        got: u64,
    },
    /// Another round.
    #[error("round is {got}, expected {expected}")]
    Round {
        /// Height and round that are checked.
        expected: RoundId,
        /// Those found.
        got: RoundId,
    },
    /// A RoundChange to round 0.
    #[error("RoundChange to round 0")]
    TargetZero,
    /// A certificate of a round that is not below the target.
    #[error("prepared in round {got}, expected below {target}")]
    PreparedRound {
        /// The round that the RoundChange wants to enter.
        target: u32,
        /// The round of the certificate.
        got: u32,
    },
    /// Another digest.
    #[error("digest is {got}, expected {expected}")]
    Digest {
        /// The digest that is required.
        expected: SealDigest,
        /// The digest found.
        got: SealDigest,
    },
    /// No key belongs to a signature.
    #[error("no signer can be recovered")]
    Signature,
    /// Signed by somebody who is no validator of this height.
    #[error("{author} is no validator")]
    Outsider {
        /// The signer.
        author: Address,
    },
    /// Not by the proposer of its round.
    #[error("proposal of {got}, expected {expected:?}")]
    Proposer {
        /// The proposer of the round.
        expected: Option<Address>,
        /// The signer.
        got: Address,
    },
    /// A Prepare of the proposer, whose proposal counts as such already.
    #[error("Prepare of the proposer {author}")]
    PrepareOfProposer {
        /// The proposer.
        author: Address,
    },
    /// Two entries of one validator.
    #[error("two entries of {author}")]
    Twice {
        /// The signer of both.
        author: Address,
    },
    /// Less entries than needed.
    #[error("{got} {what}, {needed} are needed")]
    TooFew {
        /// What was counted.
        what: &'static str,
        /// The least number.
        needed: usize,
        /// The number found.
        got: usize,
    },
    /// More entries than there can be of distinct members.
    #[error("{got} {what}, at most {limit} can be of distinct validators")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// The greatest number.
        limit: usize,
        /// The number found.
        got: usize,
    },
    /// A RoundChange has only one of certificate and block.
    #[error("RoundChange with {}", if *certificate { "a certificate but no block" } else { "a block but no certificate" })]
    BlockPresence {
        /// Whether it is the certificate that is there.
        certificate: bool,
    },
    /// A proposal of a later round without RoundChanges.
    #[error("proposal of round {round} without RoundChanges")]
    NoRoundChanges {
        /// Its round.
        round: u32,
    },
    /// A proposal of round 0 with RoundChanges.
    #[error("proposal of round 0 with RoundChanges")]
    RoundChangesInRoundZero,
    /// The seal in a Commit is somebody else's.
    #[error("commit seal of {signer} in a Commit of {author}")]
    SealOfOther {
        /// The author of the message.
        author: Address,
        /// The signer of the seal.
        signer: Address,
    },
    /// The block has no IBFT 2.0 `extraData`.
    #[error(transparent)]
    ExtraData(#[from] ExtraDataError),
}
