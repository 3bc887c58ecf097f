//! A few cores with an immediate disk, an immediate signer and a network that delivers in order.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, keccak256};

use crate::{
    config::{ForkPoints, Ibft2Config, Ibft2Schedule},
    core::{
        Config, Core, Effect, Input, Now, PeerId, Profile, Report, RequestId, Start, StoredRecord,
        Target, TimerId, Verdict,
    },
    crypto::{Crypto, Signature65},
    extra_data::{ExtraData, Form},
    hash::BlockHash,
    header::IbftHeader,
    messages::{Block, Message, MessageKind},
    sealing::prepare_header,
    sign_state::SignRecord,
    timeout::fresh_timestamp,
    validators::{ValidatorSet, ValidatorState},
    votes::Wishes,
};

/// A keyed hash instead of a signature: `r` is the hash of address and message.
#[derive(Debug, Clone)]
pub(super) struct Hashes(Arc<Vec<Address>>);

pub(super) fn sign(address: Address, hash: &B256) -> Signature65 {
    let mut bytes = [0; 65];
    let mac = keccak256([address.as_slice(), hash.as_slice()].concat());
    bytes[1..32].copy_from_slice(&mac[1..]);
    bytes[63] = 1;
    Signature65::new(bytes).unwrap()
}

impl Crypto for Hashes {
    fn recover(&self, hash: &B256, signature: &Signature65) -> Option<Address> {
        self.0.iter().copied().find(|address| sign(*address, hash) == *signature)
    }
}

/// One node: its core, its disk and its chain.
pub(super) struct Node {
    pub(super) core: Option<Core<Hashes>>,
    pub(super) record: StoredRecord,
    pub(super) blocks: BTreeMap<BlockHash, Arc<Block>>,
    pub(super) chain: Vec<Block>,
    pub(super) timers: BTreeMap<TimerId, u64>,
    pub(super) reports: Vec<Report>,
    pub(super) sent: Vec<(Target, Message)>,
    pub(super) added_seals: BTreeMap<u64, usize>,
    /// Answers to `CheckBlock`.
    pub(super) verdict: Verdict,
    /// `BuildBlock` is not answered.
    pub(super) builds_nothing: bool,
    /// `Stored` is not said.
    pub(super) holds_store: bool,
    pub(super) sequence: u64,
    pub(super) work: bool,
}

/// A message under way.
#[derive(Debug, Clone)]
pub(super) struct InTransit {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) bytes: Bytes,
}

pub(super) struct Net {
    pub(super) config: Config,
    pub(super) members: Vec<Address>,
    pub(super) nodes: Vec<Node>,
    pub(super) transit: VecDeque<InTransit>,
    pub(super) now: Now,
    /// Nodes that are cut off.
    pub(super) cut: BTreeSet<usize>,
    /// Messages that the network loses.
    pub(super) lose: fn(&InTransit, &Message) -> bool,
}

pub(super) fn address(index: usize) -> Address {
    Address::with_last_byte(u8::try_from(index + 1).unwrap())
}

pub(super) fn genesis(members: &[Address]) -> IbftHeader {
    let extra = ExtraData { validators: members.to_vec(), ..ExtraData::default() };
    prepare_header(
        Header { timestamp: 1_000, gas_limit: 10_000_000, ..Header::default() },
        extra.encode(Form::All),
    )
}

pub(super) fn peer(index: usize) -> PeerId {
    PeerId(u64::try_from(index).unwrap())
}

impl Net {
    pub(super) fn new(n: usize) -> Self {
        Self::with_config(n, Ibft2Config { request_timeout_seconds: 2, ..Ibft2Config::default() })
    }

