//! The record and the rules that it enforces.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256};

use super::mark::{Mark, rank};
use crate::{
    hash::{BlockHash, SealDigest},
    messages::{
        CommitPayload, MessageKind, PreparePayload, PreparedCertificate, ProposalPayload,
        RoundChangePayload, RoundId, Signed, SignedPayload,
    },
};

/// An own proposal with what its message carries besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProposal {
    /// What was signed.
    pub signed: Signed<ProposalPayload>,
    /// The RoundChanges that allow it, from round 1 on.
    pub round_changes: Option<Vec<Signed<RoundChangePayload>>>,
    /// Names the block, which lies beside the record.
    pub block: BlockHash,
}

/// The highest prepared certificate of the height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCertificate {
    /// The certificate.
    pub certificate: Arc<PreparedCertificate>,
    /// Names its block, which lies beside the record.
    pub block: BlockHash,
}

/// What a validator has signed in its newest round, and what it must not forget of the height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignRecord {
    /// Counts the records.
    pub sequence: u64,
    /// Genesis hash of the chain.
    pub genesis_hash: B256,
    /// Address of the key that signs.
    pub validator: Address,
    pub(super) position: RoundId,
    /// Marks at heights up to this one are void: an operator has released the sign state.
    pub(super) released: u64,
    pub(super) proposal: Option<StoredProposal>,
    pub(super) prepare: Option<Signed<PreparePayload>>,
    pub(super) commit: Option<Signed<CommitPayload>>,
    pub(super) round_change: Option<Signed<RoundChangePayload>>,
    pub(super) certificate: Option<StoredCertificate>,
    pub(super) marks: BTreeMap<Address, Mark>,
}

impl SignRecord {
    /// The record of a new validator, written once when a node is set up.
    pub const fn first(genesis_hash: B256, validator: Address) -> Self {
        Self {
            sequence: 1,
            genesis_hash,
            validator,
            position: RoundId::new(0, 0),
            released: 0,
            proposal: None,
            prepare: None,
            commit: None,
            round_change: None,
            certificate: None,
            marks: BTreeMap::new(),
        }
    }

    /// The record that an operator puts in the place of a lost one: nothing up to `position` is
    /// signed any more, and marks at heights up to `position.height` are void. `sequence` is above
    /// the one that the database names.
    pub const fn released(
        genesis_hash: B256,
        validator: Address,
        position: RoundId,
        sequence: u64,
    ) -> Self {
        let mut this = Self::first(genesis_hash, validator);
        this.sequence = sequence;
        this.position = position;
        this.released = position.height;
        this
    }

    /// Height and round of the newest signature.
    pub const fn position(&self) -> RoundId {
        self.position
    }

    /// Whether nothing was signed since the node was set up.
    pub fn is_first(&self) -> bool {
        self.position == RoundId::default() && self.released == 0
    }

    /// The own proposal of the round.
    pub const fn proposal(&self) -> Option<&StoredProposal> {
        self.proposal.as_ref()
    }

    /// The own Prepare of the round.
    pub const fn prepare(&self) -> Option<&Signed<PreparePayload>> {
        self.prepare.as_ref()
    }

    /// The own Commit of the round.
    pub const fn commit(&self) -> Option<&Signed<CommitPayload>> {
        self.commit.as_ref()
    }

    /// The own RoundChange to the round.
    pub const fn round_change(&self) -> Option<&Signed<RoundChangePayload>> {
        self.round_change.as_ref()
    }

    /// The highest prepared certificate of the height.
    pub const fn certificate(&self) -> Option<&StoredCertificate> {
        self.certificate.as_ref()
    }

    /// The highest thing seen signed by each other validator.
    pub const fn marks(&self) -> &BTreeMap<Address, Mark> {
        &self.marks
    }

    /// Everything signed in the newest round, by kind.
    pub fn messages(&self) -> Vec<SignedPayload> {
        let proposal =
            self.proposal.as_ref().map(|proposal| SignedPayload::Proposal(proposal.signed));
        let prepare = self.prepare.map(SignedPayload::Prepare);
        let commit = self.commit.map(SignedPayload::Commit);
        let round_change = self.round_change.clone().map(SignedPayload::RoundChange);
        [round_change, proposal, prepare, commit].into_iter().flatten().collect()
    }

