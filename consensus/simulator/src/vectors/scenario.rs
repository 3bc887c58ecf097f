//! Scenarios of one node: messages and timers in, own messages and the height of the chain out.
//!
//! Inputs and expectations are short English phrases; the grammar is in [`super::phrases`]. The
//! node runs under the Besu profile if the vector's origin begins with `besu-`, else under the
//! normal one. `A`, `B` … are the other validators in the order of their addresses, the proposer of
//! the round in question last.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, Bytes};
use peruri_ibft2::{
    ExtraData, ForkPoints, Form, Ibft2Config, Ibft2Schedule, IbftHeader, Seal, ValidatorSet,
    ValidatorState,
    core::{
        Config, Core, Effect, Input, Now, PeerId, Profile, Start, StoredRecord, Target, TimerId,
        Verdict,
    },
    crypto::Signature65,
    messages::{
        Block, CommitPayload, DecodeLimits, Dialect, Message, Payload, PreparePayload,
        PreparedCertificate, Proposal, ProposalPayload, RoundChange, RoundChangePayload, RoundId,
        Signed, SigningDomain,
    },
    proposer,
    sign_state::SignRecord,
};
use serde_json::Value;

use super::{
    phrases::{Act, Sent, Who, acts, expected},
    read::{number, size, text},
};
use crate::{
    clock::EPOCH_MS,
    crypto::SimCrypto,
    keys::{KeyRing, Scheme},
    oracle::View,
    world::block as blocks,
};

/// A block with a number of its own is a transaction of this size.
fn body(name: &str) -> Bytes {
    let number = name.bytes().fold(0, |sum, byte| sum * 256 + u64::from(byte));
    if name.is_empty() { blocks::body(&[]) } else { blocks::body(&[number]) }
}

/// One node and everybody that it talks to.
struct Stage {
    keys: KeyRing,
    set: ValidatorSet,
    local: usize,
    letters: Vec<usize>,
    core: Core<SimCrypto>,
    now: Now,
    timers: BTreeMap<TimerId, u64>,
    chain: Vec<IbftHeader>,
    finalised: Option<u64>,
    sent: Vec<(Target, Message)>,
    last_proposal: Option<Bytes>,
    named: BTreeMap<String, Block>,
    earlier: Vec<(Target, Message)>,
}

/// Runs a scenario.
pub(super) fn scenario(vector: &Value) {
    let mut stage = Stage::new(vector);
    for step in vector["steps"].as_array().unwrap() {
        eprintln!("  {}", text(&step["input"]));
        for act in acts(text(&step["input"])) {
            stage.act(&act);
        }
        let wanted: Vec<Sent> =
            step["sends"].as_array().unwrap().iter().map(|sent| expected(text(sent))).collect();
        stage.compare(wanted);
        if let Some(head) = step.get("chain_head") {
            assert_eq!(stage.chain.len() as u64 - 1, number(head), "height of the chain");
        }
    }
}

impl Stage {
    fn new(vector: &Value) -> Self {
        let n = size(&vector["validators"]);
        let keys = KeyRing::new(Scheme::Keyed, n);
        let set: ValidatorSet = keys.addresses().into_iter().collect();
        let place = text(&vector["local"]);
        let (local, proposing) = local_of(place, n);
        let mut letters: Vec<usize> =
            (0..n).filter(|who| *who != local && *who != proposing).collect();
        letters.extend((proposing != local).then_some(proposing));
        let genesis = IbftHeader::from(blocks::genesis(keys.addresses()));
        let settings = Ibft2Config { request_timeout_seconds: 4, ..Ibft2Config::default() };
        let schedule = Ibft2Schedule::new(settings, Vec::new(), &ForkPoints::default()).unwrap();
        let mut config = Config::new(Arc::new(schedule), 1, genesis.hash_slow());
        if text(&vector["origin"]).starts_with("besu-") {
            config.profile = Profile::Besu;
        }
        let record = SignRecord::first(config.genesis_hash, keys.address(local));
        let start = Start {
            parent: genesis.clone(),
            validators: ValidatorState::new(set.clone()),
            local: keys.address(local),
            record: StoredRecord::Present(Box::new(record)),
            blocks: Vec::new(),
            store_sequence: 0,
            was_validator: false,
            wishes: Default::default(),
            forced: Vec::new(),
        };
        let now = Now { mono_ms: 0, unix_ms: EPOCH_MS };
        let (core, effects) = Core::new(config, SimCrypto(keys.recovery()), start, now);
        let mut stage = Self {
            keys,
            set,
            local,
            letters,
            core,
            now,
            timers: BTreeMap::new(),
            chain: vec![genesis],
            finalised: None,
            sent: Vec::new(),
            last_proposal: None,
            named: BTreeMap::new(),
            earlier: Vec::new(),
        };
        stage.perform(effects);
        for who in (0..n).filter(|who| *who != local) {
            let validator = Some(stage.keys.address(who));
            let peer = PeerId(who as u64);
            stage.give(Input::PeerConnected { peer, validator, head: 0, mark: None });
        }
        stage.sent.clear();
        stage
    }