    pub(super) fn with_config(n: usize, config: Ibft2Config) -> Self {
        let members: Vec<_> = (0..n).map(address).collect();
        let schedule = Ibft2Schedule::new(config, vec![], &ForkPoints::default()).unwrap();
        let genesis_hash = genesis(&members).hash_slow();
        let config = Config {
            #[cfg(feature = "mutants")]
            mutant: super::seeded::mutant(),
            ..Config::new(Arc::new(schedule), 7, genesis_hash)
        };
        let mut this = Self {
            config,
            nodes: Vec::new(),
            transit: VecDeque::new(),
            now: Now { mono_ms: 0, unix_ms: 1_000_000 },
            cut: BTreeSet::new(),
            lose: |_, _| false,
            members,
        };
        for index in 0..n {
            let first = SignRecord::first(genesis_hash, this.members[index]);
            this.nodes.push(Node {
                core: None,
                record: StoredRecord::Present(Box::new(first)),
                blocks: BTreeMap::new(),
                chain: vec![Block { header: genesis(&this.members), body: Block::EMPTY_BODY }],
                timers: BTreeMap::new(),
                reports: Vec::new(),
                sent: Vec::new(),
                added_seals: BTreeMap::new(),
                verdict: Verdict::Valid,
                builds_nothing: false,
                holds_store: false,
                sequence: 0,
                work: false,
            });
        }
        this
    }

    pub(super) fn profile(mut self, profile: Profile) -> Self {
        self.config.profile = profile;
        self
    }

    /// Starts a node and connects it with all others that run.
    pub(super) fn start(&mut self, index: usize) {
        self.start_with(index, self.members.len());
    }

    /// [`Self::start`] on a chain whose first `validators` members are validators.
    pub(super) fn start_with(&mut self, index: usize, validators: usize) {
        let node = &self.nodes[index];
        let head = node.chain.last().unwrap().header.clone();
        let members = self.members.iter().take(validators).copied();
        let mut state = ValidatorState::new(members.collect());
        for block in &node.chain {
            state = ValidatorState::after_block(Some(&state), &block.header, &self.config.schedule)
                .unwrap();
        }
        let start = Start {
            was_validator: head.number > 0,
            parent: head,
            validators: state,
            local: self.members[index],
            record: node.record.clone(),
            blocks: node.blocks.values().cloned().collect(),
            store_sequence: node.sequence,
            wishes: Wishes::new(),
            forced: vec![],
        };
        let crypto = Hashes(Arc::new(self.members.clone()));
        let (core, effects) = Core::new(self.config.clone(), crypto, start, self.now);
        self.nodes[index].core = Some(core);
        self.carry_out(index, effects);
        for other in 0..self.nodes.len() {
            if other != index && self.nodes[other].core.is_some() {
                self.connect(index, other);
                self.connect(other, index);
            }
        }
    }