    /// The blocks that the record names, each once.
    pub fn blocks(&self) -> Vec<BlockHash> {
        let mut blocks: Vec<_> = self.proposal.iter().map(|proposal| proposal.block).collect();
        if let Some(certificate) = &self.certificate
            && !blocks.contains(&certificate.block)
        {
            blocks.push(certificate.block);
        }
        blocks
    }

    /// The digest that the signatures of the newest round carry.
    pub fn digest(&self) -> Option<SealDigest> {
        let proposal = self.proposal.as_ref().map(|proposal| proposal.signed.payload.digest);
        let prepare = self.prepare.map(|prepare| prepare.payload.digest);
        let commit = self.commit.map(|commit| commit.payload.digest);
        proposal.or(prepare).or(commit)
    }

    /// Whether a message of this kind may be signed now. `digest` is that of a Proposal, Prepare or
    /// Commit.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn permits(
        &self,
        id: RoundId,
        kind: MessageKind,
        digest: Option<SealDigest>,
    ) -> Result<(), SignRefused> {
        if id < self.position {
            return Err(SignRefused::Falls { newest: self.position, got: id });
        }
        if id > self.position {
            return Ok(());
        }
        let signed = match kind {
            MessageKind::Proposal => self.proposal.is_some(),
            MessageKind::Prepare => self.prepare.is_some(),
            MessageKind::Commit => self.commit.is_some(),
            MessageKind::RoundChange => self.round_change.is_some(),
        };
        if signed {
            return Err(SignRefused::Twice { id, kind });
        }
        match (self.digest(), digest) {
            (Some(signed), Some(got)) if signed != got => {
                Err(SignRefused::OtherDigest { id, signed, got })
            }
            _ => Ok(()),
        }
    }

    /// Seeded bug: what stands in the way is forgotten.
    #[cfg(feature = "mutants")]
    pub(crate) fn forget_unless_permitted(
        &mut self,
        id: RoundId,
        kind: MessageKind,
        digest: Option<SealDigest>,
    ) {
        if self.permits(id, kind, digest).is_err() {
            self.proposal = None;
            self.prepare = None;
            self.commit = None;
            self.round_change = None;
            self.position = id;
        }
    }

    /// Notes a signed proposal.
    ///
    /// # Errors
    /// As [`Self::permits`].
    pub fn put_proposal(&mut self, proposal: StoredProposal) -> Result<(), SignRefused> {
        let payload = proposal.signed.payload;
        self.enter(payload.id, MessageKind::Proposal, Some(payload.digest))?;
        self.proposal = Some(proposal);
        Ok(())
    }

    /// Notes a signed Prepare.
    ///
    /// # Errors
    /// As [`Self::permits`].
    pub fn put_prepare(&mut self, signed: Signed<PreparePayload>) -> Result<(), SignRefused> {
        self.enter(signed.payload.id, MessageKind::Prepare, Some(signed.payload.digest))?;
        self.prepare = Some(signed);
        Ok(())
    }

    /// Notes a signed Commit. Its certificate is left out only if its block is stored already.
    ///
    /// # Errors
    /// As [`Self::permits`].
    pub fn put_commit(
        &mut self,
        signed: Signed<CommitPayload>,
        certificate: Option<StoredCertificate>,
    ) -> Result<(), SignRefused> {
        self.enter(signed.payload.id, MessageKind::Commit, Some(signed.payload.digest))?;
        self.commit = Some(signed);
        self.put_certificate(certificate);
        Ok(())
    }

    /// Notes a signed RoundChange with the highest certificate of the height, which stands in it.
    ///
    /// # Errors
    /// As [`Self::permits`].
    pub fn put_round_change(
        &mut self,
        signed: Signed<RoundChangePayload>,
        certificate: Option<StoredCertificate>,
    ) -> Result<(), SignRefused> {
        self.enter(signed.payload.id, MessageKind::RoundChange, None)?;
        self.round_change = Some(signed);
        self.put_certificate(certificate);
        Ok(())
    }

    /// Keeps the certificate if it is of this height and higher than the one there.
    pub fn put_certificate(&mut self, certificate: Option<StoredCertificate>) {
        let Some(new) = certificate else { return };
        let id = new.certificate.id();
        let newest = self.certificate.as_ref().map(|stored| stored.certificate.id());
        if id.height == self.position.height && newest.is_none_or(|newest| newest < id) {
            self.certificate = Some(new);
        }
    }

    /// Moves to a round after having checked that something may be signed in it.
    fn enter(
        &mut self,
        id: RoundId,
        kind: MessageKind,
        digest: Option<SealDigest>,
    ) -> Result<(), SignRefused> {
        self.permits(id, kind, digest)?;
        if id > self.position {
            self.proposal = None;
            self.prepare = None;
            self.commit = None;
            self.round_change = None;
        }
        if id.height > self.position.height {
            self.certificate = None;
        }
        self.position = id;
        Ok(())
    }

    /// Starts over after a doubt: nothing up to `position` is signed any more.
    pub fn start_over(&mut self, position: RoundId) {
        if position > self.position {
            self.proposal = None;
            self.prepare = None;
            self.commit = None;
            self.round_change = None;
            self.certificate = None;
            self.position = position;
        }
    }

    /// Whether a message is above the mark of its author.
    pub fn is_higher_mark(&self, author: &Address, id: RoundId, kind: MessageKind) -> bool {
        let newest = self.marks.get(author).map(Mark::position);
        newest.is_none_or(|newest| newest < rank(id, kind))
    }

    /// Notes what another validator has signed, if it is the highest so far.
    pub fn note_mark(&mut self, author: Address, message: SignedPayload) {
        if self.is_higher_mark(&author, message.id(), message.kind()) {
            self.marks.insert(author, Mark::new(message));
        }
    }

    /// Forgets the marks of everybody else than `validators`.
    pub fn retain_marks(&mut self, keep: impl Fn(&Address) -> bool) {
        self.marks.retain(|author, _| keep(author));
    }

    /// Whether `mark`, which this validator has signed, shows that the record is not the newest: it
    /// is of a higher round, or a message of the record's own round that is not in it.
    pub fn is_below(&self, mark: &Mark) -> bool {
        let id = mark.id();
        if id.height <= self.released || id < self.position {
            return false;
        }
        id > self.position || !self.contains(mark.message())
    }

    /// Whether the record holds a message of the same content. Seals and the selection of Prepares
    /// in a certificate do not matter.
    fn contains(&self, message: &SignedPayload) -> bool {
        match message {
            SignedPayload::Proposal(signed) => {
                self.proposal.as_ref().is_some_and(|stored| stored.signed.payload == signed.payload)
            }
            SignedPayload::Prepare(signed) => {
                self.prepare.is_some_and(|stored| stored.payload == signed.payload)
            }
            SignedPayload::Commit(signed) => {
                self.commit.is_some_and(|stored| stored.payload.digest == signed.payload.digest)
            }
            SignedPayload::RoundChange(signed) => {
                let content = |payload: &RoundChangePayload| {
                    payload.certificate.as_ref().map(|it| (it.id(), it.digest()))
                };
                self.round_change
                    .as_ref()
                    .is_some_and(|stored| content(&stored.payload) == content(&signed.payload))
            }
        }
    }
}

/// Why something is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignRefused {
    /// Height and round would fall.
    #[error("{got} is below {newest}, in which something is signed")]
    Falls {
        /// The newest round in which something is signed.
        newest: RoundId,
        /// The round that was asked for.
        got: RoundId,
    },
    /// A message of this kind is signed already.
    #[error("{kind:?} of {id} is signed already")]
    Twice {
        /// The round.
        id: RoundId,
        /// The kind.
        kind: MessageKind,
    },
    /// Another digest is signed in this round.
    #[error("digest {got} in {id}, in which {signed} is signed")]
    OtherDigest {
        /// The round.
        id: RoundId,
        /// The digest that is signed.
        signed: SealDigest,
        /// The digest that was asked for.
        got: SealDigest,
    },
}