    fn give(&mut self, input: Input) {
        let effects = self.core.step(self.now, input);
        self.perform(effects);
    }

    /// Answers at once what is asked, in order.
    fn perform(&mut self, effects: Vec<Effect>) {
        let mut answers = Vec::new();
        for effect in effects {
            match effect {
                Effect::Sign { request, digest, .. } => {
                    let made = self.keys.sign(self.local, digest);
                    let signature = Signature65::new(made).unwrap();
                    answers.push(Input::Signed { request, signature });
                }
                Effect::Persist { token, .. } => answers.push(Input::Durable { token }),
                Effect::CheckBlock { request, .. } => {
                    answers.push(Input::BlockChecked { request, verdict: Verdict::Valid });
                }
                Effect::BuildBlock { request, coinbase, extra_data, not_before, .. } => {
                    let block = self.build(coinbase, extra_data, not_before, "local");
                    answers.push(Input::BlockBuilt { request, block });
                }
                Effect::Send { to, bytes, .. } => {
                    let message = Message::from_wire(&bytes, &DecodeLimits::DEFAULT).unwrap();
                    self.sent.push((to, message));
                }
                Effect::SetTimer { id, at } => {
                    self.timers.insert(id, at);
                }
                Effect::Finalise { block, seals, round, .. } => {
                    self.finalised = Some(block.number());
                    self.chain.push(block.sealed(round, seals).unwrap().header);
                }
                _ => {}
            }
        }
        for answer in answers {
            self.give(answer);
        }
    }

    fn build(&self, coinbase: Address, extra: Bytes, time: u64, name: &str) -> Block {
        let parent = self.chain.last().unwrap();
        let block = Arc::new(Block { header: parent.clone(), body: Block::EMPTY_BODY });
        let view = View::read(&alloy_rlp::encode(parent)).unwrap();
        blocks::build(&crate::world::Sealed { block, view }, coinbase, extra, time, body(name))
    }

    fn proposer(&self, round: u32) -> usize {
        let parent = self.chain.last().unwrap();
        let turn = proposer(parent.beneficiary, &self.set, round).unwrap();
        self.keys.member(&turn).unwrap()
    }

    fn resolve(&self, who: &Who, round: u32) -> Vec<usize> {
        let turn = self.proposer(round);
        let others = || (0..self.keys.len()).filter(|who| *who != self.local);
        match who {
            Who::Proposer => vec![turn],
            Who::All => others().collect(),
            Who::NotProposing => others().filter(|who| *who != turn).collect(),
            Who::Letters(letters) => letters.iter().map(|at| self.letters[*at]).collect(),
        }
    }

    /// The block of a name, as `who` proposes it in `round`.
    fn block(&mut self, who: usize, round: u32, name: &str) -> Block {
        if let Some(block) = self.named.get(name) {
            return block.with_round(round).unwrap();
        }
        let extra = ExtraData {
            vanity: Bytes::from(vec![0; 32]),
            validators: self.set.to_vec(),
            vote: None,
            round,
            seals: Vec::new(),
        };
        let time = self.chain.last().unwrap().timestamp + 1;
        let block = self.build(self.keys.address(who), extra.encode(Form::All), time, name);
        self.named.insert(name.to_owned(), block.clone());
        block
    }

    fn sign<P: Payload>(&self, who: usize, payload: P) -> Signed<P> {
        let made = self.keys.sign(who, SigningDomain::Besu.signing_hash(&payload));
        Signed::new(payload, Signature65::new(made).unwrap())
    }

