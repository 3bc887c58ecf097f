//! One core against scripted others: one test per rule.

mod byzantine;
mod commits;
mod doubt;
mod lock;
mod resending;
mod restart;
mod rounds;
mod votes;

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use alloy_rlp::Encodable;

use super::net::{Net, peer, sign};
use crate::{
    config::Ibft2Config,
    core::{Input, Profile, Report, Target, TimerId},
    hash::SealDigest,
    messages::{
        Block, CommitPayload, Message, MessageKind, Payload, PreparePayload, PreparedCertificate,
        Proposal, ProposalPayload, RoundChange, RoundChangePayload, RoundId, Signed,
    },
    quorum::prepare_quorum,
    sealing::unsealed_extra_data,
};

/// `requesttimeoutseconds` of the tests, in milliseconds.
const BASE: u64 = 2_000;
/// When the first block may be proposed; round 0 lasts [`BASE`] from then on.
const DUE: u64 = 1_000;

/// One running validator; what the others say is up to the test. Validator `r mod n` proposes round
/// `r` of height 1.
struct One {
    net: Net,
    me: usize,
}

impl One {
    /// Validator `me` of `n`, connected with all others.
    fn new(n: usize, me: usize) -> Self {
        Self::of(Net::new(n), me)
    }

    fn with(n: usize, me: usize, change: impl Fn(&mut Ibft2Config)) -> Self {
        let mut config = Ibft2Config { request_timeout_seconds: 2, ..Ibft2Config::default() };
        change(&mut config);
        Self::of(Net::with_config(n, config), me)
    }

    fn besu(n: usize, me: usize) -> Self {
        Self::of(Net::new(n).profile(Profile::Besu), me)
    }

    fn of(mut net: Net, me: usize) -> Self {
        net.start(me);
        let mut this = Self { net, me };
        this.connect_all(0);
        this
    }

    fn connect_all(&mut self, head: u64) {
        for other in 0..self.net.members.len() {
            if other != self.me {
                self.connect(other, head);
            }
        }
    }

    fn connect(&mut self, other: usize, head: u64) {
        let validator = Some(self.net.members[other]);
        let input = Input::PeerConnected { peer: peer(other), validator, head, mark: None };
        self.net.step(self.me, input);
    }

    /// Height and round in which the core is.
    fn at(&self) -> RoundId {
        let core = self.net.core(self.me);
        RoundId::new(core.height(), core.round())
    }

    fn id(&self, round: u32) -> RoundId {
        RoundId::new(self.net.core(self.me).height(), round)
    }

    fn run(&mut self, ms: u64) {
        self.net.run(ms);
    }

    /// Sends `message` as its author over its connection.
    fn say(&mut self, who: usize, message: &Message) {
        let bytes = message.to_wire(crate::messages::Dialect::V26);
        self.net.step(self.me, Input::Message { peer: peer(who), bytes });
    }

    /// The own messages to all validators, oldest first.
    fn sent(&self) -> Vec<&Message> {
        let mut sent = Vec::new();
        for (to, message) in &self.net.nodes[self.me].sent {
            if *to == Target::Validators {
                sent.push(message);
            }
        }
        sent
    }

    fn kinds(&self) -> Vec<(MessageKind, u32)> {
        self.net.own_sends(self.me)
    }

    fn forget_sent(&mut self) {
        self.net.nodes[self.me].sent.clear();
    }

    fn relayed(&self) -> usize {
        let sent = &self.net.nodes[self.me].sent;
        sent.iter().filter(|(to, _)| matches!(to, Target::AllBut { .. })).count()
    }

    fn reports(&self) -> &[Report] {
        &self.net.nodes[self.me].reports
    }

    fn accuses(&self, who: usize) -> bool {
        self.reports().iter().any(|report| {
            matches!(report, Report::Equivocation(it) if it.author == self.net.members[who])
        })
    }

    fn timer(&self, round: u32) -> Option<u64> {
        self.net.nodes[self.me].timers.get(&TimerId::Round(self.id(round))).copied()
    }

    fn height(&self) -> usize {
        self.net.heads()[self.me]
    }

    // What others may say.

    fn signed<P: Payload>(&self, who: usize, payload: P) -> Signed<P> {
        let hash = self.net.config.domain().signing_hash(&payload);
        Signed::new(payload, sign(self.net.members[who], &hash))
    }

    /// A block that `creator` built for `round` of the running height.
    fn block(&self, creator: usize, round: u32) -> Block {
        let validators = self.net.core(self.me).validators().clone();
        let vanity = self.net.config.own_vanity();
        let extra_data = unsealed_extra_data(vanity, &validators, None, round);
        let parent = self.net.nodes[self.me].chain.last().unwrap().hash();
        let coinbase = self.net.members[creator];
        let not_before = 1_000 + u64::try_from(self.height()).unwrap() + 1;
        self.net.build(self.me, parent, round, coinbase, extra_data, not_before)
    }

