//! Whether certificates and proposals are valid (S8, S9, S10), decided a second time.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};

use super::{
    header,
    members::Members,
    sizes,
    wire::{Certificate, Kind, Message, Signed},
};
use crate::keys::Recovery;

/// What validity at a height depends on.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The height.
    pub height: u64,
    /// The set after the parent.
    pub members: &'a Members,
    /// The creator of the parent.
    pub creator: Address,
    /// Recovery of authors.
    pub recovery: Recovery,
    /// What signatures cover beside the payload.
    pub domain: &'a [u8],
}

impl Setting<'_> {
    /// The author of a payload.
    pub fn author(&self, signed: &Signed) -> Option<Address> {
        self.recovery.recover(&signed.signing_hash(self.domain), &signed.signature)
    }

    /// Why a certificate does not prove that its round was prepared.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn certificate(&self, certificate: &Certificate) -> Result<(), String> {
        let proposal = &certificate.proposal;
        let place = (proposal.height, proposal.round);
        if proposal.height != self.height {
            return Err(format!("certificate of height {}", proposal.height));
        }
        let turn = self.members.proposer(self.creator, proposal.round);
        let author = self.author(proposal);
        if author.is_none() || author != turn {
            return Err(format!("proposal {place:?} by {author:?}, the turn was {turn:?}"));
        }
        let mut seen = BTreeSet::new();
        for prepare in &certificate.prepares {
            let who = self.author(prepare).ok_or("prepare without author")?;
            if (prepare.height, prepare.round) != place || prepare.digest != proposal.digest {
                return Err(format!("prepare of {who} for something else"));
            }
            if Some(who) == turn || !self.members.contains(&who) || !seen.insert(who) {
                return Err(format!("prepare of {who}: proposer, stranger or twice"));
            }
        }
        if seen.len() < sizes::prepares(self.members.len()) {
            return Err(format!("{} prepares", seen.len()));
        }
        Ok(())
    }

    /// Why the justification of a proposal does not allow its block. The block itself (execution,
    /// header rules) is not looked at.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn proposal(&self, message: &Message) -> Result<(), String> {
        let signed = &message.signed;
        let (Some(view), Some(bytes)) = (&message.block, &message.header) else {
            return Err("no block".into());
        };
        if signed.kind != Kind::Proposal || signed.height != self.height {
            return Err("not a proposal of this height".into());
        }
        let turn = self.members.proposer(self.creator, signed.round);
        if turn.is_none() || self.author(signed) != turn {
            return Err("not the proposer".into());
        }
        if signed.digest != Some(view.digest)
            || view.number != self.height
            || view.round != signed.round
        {
            return Err("digest, number or round of the block".into());
        }
        match (signed.round, &message.round_changes) {
            (0, None) => Ok(()),
            (0, Some(_)) | (_, None) => Err("justification".into()),
            (round, Some(entries)) => match self.carried(round, entries)? {
                None => Ok(()),
                Some((round, digest)) => {
                    let same = header::digest_in_round(bytes, round) == Some(digest);
                    same.then_some(()).ok_or_else(|| "not the certified block".into())
                }
            },
        }
    }

    /// Round and digest of the highest certificate among the round changes to `target`.
    fn carried(&self, target: u32, entries: &[Signed]) -> Result<Option<(u32, B256)>, String> {
        let mut authors = BTreeSet::new();
        let mut highest: Option<(u32, B256)> = None;
        for entry in entries {
            let who = self.author(entry).ok_or("round change without author")?;
            if (entry.height, entry.round) != (self.height, target)
                || !self.members.contains(&who)
                || !authors.insert(who)
            {
                return Err(format!("round change of {who}"));
            }
            if let Some(certificate) = &entry.certificate {
                self.certificate(certificate)?;
                let round = certificate.proposal.round;
                if round >= target {
                    return Err("certificate of a round that is not lower".into());
                }
                let digest = certificate.proposal.digest.unwrap_or_default();
                if highest.is_none_or(|(before, _)| round > before) {
                    highest = Some((round, digest));
                }
            }
        }
        if authors.len() < sizes::quorum(self.members.len()) {
            return Err(format!("{} round changes", authors.len()));
        }
        Ok(highest)
    }
}