    fn deliver(&mut self, who: usize, message: &Message) {
        let bytes = message.to_wire(Dialect::V26);
        if message.kind() == peruri_ibft2::MessageKind::Proposal {
            self.last_proposal = Some(bytes.clone());
        }
        self.give(Input::Message { peer: PeerId(who as u64), bytes });
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::BlockTimer(id) => self.timer(TimerId::Block(*id)),
            Act::RoundTimer(id) => self.timer(TimerId::Round(*id)),
            Act::Raw(code) => {
                let peer = PeerId(self.letters[0] as u64);
                self.give(Input::Message { peer, bytes: Bytes::from(vec![*code]) });
            }
            Act::Again => {
                let bytes = self.last_proposal.clone().unwrap();
                let peer = PeerId(self.letters[0] as u64);
                self.give(Input::Message { peer, bytes });
            }
            Act::NewHead => {
                if let Some(height) = self.finalised.take() {
                    self.give(Input::Stored { height });
                }
            }
            Act::Import(height) => self.import(*height),
            Act::Proposal(id) => self.proposal(*id),
            Act::Prepare(id, who) => {
                for who in self.resolve(who, id.round) {
                    let digest = self.digest(*id);
                    let signed = self.sign(who, PreparePayload { id: *id, digest });
                    self.deliver(who, &Message::Prepare(signed));
                }
            }
            Act::Commit(id, who) => {
                for who in self.resolve(who, id.round) {
                    let digest = self.digest(*id);
                    let seal = Seal::new(self.keys.sign(who, digest.0)).unwrap();
                    let signed = self.sign(who, CommitPayload { id: *id, digest, seal });
                    self.deliver(who, &Message::Commit(signed));
                }
            }
            Act::RoundChange { id, certificate, who, times } => {
                for who in self.resolve(who, id.round) {
                    let made = certificate
                        .as_ref()
                        .map(|(round, name)| self.certificate(id.height, *round, name));
                    let (certificate, block) = match made {
                        Some((certificate, block)) => (Some(certificate), Some(block)),
                        None => (None, None),
                    };
                    let signed = self.sign(who, RoundChangePayload { id: *id, certificate });
                    let message = Message::RoundChange(RoundChange { signed, block });
                    for _ in 0..*times {
                        self.deliver(who, &message);
                    }
                }
            }
        }
    }

    fn timer(&mut self, id: TimerId) {
        if let Some(at) = self.timers.remove(&id) {
            let passed = at.saturating_sub(self.now.mono_ms);
            self.now.mono_ms += passed;
            self.now.unix_ms += passed;
        }
        self.give(Input::Timer { id });
    }

    /// The digest of the one block that a round of a height is about.
    fn digest(&mut self, id: RoundId) -> peruri_ibft2::SealDigest {
        self.subject(id).digest().unwrap()
    }

    /// The block of a round: what was sent, else what its proposer would send.
    fn subject(&mut self, id: RoundId) -> Block {
        if let Some(own) = self.core_proposal(id) {
            return own;
        }
        let name = format!("{},{}", id.height, id.round);
        if let Some(known) = self.named.get(&name) {
            return known.clone();
        }
        assert!(id.height >= self.chain.len() as u64, "{id} is over and nobody proposed in it");
        if id.height == self.chain.len() as u64 {
            let turn = self.proposer(id.round);
            return self.block(turn, id.round, &name);
        }
        // The next height stands on the block of this one.
        let parent = RoundId::new(id.height - 1, 0);
        let parent = self.subject(parent);
        self.chain.push(parent.header);
        let turn = self.proposer(id.round);
        let block = self.block(turn, id.round, &name);
        self.chain.pop();
        block
    }

    fn core_proposal(&self, id: RoundId) -> Option<Block> {
        let local = self.keys.address(self.local);
        self.sent.iter().chain(&self.earlier).find_map(|(_, message)| match message {
            Message::Proposal(proposal)
                if message.id() == id
                    && message.author(&SimCrypto(self.keys.recovery()), &SigningDomain::Besu)
                        == Some(local) =>
            {
                Some((*proposal.block).clone())
            }
            _ => None,
        })
    }

    fn proposal(&mut self, id: RoundId) {
        let block = self.subject(id);
        let parent = (id.height > self.chain.len() as u64)
            .then(|| self.subject(RoundId::new(id.height - 1, 0)).header);
        let pushed = parent.map(|parent| self.chain.push(parent)).is_some();
        let who = self.proposer(id.round);
        if pushed {
            self.chain.pop();
        }
        let round_changes = (id.round > 0).then(|| {
            (0..self.keys.len())
                .filter(|who| *who != self.local)
                .map(|who| self.sign(who, RoundChangePayload { id, certificate: None }))
                .collect()
        });
        let digest = block.digest().unwrap();
        let signed = self.sign(who, ProposalPayload { id, digest });
        let block = Arc::new(block);
        self.deliver(who, &Message::Proposal(Proposal { signed, block, round_changes }));
    }

    fn certificate(
        &mut self,
        height: u64,
        round: u32,
        name: &str,
    ) -> (Arc<PreparedCertificate>, Arc<Block>) {
        let id = RoundId::new(height, round);
        let turn = self.proposer(round);
        let block = self.block(turn, round, name);
        let digest = block.digest().unwrap();
        let proposal = self.sign(turn, ProposalPayload { id, digest });
        let prepares = (0..self.keys.len())
            .filter(|who| *who != turn && *who != self.local)
            .map(|who| self.sign(who, PreparePayload { id, digest }))
            .collect();
        (Arc::new(PreparedCertificate { proposal, prepares }), Arc::new(block))
    }

    fn import(&mut self, height: u64) {
        let block = self.subject(RoundId::new(height, 0));
        let digest = block.digest().unwrap();
        let seals: Vec<Seal> = (0..self.keys.len())
            .filter(|who| *who != self.local)
            .map(|who| Seal::new(self.keys.sign(who, digest.0)).unwrap())
            .collect();
        let block = Arc::new(block.sealed(0, seals.clone()).unwrap());
        self.give(Input::Finalised { block, seals });
    }

    /// The own messages of this step are the wanted ones, in any order.
    fn compare(&mut self, wanted: Vec<Sent>) {
        let local = self.keys.address(self.local);
        let crypto = SimCrypto(self.keys.recovery());
        let sent = std::mem::take(&mut self.sent);
        let gossip = wanted.iter().any(|wanted| matches!(wanted, Sent::Gossip(..)));
        let mut actual: Vec<&(Target, Message)> = sent
            .iter()
            .filter(|(_, message)| {
                gossip || message.author(&crypto, &SigningDomain::Besu) == Some(local)
            })
            .collect();
        for wanted in &wanted {
            let found = actual.iter().position(|(to, message)| self.fits(wanted, to, message));
            let Some(at) = found else { panic!("{wanted:?} is not among {actual:?}") };
            actual.remove(at);
        }
        assert!(actual.is_empty(), "sent besides: {actual:?}");
        self.earlier.extend(sent);
    }

    fn fits(&self, wanted: &Sent, to: &Target, message: &Message) -> bool {
        match (wanted, message) {
            (Sent::Proposal { id, block }, Message::Proposal(proposal)) => {
                let named = block.as_ref().map(|name| self.named[name].hash());
                message.id() == *id
                    && named.is_none_or(|hash| hash == proposal.block.hash())
                    && proposal.block.extra_data().is_ok_and(|extra| extra.round == id.round)
            }
            (Sent::Prepare(id), Message::Prepare(_)) | (Sent::Commit(id), Message::Commit(_)) => {
                self.place(id) == message.id()
            }
            (Sent::RoundChange { id, prepares }, Message::RoundChange(change)) => {
                let crypto = SimCrypto(self.keys.recovery());
                let authors = change.signed.payload.certificate.as_ref().map(|certificate| {
                    certificate
                        .prepares
                        .iter()
                        .filter_map(|prepare| prepare.author(&crypto, &SigningDomain::Besu))
                        .collect::<Vec<_>>()
                });
                let wanted = prepares.as_ref().map(|(_, names)| {
                    names
                        .iter()
                        .map(|name| name.map_or(self.local, |letter| self.letters[letter]))
                        .map(|who| self.keys.address(who))
                        .collect::<Vec<_>>()
                });
                let round = prepares.as_ref().map(|(round, _)| *round);
                message.id() == *id
                    && authors == wanted
                    && change.signed.payload.prepared_round() == round
            }
            (Sent::Gossip(id, letter), Message::Prepare(_)) => {
                let author = self.keys.address(self.letters[*letter]);
                let deliverer = PeerId(self.letters[*letter] as u64);
                message.id() == *id && *to == Target::AllBut { author, deliverer }
            }
            _ => false,
        }
    }

    /// A round without a height is of the height that runs.
    fn place(&self, id: &(Option<u64>, u32)) -> RoundId {
        let height = id.0.unwrap_or(1);
        RoundId::new(height, id.1)
    }
}

/// Who the local node is, and who proposes the round that the text names.
fn local_of(place: &str, n: usize) -> (usize, usize) {
    let digits: Vec<usize> = place
        .split(|letter: char| !letter.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect();
    let (height, round) = match digits.as_slice() {
        [round] => (1, *round),
        [height, round] => (*height, *round),
        other => panic!("{other:?} names no round"),
    };
    // The proposer of the first height's round r is r; the one of the second height follows the
    // creator of the first block, who is 0.
    let turn = (height - 1 + round) % n;
    if place.starts_with("not") {
        // Not the proposer of height 1 either, so that its blocks come from others.
        let local = (0..n).rev().find(|who| *who != turn && *who != 0).unwrap();
        (local, turn)
    } else {
        (turn, turn)
    }
}
