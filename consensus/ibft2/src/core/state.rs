//! The core itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::{Address, B256, keccak256};
use alloy_rlp::Encodable;

use super::{
    clock::{HeightTimes, base_ms},
    config::{Config, Start, StoredRecord},
    doubt::{Doubt, Peer},
    effect::{DoubtCause, Effect, PersistToken, Report},
    future::FutureMessages,
    height::{Head, Height},
    input::{Input, Now, PeerId, RequestId, TimerId},
    recent::RecentBlocks,
    round::Held,
    signing::{InFlight, LateCommit},
};
use crate::{
    crypto::Crypto,
    hash::BlockHash,
    header::IbftHeader,
    messages::{Block, MessageKind, PreparedCertificate, RoundId, SigningDomain},
    seal::Seal,
    sign_state::{Mark, SignRecord},
    validators::{ValidatorSet, ValidatorState},
    votes::Wishes,
};

/// What a core holds of others' messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Buffered {
    /// Messages of the running and of later heights.
    pub messages: usize,
    /// Bytes of the blocks in them.
    pub bytes: usize,
    /// Different rounds of the running height of which there are messages.
    pub rounds: usize,
    /// Later heights of which there are messages.
    pub heights: usize,
}

/// The consensus of one node.
#[derive(Debug, Clone)]
pub struct Core<C> {
    pub(super) config: Config,
    pub(super) crypto: C,
    pub(super) domain: SigningDomain,
    pub(super) local: Address,

    pub(super) head: Head,
    pub(super) height: Height,
    pub(super) future: FutureMessages,
    pub(super) recent: RecentBlocks,

    pub(super) record: SignRecord,
    /// Blocks that the newest record names.
    pub(super) named: Vec<BlockHash>,
    /// Blocks that the record named at the start.
    pub(super) stored_blocks: BTreeMap<BlockHash, Arc<Block>>,
    pub(super) last_token: PersistToken,
    pub(super) durable: PersistToken,
    pub(super) signing: Option<InFlight>,
    pub(super) late: Option<LateCommit>,
    /// Own late seals whose record is not durable yet.
    pub(super) own_seals: BTreeMap<PersistToken, (u64, Seal)>,
    /// The signer gave a wrong signature.
    pub(super) signer_failed: bool,

    pub(super) doubt: Doubt,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    /// When the newest block from sync was stored.
    pub(super) synced_at: u64,
    pub(super) fetched_from: Option<PeerId>,

    pub(super) wishes: Wishes,
    pub(super) forced: BTreeSet<Address>,
    pub(super) last_vote: Option<Address>,

    /// When each message was relayed last.
    pub(super) relayed: BTreeMap<(Address, MessageKind, RoundId, B256), u64>,
    pub(super) relay_budget: BTreeMap<Address, u32>,
    /// When each author was answered last.
    pub(super) answered: BTreeMap<Address, u64>,
    /// Authors whose contradiction was reported in this height.
    pub(super) accused: BTreeSet<Address>,

    /// Finality is broken: nothing is signed any more.
    pub(super) stopped: bool,
    pub(super) stop_proposing: bool,
    next_request: u64,
    pub(super) now: Now,
    pub(super) effects: Vec<Effect>,
}

impl<C: Crypto> Core<C> {
    /// Starts after the newest stored block, in the round in which the sign state ends. Returns what
    /// is to be done first.
    pub fn new(config: Config, crypto: C, start: Start, now: Now) -> (Self, Vec<Effect>) {
        let Start { parent, validators, local, record, blocks, store_sequence, .. } = start;
        let (mut record, mut found) = open(record, &config, local);
        if found.is_none() && record.sequence < store_sequence {
            found = Some(DoubtCause::BehindStore);
        }
        // The next record has to be newer than any that the database may name.
        record.sequence = record.sequence.max(store_sequence);
        #[cfg(feature = "mutants")]
        forget(&config, &mut record, &mut found);
        #[cfg(feature = "mutants")]
        let validators = without_override(&config, &parent, validators);
        let head = Head::new(parent, validators);
        let times = HeightTimes::new(&config.schedule, &head.header, now);
        let mut this = Self {
            domain: config.domain(),
            height: Height::new(&local, &head, times),
            head,
            future: FutureMessages::default(),
            recent: RecentBlocks::default(),
            named: record.blocks(),
            record,
            stored_blocks: Self::index_blocks(blocks),
            last_token: PersistToken(0),
            durable: PersistToken(0),
            signing: None,
            late: None,
            own_seals: BTreeMap::new(),
            signer_failed: false,
            doubt: Doubt::default(),
            peers: BTreeMap::new(),
            synced_at: now.mono_ms,
            fetched_from: None,
            wishes: start.wishes,
            forced: start.forced.into_iter().collect(),
            last_vote: None,
            relayed: BTreeMap::new(),
            relay_budget: BTreeMap::new(),
            answered: BTreeMap::new(),
            accused: BTreeSet::new(),
            stopped: false,
            stop_proposing: false,
            next_request: 0,
            now,
            effects: Vec::new(),
            config,
            crypto,
            local,
        };
        this.warn_of_few_validators();
        this.examine_record(found, start.was_validator);
        this.start_height();
        this.set_resend_timer();
        this.apply_rules();
        let effects = std::mem::take(&mut this.effects);
        (this, effects)
    }

