//! The judge of a run: collects what honest nodes finalise, sign and send, and names the first
//! invariant that is broken.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use alloy_primitives::{Address, B256};

use super::{
    header::View,
    justify::Setting,
    ledger::Ledger,
    members::{Members, Rules},
    sizes,
    wire::{Certificate, Kind, Message, Signed},
};
use crate::keys::Recovery;

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name, such as `S1`.
    pub invariant: &'static str,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)
    }
}

/// Result of a check.
pub type Checked = Result<(), Violation>;

/// A violation of `invariant`.
pub fn broken<T>(invariant: &'static str, text: impl Into<String>) -> Result<T, Violation> {
    debug_assert!(super::INVARIANTS.iter().any(|(name, ..)| *name == invariant), "{invariant}");
    Err(Violation { invariant, text: text.into() })
}

/// What is fixed for a chain.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Epochs and overrides.
    pub rules: Rules,
    /// Header of block 0.
    pub genesis: View,
    /// Least distance of two blocks' timestamps in seconds, by the first block for which it holds.
    pub periods: BTreeMap<u64, u64>,
    /// Recovery of authors.
    pub recovery: Recovery,
    /// What message signatures cover beside the payload.
    pub domain: Vec<u8>,
    /// The vanity of every block, on chains with bound signatures.
    pub vanity: Option<B256>,
}

/// A block that an honest node finalised.
#[derive(Debug, Clone)]
struct Final {
    view: Arc<View>,
    /// The set after it.
    members: Arc<Members>,
    /// The lowest round in which an honest node finalised it.
    round: Option<u32>,
    /// Seal digest by round, of the rounds in which it was finalised.
    digests: BTreeMap<u32, B256>,
}

/// Everything that the invariants need to know of a run.
#[derive(Debug, Clone)]
pub struct Judge {
    chain: Chain,
    blocks: BTreeMap<u64, Final>,
    /// Hashes of the chain of each node, from height 0.
    shadows: BTreeMap<usize, Vec<B256>>,
    /// What honest validators signed.
    pub ledger: Ledger,
    hash_of: BTreeMap<B256, (u64, B256)>,
    prepared: BTreeMap<(u64, u32), B256>,
    /// Proposals by height and digest, until one is found to be justified.
    open: BTreeMap<(u64, B256), Vec<Message>>,
    justified: BTreeSet<(u64, B256)>,
    proposed: BTreeMap<(u64, u32), Vec<B256>>,
    checked: BTreeMap<B256, bool>,
}

impl Judge {
    /// A judge of a chain that has its genesis only.
    pub fn new(chain: Chain) -> Self {
        let members = Arc::new(Members::genesis(&chain.rules, &chain.genesis.validators));
        let first = Final {
            view: Arc::new(chain.genesis.clone()),
            members,
            round: None,
            digests: BTreeMap::new(),
        };
        Self {
            chain,
            blocks: BTreeMap::from([(0, first)]),
            shadows: BTreeMap::new(),
            ledger: Ledger::default(),
            hash_of: BTreeMap::new(),
            prepared: BTreeMap::new(),
            open: BTreeMap::new(),
            justified: BTreeSet::new(),
            proposed: BTreeMap::new(),
            checked: BTreeMap::new(),
        }
    }

    /// Height of the highest block that an honest node finalised.
    pub fn head(&self) -> u64 {
        self.blocks.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// The set in force at `height`, if the block before it is final.
    pub fn members_at(&self, height: u64) -> Option<Arc<Members>> {
        let parent = self.blocks.get(&height.checked_sub(1)?)?;
        Some(Arc::clone(&parent.members))
    }

    /// Whose turn a round is, if the block before it is final.
    pub fn proposer(&self, height: u64, round: u32) -> Option<Address> {
        let parent = self.blocks.get(&height.checked_sub(1)?)?;
        parent.members.proposer(parent.view.coinbase, round)
    }

    /// Time of the block that is final at `height`, in seconds.
    pub fn timestamp(&self, height: u64) -> Option<u64> {
        self.blocks.get(&height).map(|block| block.view.timestamp)
    }

    /// Whether a round of a height in this range was prepared.
    pub fn is_prepared(&self, height: u64, rounds: std::ops::Range<u32>) -> bool {
        self.prepared.range((height, rounds.start)..(height, rounds.end)).next().is_some()
    }

    /// The hash finalised at `height`.
    pub fn final_hash(&self, height: u64) -> Option<B256> {
        self.blocks.get(&height).map(|block| block.view.hash)
    }

    /// What a height is judged by, if the block before it is final.
    fn setting(&self, height: u64) -> Option<Setting<'_>> {
        let parent = self.blocks.get(&height.checked_sub(1)?)?;
        Some(Setting {
            height,
            members: &parent.members,
            creator: parent.view.coinbase,
            recovery: self.chain.recovery,
            domain: &self.chain.domain,
        })
    }