    pub(super) fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|index| self.start(index));
    }

    /// Tells `index` that it is connected with `other`.
    pub(super) fn connect(&mut self, index: usize, other: usize) {
        if self.cut.contains(&index) || self.cut.contains(&other) {
            return;
        }
        let core = self.nodes[other].core.as_ref().unwrap();
        let mark = core.mark_of(&self.members[index]);
        let input = Input::PeerConnected {
            peer: peer(other),
            validator: Some(self.members[other]),
            head: core.head().number,
            mark,
        };
        self.step(index, input);
    }

    pub(super) fn crash(&mut self, index: usize) {
        self.nodes[index].core = None;
        self.nodes[index].timers.clear();
        self.transit.retain(|message| message.to != index);
        for other in 0..self.nodes.len() {
            if self.nodes[other].core.is_some() {
                self.step(other, Input::PeerDisconnected { peer: peer(index) });
            }
        }
    }

    pub(super) fn step(&mut self, index: usize, input: Input) {
        let now = self.now;
        let Some(core) = self.nodes[index].core.as_mut() else { return };
        let effects = core.step(now, input);
        self.carry_out(index, effects);
    }

    fn carry_out(&mut self, index: usize, effects: Vec<Effect>) {
        let mut answers: VecDeque<Input> = VecDeque::new();
        let mut stored = Vec::new();
        for effect in effects {
            match effect {
                Effect::Sign { request, digest, .. } => {
                    let signature = sign(self.members[index], &digest);
                    answers.push_back(Input::Signed { request, signature });
                }
                Effect::Persist { token, record, block } => {
                    let decoded = SignRecord::decode(&record.encode()).unwrap();
                    assert_eq!(decoded, *record);
                    let node = &mut self.nodes[index];
                    if let Some(block) = block {
                        node.blocks.insert(block.hash(), block);
                    }
                    for name in record.blocks() {
                        assert!(node.blocks.contains_key(&name), "record names a missing block");
                    }
                    node.blocks.retain(|name, _| record.blocks().contains(name));
                    node.record = StoredRecord::Present(record);
                    answers.push_back(Input::Durable { token });
                }
                Effect::Send { to, bytes, .. } => self.send(index, to, &bytes),
                Effect::SetTimer { id, at } => {
                    self.nodes[index].timers.insert(id, at);
                }
                Effect::CancelTimer { id } => {
                    self.nodes[index].timers.remove(&id);
                }
                Effect::BuildBlock { .. } if self.nodes[index].builds_nothing => {}
                Effect::BuildBlock { request, parent, round, coinbase, extra_data, not_before } => {
                    let block = self.build(index, parent, round, coinbase, extra_data, not_before);
                    answers.push_back(Input::BlockBuilt { request, block });
                }
                Effect::CheckBlock { request, .. } => {
                    let verdict = self.nodes[index].verdict;
                    answers.push_back(Input::BlockChecked { request, verdict });
                }
                Effect::Finalise { block, seals, round, .. } => {
                    let node = &mut self.nodes[index];
                    assert_eq!(u64::try_from(node.chain.len()).unwrap(), block.number());
                    stored.push(block.sealed(round, seals).unwrap());
                }
                Effect::AddSeals { height, seals } => {
                    *self.nodes[index].added_seals.entry(height).or_default() += seals.len();
                }
                Effect::FetchBlocks { from, peer } => self.serve(peer.0, index, from),
                Effect::OfferBlock { height, peer } => {
                    let to = usize::try_from(peer.0).unwrap();
                    self.give(index, to, height);
                }
                Effect::Report(report) => self.nodes[index].reports.push(*report),
            }
        }
        for answer in answers {
            self.step(index, answer);
        }
        for block in stored {
            if self.nodes[index].holds_store {
                continue;
            }
            let height = block.number();
            let node = &mut self.nodes[index];
            if let StoredRecord::Present(record) = &node.record {
                node.sequence = record.sequence;
            }
            node.chain.push(block);
            let work = node.work;
            self.step(index, Input::Stored { height });
            if work {
                self.step(index, Input::WorkPending);
            }
        }
    }

    fn serve(&mut self, from: u64, to: usize, first: u64) {
        let from = usize::try_from(from).unwrap();
        let last = u64::try_from(self.nodes[from].chain.len()).unwrap();
        for height in first..last {
            self.give(from, to, height);
        }
    }

    /// Gives a sealed block.
    pub(super) fn give(&mut self, from: usize, to: usize, height: u64) {
        if self.cut.contains(&from) || self.cut.contains(&to) {
            return;
        }
        let Some(block) = self.nodes[from].chain.get(usize::try_from(height).unwrap()).cloned()
        else {
            return;
        };
        let seals = block.extra_data().unwrap().seals;
        self.step(to, Input::Finalised { block: Arc::new(block), seals });
    }

    pub(super) fn build(
        &self,
        index: usize,
        parent: BlockHash,
        round: u32,
        coinbase: Address,
        extra_data: Bytes,
        not_before: u64,
    ) -> Block {
        let head = self.nodes[index].chain.last().unwrap();
        assert_eq!(head.hash(), parent);
        let header = Header {
            parent_hash: parent.0,
            number: head.number() + 1,
            beneficiary: coinbase,
            timestamp: fresh_timestamp(self.now.unix_ms, round).max(not_before),
            gas_limit: 10_000_000,
            ..Header::default()
        };
        Block { header: prepare_header(header, extra_data), body: Block::EMPTY_BODY }
    }

    fn send(&mut self, from: usize, to: Target, bytes: &Bytes) {
        let message = Message::from_wire(bytes, &crate::messages::DecodeLimits::DEFAULT).unwrap();
        self.nodes[from].sent.push((to, message.clone()));
        let validators: ValidatorSet = self.nodes[from]
            .core
            .as_ref()
            .map_or_else(ValidatorSet::default, |core| core.validators().clone());
        for other in 0..self.nodes.len() {
            let receives = other != from
                && match to {
                    Target::Validators => validators.contains(&self.members[other]),
                    Target::Peer(to) => to == peer(other),
                    Target::AllBut { author, deliverer } => {
                        validators.contains(&self.members[other])
                            && self.members[other] != author
                            && deliverer != peer(other)
                    }
                };
            let in_transit = InTransit { from, to: other, bytes: bytes.clone() };
            let lost = self.cut.contains(&from)
                || self.cut.contains(&other)
                || (self.lose)(&in_transit, &message);
            if receives && !lost {
                self.transit.push_back(in_transit);
            }
        }
    }

    /// Delivers everything that is under way.
    pub(super) fn deliver(&mut self) {
        let mut left = 200_000;
        while let Some(message) = self.transit.pop_front() {
            left -= 1;
            assert!(left > 0, "messages without end");
            if self.cut.contains(&message.from) || self.cut.contains(&message.to) {
                continue;
            }
            let input = Input::Message { peer: peer(message.from), bytes: message.bytes };
            self.step(message.to, input);
        }
    }

    /// Lets time pass, in steps of the next timer.
    pub(super) fn run(&mut self, ms: u64) {
        let end = self.now.mono_ms + ms;
        self.deliver();
        loop {
            let next = self.nodes.iter().flat_map(|node| node.timers.values()).min().copied();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.pass_to(at.max(self.now.mono_ms));
            for index in 0..self.nodes.len() {
                let due: Vec<_> = self.nodes[index]
                    .timers
                    .iter()
                    .filter(|(_, at)| **at <= self.now.mono_ms)
                    .map(|(id, _)| *id)
                    .collect();
                for id in due {
                    self.nodes[index].timers.remove(&id);
                    self.step(index, Input::Timer { id });
                }
            }
            self.deliver();
            self.check_agreement();
        }
        self.pass_to(end);
    }

    fn pass_to(&mut self, mono_ms: u64) {
        self.now.unix_ms += mono_ms - self.now.mono_ms;
        self.now.mono_ms = mono_ms;
    }

    /// No two nodes have different blocks at one height.
    pub(super) fn check_agreement(&self) {
        let mut agreed = BTreeMap::new();
        for node in &self.nodes {
            for block in &node.chain {
                let hash = agreed.entry(block.number()).or_insert_with(|| block.hash());
                assert_eq!(*hash, block.hash(), "fork at {}", block.number());
            }
        }
    }

    pub(super) fn heads(&self) -> Vec<usize> {
        self.nodes.iter().map(|node| node.chain.len() - 1).collect()
    }

    pub(super) fn core(&self, index: usize) -> &Core<Hashes> {
        self.nodes[index].core.as_ref().unwrap()
    }

    pub(super) fn record(&self, index: usize) -> SignRecord {
        match &self.nodes[index].record {
            StoredRecord::Present(record) => (**record).clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Kinds and rounds of the own messages that a node has sent to all, in order.
    pub(super) fn own_sends(&self, index: usize) -> Vec<(MessageKind, u32)> {
        self.nodes[index]
            .sent
            .iter()
            .filter(|(to, _)| *to == Target::Validators)
            .map(|(_, message)| (message.kind(), message.id().round))
            .collect()
    }
}

/// A request number that was never given.
pub(super) const NO_REQUEST: RequestId = RequestId(u64::MAX);