    fn proposer(&self, round: u32) -> usize {
        let proposer = self.net.core(self.me).proposer(round).unwrap();
        self.net.members.iter().position(|member| *member == proposer).unwrap()
    }

    fn propose(&self, who: usize, round: u32, block: &Block) -> Proposal {
        let digest = block.digest().unwrap();
        Proposal {
            signed: self.signed(who, ProposalPayload { id: self.id(round), digest }),
            block: Arc::new(block.clone()),
            round_changes: None,
        }
    }

    /// The proposal of round 0, with its digest.
    fn first_proposal(&self) -> (Message, SealDigest) {
        let who = self.proposer(0);
        let block = self.block(who, 0);
        (Message::Proposal(self.propose(who, 0, &block)), block.digest().unwrap())
    }

    fn prepare(&self, who: usize, round: u32, digest: SealDigest) -> Message {
        Message::Prepare(self.signed(who, PreparePayload { id: self.id(round), digest }))
    }

    fn commit(&self, who: usize, round: u32, digest: SealDigest) -> Message {
        let seal = sign(self.net.members[who], &digest.0).into();
        Message::Commit(self.signed(who, CommitPayload { id: self.id(round), digest, seal }))
    }

    /// A certificate that `block` was prepared in the round in it, without the own Prepare.
    fn certificate(&self, block: &Block) -> PreparedCertificate {
        let round = block.extra_data().unwrap().round;
        let proposer = self.proposer(round);
        let (id, digest) = (self.id(round), block.digest().unwrap());
        let others = (0..self.net.members.len()).filter(|who| ![proposer, self.me].contains(who));
        PreparedCertificate {
            proposal: self.signed(proposer, ProposalPayload { id, digest }),
            prepares: others
                .take(prepare_quorum(self.net.members.len()))
                .map(|who| self.signed(who, PreparePayload { id, digest }))
                .collect(),
        }
    }

    /// A RoundChange to `target`, with a block that was prepared if there is one.
    fn change(&self, who: usize, target: u32, prepared: Option<&Block>) -> RoundChange {
        let certificate = prepared.map(|block| Arc::new(self.certificate(block)));
        RoundChange {
            signed: self.signed(who, RoundChangePayload { id: self.id(target), certificate }),
            block: prepared.cloned().map(Arc::new),
        }
    }

    fn says_change(&mut self, who: usize, target: u32, prepared: Option<&Block>) {
        let message = Message::RoundChange(self.change(who, target, prepared));
        self.say(who, &message);
    }

    /// A proposal of a later round, allowed by RoundChanges of `authors`.
    fn later_proposal(&self, round: u32, block: &Block, authors: &[usize]) -> Proposal {
        let changes = authors.iter().map(|who| self.change(*who, round, None).signed).collect();
        Proposal {
            round_changes: Some(changes),
            ..self.propose(self.proposer(round), round, block)
        }
    }

    /// Takes the core through round 0 up to the own Commit; needs `me` not to be its proposer.
    /// Returns the block.
    fn prepared_in_round_0(&mut self) -> Block {
        let (proposal, digest) = self.first_proposal();
        self.say(self.proposer(0), &proposal);
        let needed = prepare_quorum(self.net.members.len()) - 1;
        let (others, proposer) = (self.others(), self.proposer(0));
        for who in others.into_iter().filter(|who| *who != proposer).take(needed) {
            let prepare = self.prepare(who, 0, digest);
            self.say(who, &prepare);
        }
        let (held, block) = self.net.core(self.me).prepared_certificate().unwrap();
        assert_eq!(held.digest(), digest);
        block.as_ref().clone()
    }

    fn others(&self) -> Vec<usize> {
        (0..self.net.members.len()).filter(|who| *who != self.me).collect()
    }

    fn record(&self) -> crate::sign_state::SignRecord {
        self.net.record(self.me)
    }
}

/// The RoundChange among own messages.
fn round_change_of<'a>(sent: &[&'a Message]) -> Option<&'a RoundChange> {
    sent.iter().rev().find_map(|message| match message {
        Message::RoundChange(change) => Some(change),
        _ => None,
    })
}

fn proposal_of<'a>(sent: &[&'a Message]) -> Option<&'a Proposal> {
    sent.iter().rev().find_map(|message| match message {
        Message::Proposal(proposal) => Some(proposal),
        _ => None,
    })
}

fn address_of(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

fn some_digest(byte: u8) -> SealDigest {
    SealDigest(B256::repeat_byte(byte))
}

/// Bytes of a block.
fn length_of(block: &Block) -> u64 {
    u64::try_from(block.length()).unwrap()
}