    /// The author of a payload.
    pub fn author(&self, signed: &Signed) -> Option<Address> {
        self.chain.recovery.recover(&signed.signing_hash(&self.chain.domain), &signed.signature)
    }

    /// An honest node has finalised this header (S1, S2, S5, S10, S12).
    ///
    /// # Errors
    /// What is broken.
    pub fn finalised(&mut self, node: usize, view: &View) -> Checked {
        self.shadow(node, view)?;
        self.seals(view)?;
        match self.blocks.get_mut(&view.number) {
            Some(known) if known.view.hash != view.hash => {
                return broken(
                    "S1",
                    format!(
                        "height {}: node {node} has {} (round {}), another {} (round {})",
                        view.number, view.hash, view.round, known.view.hash, known.view.round
                    ),
                );
            }
            Some(known) => {
                known.round = Some(known.round.map_or(view.round, |round| round.min(view.round)));
                known.digests.insert(view.round, view.digest);
            }
            None => self.extend(view)?,
        }
        self.locked(view)
    }

    /// S2: the chain of a node only grows, by one block at a time.
    fn shadow(&mut self, node: usize, view: &View) -> Checked {
        let genesis = self.chain.genesis.hash;
        let shadow = self.shadows.entry(node).or_insert_with(|| vec![genesis]);
        let height = usize::try_from(view.number).unwrap_or(usize::MAX);
        match shadow.get(height) {
            Some(before) if *before != view.hash => broken(
                "S2",
                format!("node {node} replaced {before} by {} at height {height}", view.hash),
            ),
            Some(_) => Ok(()),
            None if height != shadow.len() => broken(
                "S2",
                format!("node {node} finalised {height} on a chain of {}", shadow.len() - 1),
            ),
            None => {
                shadow.push(view.hash);
                Ok(())
            }
        }
    }