    /// Takes what happened and returns what is to be done, in order.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.now = now;
        match input {
            Input::Message { peer, bytes } => self.on_bytes(peer, &bytes),
            Input::Timer { id } => self.on_timer(id),
            Input::BlockBuilt { request, block } => self.on_block_built(request, block),
            Input::BlockChecked { request, verdict } => self.on_block_checked(request, verdict),
            Input::Signed { request, signature } => self.on_signed(request, signature),
            Input::Durable { token } => self.on_durable(token),
            Input::Stored { height } => self.on_stored(height),
            Input::Finalised { block, seals } => self.on_finalised(block, seals),
            Input::WorkPending => self.height.work = true,
            Input::PeerConnected { peer, validator, head, mark } => {
                self.on_connected(peer, validator, head, mark);
            }
            Input::PeerHead { peer, head } => self.hint(peer, head.min(self.head.header.number)),
            Input::PeerDisconnected { peer } => self.on_disconnected(peer),
            Input::Vote { subject, wish } => self.on_wish(subject, wish),
        }
        self.apply_rules();
        std::mem::take(&mut self.effects)
    }

    fn on_timer(&mut self, id: TimerId) {
        match id {
            TimerId::Block(id) => self.on_block_timer(id),
            TimerId::EmptyBlock(id) => self.on_empty_timer(id),
            TimerId::Round(id) => self.on_round_timer(id),
            TimerId::Resend => self.on_resend_timer(),
            TimerId::Witness => self.on_witness_timer(),
        }
    }

    /// Applies the rules until none has anything to do. Each of them moves the state forward (a
    /// higher round, one more thing accepted, prepared, signed or final), so this ends.
    fn apply_rules(&mut self) {
        self.review_witnesses();
        self.review_doubt();
        loop {
            if self.follow_others() {
                continue;
            }
            self.start_round_timer();
            let changed = self.propose()
                || self.accept()
                || self.become_prepared()
                || self.finalise_round()
                || self.sign_next();
            if !changed {
                return;
            }
        }
    }

    pub(super) fn next_request(&mut self) -> RequestId {
        self.next_request = self.next_request.saturating_add(1);
        RequestId(self.next_request)
    }

    pub(super) fn report(&mut self, report: Report) {
        self.effects.push(Effect::Report(Box::new(report)));
    }

    /// `requesttimeoutseconds` in milliseconds.
    pub(super) fn base_ms(&self) -> u64 {
        base_ms(&self.config.schedule)
    }

    /// Proposes nothing any more: the process is about to stop.
    pub const fn stop_proposing(&mut self) {
        self.stop_proposing = true;
    }
}

/// The record to go on with, and what is wrong with the one that was found.
fn open(record: StoredRecord, config: &Config, local: Address) -> (SignRecord, Option<DoubtCause>) {
    let first = SignRecord::first(config.genesis_hash, local);
    match record {
        StoredRecord::Missing => (first, Some(DoubtCause::Missing)),
        StoredRecord::Damaged => (first, Some(DoubtCause::Damaged)),
        StoredRecord::Present(record) => {
            if record.genesis_hash == config.genesis_hash && record.validator == local {
                (*record, None)
            } else {
                (first, Some(DoubtCause::Damaged))
            }
        }
    }
}

/// The seeded bug that an override of the validators after the newest block is not seen.
#[cfg(feature = "mutants")]
fn without_override(
    config: &Config,
    parent: &IbftHeader,
    validators: ValidatorState,
) -> ValidatorState {
    let next = parent.number.saturating_add(1);
    let is_on = config.mutant == Some(super::mutants::Mutant::OverrideIgnored);
    match crate::extra_data::ExtraData::decode(&parent.extra_data) {
        Ok(extra) if is_on && config.schedule.validators_at(next).is_some() => {
            ValidatorState::new(extra.validators.into_iter().collect())
        }
        _ => validators,
    }
}

