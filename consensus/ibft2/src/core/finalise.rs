//! How a block becomes final: a quorum of Commits of the running round, or a sealed block from
//! another node. What is final never changes.

use std::{collections::BTreeSet, sync::Arc};

use alloy_primitives::Address;

use super::{
    Core,
    effect::{Effect, PersistToken, Report},
    height::{Finalising, Head},
    input::PeerId,
    recent::RecentBlock,
    round::Accepted,
};
use crate::{
    certificates::validate_commit_seal,
    crypto::Crypto,
    hash::{BlockHash, SealDigest},
    header::IbftHeader,
    messages::{Block, CommitPayload, Signed},
    quorum::{byzantine, quorum},
    seal::Seal,
    validators::{ValidatorSet, ValidatorState},
};

/// Round, digest and the signer of each seal.
type Sealed = (u32, SealDigest, Vec<(Address, Seal)>);

impl<C: Crypto> Core<C> {
    /// IBFT 2.0: a proposal with Commits of a quorum is final.
    ///
    /// The own Commit counts from when it is in the record, which it enters only with its
    /// certificate; if it is one of those that count, the block waits for the record.
    pub(super) fn finalise_round(&mut self) -> bool {
        if self.height.finalising.is_some() {
            return false;
        }
        let Some(accepted) = self.height.round.accepted.clone() else { return false };
        let round = self.height.round.number;
        let digest = accepted.digest();
        let is_for = |signed: &Signed<CommitPayload>| signed.payload.digest == digest;
        let needed = if mutated!(self, CommitQuorumMinusOne) {
            self.height.quorum().saturating_sub(1).max(1)
        } else {
            self.height.quorum()
        };
        if self.height.inbox.commits.count(round, |_, signed| is_for(signed)) < needed {
            return false;
        }
        let sealed: Vec<(Address, Seal)> = self
            .height
            .inbox
            .commits
            .of_round(round)
            .into_iter()
            .filter(|(_, signed)| is_for(signed))
            .map(|(author, signed)| (author, signed.payload.seal))
            .collect();
        let own = sealed.iter().any(|(author, _)| *author == self.local);
        let after = if own { self.height.round.own_commit } else { None };
        let sealed = (round, digest, sealed);
        self.finalise(accepted.block(), accepted.hash, sealed, after, true)
    }

    /// Asks the driver to store a block.
    fn finalise(
        &mut self,
        block: &Arc<Block>,
        hash: BlockHash,
        (round, digest, sealed): Sealed,
        after: Option<PersistToken>,
        by_commits: bool,
    ) -> bool {
        let Some(next) = self.head_after(&block.header, hash) else { return false };
        let (authors, seals): (BTreeSet<_>, Vec<_>) = sealed.into_iter().unzip();
        self.recent.push(
            self.height.number,
            RecentBlock {
                hash: next.hash,
                round,
                digest,
                validators: self.height.validators.clone(),
                sealed_by: authors,
            },
        );
        let after = after
            .filter(|token| *token > self.durable)
            .filter(|_| !mutated!(self, FinaliseBeforePersist));
        self.effects.push(Effect::Finalise { after, block: block.clone(), seals, round });
        let finalising = Finalising { next, round, by_commits };
        if mutated!(self, LateCommitBeforeStored) {
            self.late_commit(&finalising);
        }
        self.height.finalising = Some(finalising);
        if mutated!(self, NextHeightBeforeStored) {
            let height = self.height.number;
            self.on_stored(height);
        }
        true
    }

    /// The head that `header`, whose block hash is `hash`, makes.
    fn head_after(&self, header: &IbftHeader, hash: BlockHash) -> Option<Head> {
        let schedule = &self.config.schedule;
        #[cfg(feature = "mutants")]
        if let Some(state) = self.misjudged(header) {
            return Some(Head { header: header.clone(), hash, state });
        }
        let state = ValidatorState::after_block(Some(&self.head.state), header, schedule).ok()?;
        Some(Head { header: header.clone(), hash, state })
    }

    /// Seeded bugs of the validator set.
    #[cfg(feature = "mutants")]
    fn misjudged(&self, header: &IbftHeader) -> Option<ValidatorState> {
        use super::mutants::Mutant;
        let schedule = &self.config.schedule;
        let extra = crate::extra_data::ExtraData::decode(&header.extra_data).ok()?;
        let block = crate::validators::BlockVote::new(header, &extra);
        let parent = &self.head.state;
        match self.config.mutant? {
            Mutant::SetNotAdvanced => Some(parent.clone()),
            Mutant::EpochKeepsVotes if schedule.is_epoch(block.number) => Some(parent.clone()),
            Mutant::OverrideIgnored => {
                schedule.validators_at(block.number.saturating_add(1))?;
                Some(parent.clone().apply(schedule, &block))
            }
            _ => None,
        }
    }

