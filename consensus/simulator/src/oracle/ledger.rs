//! Every signature of an honest validator (S6, S7).
//!
//! Per height and round there is at most one content of each kind, Proposal, Prepare and Commit
//! carry one digest, rounds only rise, and after a RoundChange nothing is signed for a round below
//! its target. The exception is a Commit for a block that the validator has already stored: it adds
//! a seal to a block that cannot change any more.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, keccak256};

use super::wire::{Kind, Signed};

/// What one validator signed in one round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry {
    contents: [Option<B256>; 4],
}

impl Entry {
    /// The digest of Proposal, Prepare and Commit, if one of them was signed.
    pub fn digest(&self) -> Option<B256> {
        self.contents[..3].iter().find_map(|content| *content)
    }
}

/// The signatures of all honest validators.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    entries: BTreeMap<(u64, u32, Address), Entry>,
    position: BTreeMap<Address, (u64, u32)>,
}

impl Ledger {
    /// Notes that `author` signed this. Returns whether it is new.
    ///
    /// `stored` is the digest with which the author has stored this height in this round, if any.
    ///
    /// # Errors
    /// The invariant that this signature breaks, and how.
    pub fn note(
        &mut self,
        author: Address,
        signed: &Signed,
        stored: Option<B256>,
    ) -> Result<bool, (&'static str, String)> {
        let place = (signed.height, signed.round);
        let slot = signed.kind.code() as usize;
        let content = match (signed.kind, signed.digest) {
            // The seal is part of what is said.
            (Kind::Commit | Kind::RoundChange, _) | (_, None) => keccak256(&signed.payload),
            (_, Some(digest)) => digest,
        };
        let content =
            if signed.kind == Kind::Commit { signed.digest.unwrap_or(content) } else { content };
        let entry = self.entries.entry((place.0, place.1, author)).or_default();
        match entry.contents[slot] {
            Some(before) if before == content => return Ok(false),
            Some(before) => {
                return Err((
                    "S6",
                    format!("{:?} {place:?} of {author} says {before} and {content}", signed.kind),
                ));
            }
            None => {}
        }
        if signed.kind != Kind::RoundChange
            && let Some(digest) = entry.digest()
            && digest != content
        {
            return Err((
                "S7",
                format!("{:?} {place:?} of {author} for {content} beside {digest}", signed.kind),
            ));
        }
        entry.contents[slot] = Some(content);
        let late = signed.kind == Kind::Commit && stored == signed.digest && stored.is_some();
        let position = self.position.entry(author).or_default();
        if place < *position && !late {
            return Err((
                "S7",
                format!("{:?} {place:?} of {author} after it was at {position:?}", signed.kind),
            ));
        }
        *position = place.max(*position);
        Ok(true)
    }

    /// Forgets what `author` signed at a place and above it.
    pub fn forget_from(&mut self, author: Address, place: (u64, u32)) {
        self.entries.retain(|(height, round, who), _| *who != author || (*height, *round) < place);
        self.position.insert(author, (0, 0));
    }

    /// The highest round below `round` in which `author` signed a Commit at `height`.
    pub fn committed_below(&self, author: Address, height: u64, round: u32) -> Option<u32> {
        self.entries
            .range((height, 0, Address::ZERO)..(height, round, Address::ZERO))
            .rev()
            .find(|((_, _, who), entry)| {
                *who == author && entry.contents[Kind::Commit.code() as usize].is_some()
            })
            .map(|((_, round, _), _)| *round)
    }

    /// The highest round that somebody has asked for at a height.
    pub fn highest_round(&self, height: u64) -> u32 {
        let of_height = (height, 0, Address::ZERO)..(height + 1, 0, Address::ZERO);
        let asked = |entry: &Entry| entry.contents[Kind::RoundChange.code() as usize].is_some();
        let mut entries = self.entries.range(of_height).rev();
        entries.find(|(_, entry)| asked(entry)).map_or(0, |((_, round, _), _)| *round)
    }

    /// Digests that honest validators signed at a height in rounds above `round`.
    pub fn above(
        &self,
        height: u64,
        round: u32,
    ) -> impl Iterator<Item = (u32, Address, B256)> + '_ {
        let from = (height, round.saturating_add(1), Address::ZERO);
        self.entries
            .range(from..(height + 1, 0, Address::ZERO))
            .filter_map(|((_, round, who), entry)| Some((*round, *who, entry.digest()?)))
    }

    /// Drops what stands below `height`.
    pub fn prune(&mut self, height: u64) {
        self.entries = self.entries.split_off(&(height, 0, Address::ZERO));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn signed(kind: Kind, height: u64, round: u32, digest: u8) -> Signed {
        Signed {
            kind,
            height,
            round,
            digest: (kind != Kind::RoundChange).then(|| B256::repeat_byte(digest)),
            seal: None,
            certificate: None,
            payload: vec![digest],
            signature: [0; 65],
        }
    }

    fn name(result: Result<bool, (&'static str, String)>) -> &'static str {
        result.unwrap_err().0
    }

    #[test]
    fn one_content_of_a_kind() {
        let mut ledger = Ledger::default();
        let author = Address::with_last_byte(1);
        assert!(ledger.note(author, &signed(Kind::Prepare, 1, 0, 5), None).unwrap());
        assert!(!ledger.note(author, &signed(Kind::Prepare, 1, 0, 5), None).unwrap());
        assert_eq!(name(ledger.note(author, &signed(Kind::Prepare, 1, 0, 6), None)), "S6");
        assert_eq!(name(ledger.note(author, &signed(Kind::Commit, 1, 0, 6), None)), "S7");
        let other = Address::with_last_byte(2);
        assert!(ledger.note(other, &signed(Kind::Prepare, 1, 0, 6), None).unwrap());
    }

    #[test]
    fn rounds_only_rise_except_for_late_commits() {
        let mut ledger = Ledger::default();
        let author = Address::with_last_byte(1);
        assert!(ledger.note(author, &signed(Kind::RoundChange, 1, 3, 5), None).unwrap());
        assert_eq!(name(ledger.note(author, &signed(Kind::Commit, 1, 2, 5), None)), "S7");
        let stored = Some(B256::repeat_byte(5));
        assert!(ledger.note(author, &signed(Kind::Commit, 1, 1, 5), stored).unwrap());
        assert_eq!(name(ledger.note(author, &signed(Kind::Prepare, 1, 2, 5), stored)), "S7");
    }
}