    /// S5: every seal is by a member, no two by one, and they are a quorum.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn seals(&self, view: &View) -> Checked {
        let Some(members) = self.members_at(view.number) else {
            return broken("S2", format!("height {} without its parent", view.number));
        };
        let mut signers: Vec<Address> = Vec::new();
        for seal in &view.seals {
            match self.chain.recovery.recover(&view.digest, seal) {
                Some(who) if members.contains(&who) && !signers.contains(&who) => signers.push(who),
                who => {
                    return broken(
                        "S5",
                        format!("height {}: seal of {who:?}, stranger or twice", view.number),
                    );
                }
            }
        }
        let needed = sizes::quorum(members.len());
        if signers.len() < needed {
            return broken(
                "S5",
                format!("height {}: {} seals of {needed}", view.number, signers.len()),
            );
        }
        Ok(())
    }

    /// The first time a height is finalised: the header must follow from the chain (S12).
    fn extend(&mut self, view: &View) -> Checked {
        let Some(parent) = self.blocks.get(&(view.number - 1)) else {
            return broken("S2", format!("height {} without its parent", view.number));
        };
        if view.parent != parent.view.hash {
            return broken("S1", format!("height {} on another parent", view.number));
        }
        if view.validators != parent.members.list() {
            return broken("S12", format!("height {} lists {:?}", view.number, view.validators));
        }
        if !parent.members.contains(&view.coinbase) {
            return broken("S12", format!("height {} by stranger {}", view.number, view.coinbase));
        }
        // The creator proposed it first in a round of its own; the block may be final in a later one.
        let turn = |round| parent.members.proposer(parent.view.coinbase, round);
        let rounds = view.round.min(u32::try_from(parent.members.len()).unwrap_or(u32::MAX));
        if !(0..=rounds).any(|round| turn(round) == Some(view.coinbase)) {
            return broken(
                "S12",
                format!(
                    "height {}: {} had no turn up to {}",
                    view.number, view.coinbase, view.round
                ),
            );
        }
        if let Some(vanity) = &self.chain.vanity
            && view.vanity != vanity.as_slice()
        {
            return broken("S11", format!("height {} is not bound to the chain", view.number));
        }
        let period = self.chain.periods.range(..=view.number).next_back();
        if view.timestamp < parent.view.timestamp + period.map_or(0, |(_, period)| *period) {
            return broken("S4", format!("height {} is too early", view.number));
        }
        let members = parent.members.after(&self.chain.rules, view);
        if members.is_empty() {
            return broken("S12", format!("nobody left after height {}", view.number));
        }
        let block = Final {
            view: Arc::new(view.clone()),
            members: Arc::new(members),
            round: Some(view.round),
            digests: BTreeMap::from([(view.round, view.digest)]),
        };
        self.blocks.insert(view.number, block);
        let old = view.number.saturating_sub(80);
        self.ledger.prune(old);
        self.prepared = self.prepared.split_off(&(old, 0));
        self.proposed = self.proposed.split_off(&(old, 0));
        self.open = self.open.split_off(&(view.number, B256::ZERO));
        self.justified = self.justified.split_off(&(old, B256::ZERO));
        Ok(())
    }

    /// S10 at the moment of a finalisation: nothing else was signed or validly proposed above it.
    fn locked(&self, view: &View) -> Checked {
        let place = (view.number, view.round);
        for (round, who, digest) in self.ledger.above(view.number, view.round) {
            match self.hash_of.get(&digest) {
                Some((_, hash)) if *hash != view.hash => {
                    return broken(
                        "S10",
                        format!("{place:?} final, {who} signed {hash} in round {round}"),
                    );
                }
                _ => {}
            }
        }
        let above = (view.number, view.round.saturating_add(1))..(view.number + 1, 0);
        for ((_, round), hashes) in self.proposed.range(above) {
            if hashes.iter().any(|hash| *hash != view.hash) {
                return broken("S10", format!("{place:?} final, round {round} has {hashes:?}"));
            }
        }
        Ok(())
    }

    /// The block that is final in a round below `round`.
    fn lock(&self, height: u64, round: u32) -> Option<B256> {
        let block = self.blocks.get(&height)?;
        (block.round? < round).then_some(block.view.hash)
    }

    /// Any message that anybody sent (S9, S10). Call it once per message, before it is delivered.
    ///
    /// # Errors
    /// What is broken.
    pub fn seen(&mut self, message: &Message) -> Checked {
        if let Some(view) = &message.block {
            self.hash_of.insert(view.digest, (view.number, view.hash));
        }
        let height = message.signed.height;
        if message.signed.kind == Kind::Proposal
            && let Some(digest) = message.signed.digest
            && height > self.head()
            && !self.justified.contains(&(height, digest))
        {
            self.open.entry((height, digest)).or_default().push(message.clone());
        }
        if self.members_at(height).is_none() {
            return Ok(());
        }
        if let Some(certificate) = &message.signed.certificate {
            self.certificate(height, certificate)?;
        }
        for entry in message.round_changes.iter().flatten() {
            if let Some(certificate) = &entry.certificate {
                self.certificate(height, certificate)?;
            }
        }
        if message.signed.kind == Kind::Proposal && message.signed.round > 0 {
            self.justified(message)?;
        }
        Ok(())
    }

    /// S9: a second valid certificate for a round has the same digest.
    fn certificate(&mut self, height: u64, certificate: &Certificate) -> Checked {
        let Some(digest) = certificate.proposal.digest else { return Ok(()) };
        let place = (height, certificate.proposal.round);
        let known = self.prepared.get(&place).copied();
        if known == Some(digest) || certificate.proposal.height != height {
            return Ok(());
        }
        let Some(setting) = self.setting(height) else { return Ok(()) };
        if setting.certificate(certificate).is_err() {
            return Ok(());
        }
        if let Some(known) = known {
            return broken("S9", format!("{place:?} is prepared for {known} and {digest}"));
        }
        self.prepared.insert(place, digest);
        Ok(())
    }

    /// S10: a justified proposal above a final round carries the final block.
    fn justified(&mut self, message: &Message) -> Checked {
        let (signed, Some(view)) = (&message.signed, &message.block) else { return Ok(()) };
        let Some(setting) = self.setting(signed.height) else { return Ok(()) };
        if setting.proposal(message).is_err() {
            return Ok(());
        }
        if let Some(lock) = self.lock(signed.height, signed.round)
            && lock != view.hash
        {
            return broken(
                "S10",
                format!(
                    "({}, {}) proposes {} though {lock} is final",
                    signed.height, signed.round, view.hash
                ),
            );
        }
        let known = self.proposed.entry((signed.height, signed.round)).or_default();
        if !known.contains(&view.hash) {
            known.push(view.hash);
        }
        Ok(())
    }

    /// An honest validator made this signature durable or sent it (S6, S7, S8, S10). Returns whether
    /// it is new.
    ///
    /// # Errors
    /// What is broken.
    pub fn signed(&mut self, author: Address, signed: &Signed) -> Result<bool, Violation> {
        let stored = self
            .blocks
            .get(&signed.height)
            .and_then(|block| block.digests.get(&signed.round))
            .copied();
        let new = match self.ledger.note(author, signed, stored) {
            Ok(new) => new,
            Err((invariant, text)) => return broken(invariant, text),
        };
        if !new {
            return Ok(false);
        }
        if let (Kind::Proposal, Some(digest)) = (signed.kind, signed.digest) {
            // Its justification is looked at when it is sent.
            self.justified.insert((signed.height, digest));
        }
        if matches!(signed.kind, Kind::Prepare | Kind::Commit) && stored.is_none() {
            self.reasoned(author, signed)?;
        }
        if signed.kind == Kind::RoundChange
            && let Some(round) = self.ledger.committed_below(author, signed.height, signed.round)
            && signed.certificate.as_ref().is_none_or(|held| held.proposal.round < round)
        {
            return broken(
                "S10",
                format!("{author} committed in round {round} and leaves it without a certificate"),
            );
        }
        if let Some(certificate) = &signed.certificate
            && let Some(setting) = self.setting(signed.height)
            && let Err(text) = setting.certificate(certificate)
        {
            return broken("S8", format!("round change of {author}: {text}"));
        }
        if let (Some(digest), Some(lock)) = (signed.digest, self.lock(signed.height, signed.round))
            && let Some((_, hash)) = self.hash_of.get(&digest)
            && *hash != lock
        {
            return broken(
                "S10",
                format!(
                    "{author} signs {:?} ({}, {}) for {hash} though {lock} is final",
                    signed.kind, signed.height, signed.round
                ),
            );
        }
        Ok(true)
    }

    /// S8: an honest validator's proposal is allowed by its RoundChanges.
    ///
    /// # Errors
    /// If it is not.
    pub fn proposed(&self, author: Address, message: &Message) -> Checked {
        let signed = &message.signed;
        let Some(setting) = self.setting(signed.height) else { return Ok(()) };
        match setting.proposal(message) {
            Ok(()) => Ok(()),
            Err(text) => broken(
                "S8",
                format!("{author} proposes ({}, {}): {text}", signed.height, signed.round),
            ),
        }
    }

    /// S8: an honest validator prepares and commits what was proposed by whose turn it was, with
    /// RoundChanges that allow it.
    fn reasoned(&mut self, author: Address, signed: &Signed) -> Checked {
        let Some(digest) = signed.digest else { return Ok(()) };
        let key = (signed.height, digest);
        // What is final already is the matter of S10.
        if self.justified.contains(&key) || signed.height <= self.head() {
            return Ok(());
        }
        let Some(setting) = self.setting(signed.height) else { return Ok(()) };
        let mut reason = "nobody proposed it".to_owned();
        let good = self.open.get(&key).into_iter().flatten().any(|message| {
            match setting.proposal(message) {
                Ok(()) => true,
                Err(text) => {
                    reason = text;
                    false
                }
            }
        });
        if !good {
            return broken(
                "S8",
                format!(
                    "{author} signs {:?} ({}, {}): {reason}",
                    signed.kind, signed.height, signed.round
                ),
            );
        }
        self.open.remove(&key);
        self.justified.insert(key);
        Ok(())
    }

    /// Whether a signature of an honest validator is already known; a cheap filter.
    pub fn noted(&mut self, key: B256) -> bool {
        self.checked.insert(key, true).is_some()
    }
}