    /// A sealed block from another node. The driver has checked it; what decides about finality is
    /// checked once more here.
    pub(super) fn on_finalised(&mut self, block: Arc<Block>, seals: Vec<Seal>) {
        let number = block.number();
        if number > self.height.number {
            return;
        }
        if number < self.height.number || self.height.finalising.is_some() {
            self.check_conflict(&block, seals);
            return;
        }
        let validators = self.height.validators.clone();
        let Some(sealed) = self.verify_sealed(&block, &seals, &validators) else {
            self.report(Report::BadSealedBlock { block });
            return;
        };
        let listed = block.extra_data().map(|extra| extra.validators);
        let fits = block.header.parent_hash == self.head.hash.0
            && listed.is_ok_and(|listed| listed == validators.as_slice());
        if !fits {
            self.report(Report::BadSealedBlock { block });
            return;
        }
        let hash = block.hash();
        self.finalise(&block, hash, sealed, None, false);
    }

    /// Round, digest and signers of a block that carries the seals of a quorum of `validators`, no
    /// signer twice, no outsider.
    fn verify_sealed(
        &self,
        block: &Block,
        seals: &[Seal],
        validators: &ValidatorSet,
    ) -> Option<Sealed> {
        let round = block.extra_data().ok()?.round;
        let digest = block.digest().ok()?;
        if seals.len() > validators.len() || seals.len() < quorum(validators.len()) {
            return None;
        }
        let mut authors = BTreeSet::new();
        let mut sealed = Vec::with_capacity(seals.len());
        for seal in seals {
            let author = self.crypto.recover_seal(digest, seal)?;
            if !validators.contains(&author) || !authors.insert(author) {
                return None;
            }
            sealed.push((author, *seal));
        }
        Some((round, digest, sealed))
    }

    /// A second block at a final height. With a valid quorum of seals it is evidence. If more
    /// members of the present set sealed both than may be faulty, the chain is not safe any more
    /// and this validator signs nothing; seals of former members only raise an alarm.
    fn check_conflict(&mut self, block: &Arc<Block>, seals: Vec<Seal>) {
        let height = block.number();
        let Some(ours) = self.recent.get(height).cloned() else { return };
        if block.hash() == ours.hash || mutated!(self, ConflictIgnored) {
            return;
        }
        let Some((_, _, sealed)) = self.verify_sealed(block, &seals, &ours.validators) else {
            return;
        };
        let both: Vec<Address> = sealed
            .into_iter()
            .map(|(author, _)| author)
            .filter(|author| ours.sealed_by.contains(author))
            .collect();
        let present = self.head.state.validators();
        let guilty = both.iter().filter(|author| present.contains(author)).count();
        let stop = guilty > byzantine(present.len()) || mutated!(self, AnyConflictStops);
        if mutated!(self, FinalBlockReplaced) {
            let round = block.extra_data().map_or(0, |extra| extra.round);
            let block = block.clone();
            self.effects.push(Effect::Finalise { after: None, block, seals, round });
            return;
        }
        self.stopped |= stop;
        self.report(Report::ConflictingBlock {
            height,
            ours: ours.hash,
            other: block.clone(),
            seals,
            both,
            stop,
        });
    }

    /// A Commit for a final block: its seal is added to the header, one per address. Returns
    /// whether it was such a Commit and new.
    pub(super) fn late_seal(&mut self, author: Address, signed: &Signed<CommitPayload>) -> bool {
        let payload = &signed.payload;
        let Some(block) = self.recent.get(payload.id.height) else { return false };
        let fits = block.round == payload.id.round
            && block.digest == payload.digest
            && block.validators.contains(&author)
            && !block.sealed_by.contains(&author);
        let is_own = validate_commit_seal(payload, author, &self.crypto).is_ok();
        if !fits || !(is_own || mutated!(self, LateSealUnchecked)) {
            return false;
        }
        self.recent.add_seal(payload.id.height, author);
        self.effects
            .push(Effect::AddSeals { height: payload.id.height, seals: vec![payload.seal] });
        true
    }

    /// Whether `accepted` is known to be sealed by a quorum although it is not accepted here yet,
    /// so that whoever delivered a Commit for it may have the block.
    pub(super) fn missing_proposal_of_quorum(&self) -> bool {
        let round = self.height.round.number;
        let accepted: Option<&Accepted> = self.height.round.accepted.as_ref();
        accepted.is_none()
            && self.height.inbox.commits.count(round, |_, _| true) >= self.height.quorum()
    }

    /// Asks a peer for the blocks that are missing here.
    pub(super) fn fetch_from(&mut self, peer: PeerId) {
        if self.height.finalising.is_some() || mutated!(self, NoCatchUp) {
            return;
        }
        self.fetched_from = Some(peer);
        self.effects.push(Effect::FetchBlocks { from: self.height.number, peer });
    }
}