/// Seeded bugs of a restart.
#[cfg(feature = "mutants")]
fn forget(config: &Config, record: &mut SignRecord, found: &mut Option<DoubtCause>) {
    use super::mutants::Mutant;
    match config.mutant {
        Some(Mutant::OldRecordAccepted) if *found == Some(DoubtCause::BehindStore) => *found = None,
        Some(Mutant::MissingRecordAccepted) => *found = None,
        Some(Mutant::RecordForgottenOnRestart) => {
            let sequence = record.sequence;
            *record = SignRecord::first(record.genesis_hash, record.validator);
            record.sequence = sequence;
            *found = None;
        }
        _ => {}
    }
}

/// What observers may see.
impl<C: Crypto> Core<C> {
    /// Number of the block that is agreed on.
    pub const fn height(&self) -> u64 {
        self.height.number
    }

    /// The running round.
    pub const fn round(&self) -> u32 {
        self.height.round.number
    }

    /// The newest stored header.
    pub const fn head(&self) -> &IbftHeader {
        &self.head.header
    }

    /// Validators of the running height, to whom messages go.
    pub fn validators(&self) -> &ValidatorSet {
        &self.height.validators
    }

    /// Validators and votes after the newest stored block.
    pub const fn validator_state(&self) -> &ValidatorState {
        &self.head.state
    }

    /// The sign state, including what is not durable yet.
    pub const fn record(&self) -> &SignRecord {
        &self.record
    }

    /// The highest thing seen signed by `validator`, to be told to it when it connects.
    pub fn mark_of(&self, validator: &Address) -> Option<Mark> {
        self.record.marks().get(validator).cloned()
    }

    /// Whether nothing is signed because of an uncertain past.
    pub const fn in_doubt(&self) -> bool {
        self.doubt.is_in_doubt()
    }

    /// The own highest certificate of the running height, with its block.
    pub fn prepared_certificate(&self) -> Option<(&PreparedCertificate, &Arc<Block>)> {
        let held: Option<&Held> = self.height.certificate.as_ref();
        held.map(|held| (held.certificate.as_ref(), &held.block))
    }

    /// Whether a block of the running height is final and waits to be stored.
    pub const fn is_finalising(&self) -> bool {
        self.height.finalising.is_some()
    }

    /// Members of the running height of which no Commit of the running round is known: who is
    /// missing when a chain stands still.
    pub fn missing(&self) -> Vec<Address> {
        let (round, commits) = (self.height.round.number, &self.height.inbox.commits);
        let is_missing = |author: &&Address| commits.get(author, round).is_none();
        self.height.validators.iter().filter(is_missing).copied().collect()
    }

    /// Members of the running height whose Prepare of the running round is known.
    pub fn prepared_by(&self) -> Vec<Address> {
        let (round, prepares) = (self.height.round.number, &self.height.inbox.prepares);
        prepares.of_round(round).into_iter().map(|(author, _)| author).collect()
    }

    /// Whether the running height has not begun: no proposal is accepted, nothing is final.
    pub const fn is_between_blocks(&self) -> bool {
        self.height.round.accepted.is_none() && self.height.finalising.is_none()
    }

    /// What is held of others' messages.
    pub fn buffered(&self) -> Buffered {
        let inbox = &self.height.inbox;
        let rounds: BTreeSet<u32> = inbox
            .prepares
            .rounds()
            .chain(inbox.commits.rounds())
            .chain(inbox.round_changes.rounds())
            .collect();
        let messages = [
            inbox.prepares.len(),
            inbox.commits.len(),
            inbox.round_changes.len(),
            self.future.len(),
        ];
        let copies = self.height.round.candidates.iter();
        let copies = copies.map(|candidate| candidate.proposal.block.length());
        let bytes = [inbox.block_bytes(), self.future.block_bytes()];
        Buffered {
            messages: messages.into_iter().fold(0, usize::saturating_add),
            bytes: bytes.into_iter().chain(copies).fold(0, usize::saturating_add),
            rounds: rounds.len(),
            heights: self.future.heights(),
        }
    }
}

impl<C: Crypto + Clone + core::fmt::Debug> Core<C> {
    /// A digest of everything but the time of the newest input, to compare states.
    pub fn state_digest(&self) -> B256 {
        let mut state = self.clone();
        state.now = Now::default();
        keccak256(format!("{state:?}"))
    }
}
