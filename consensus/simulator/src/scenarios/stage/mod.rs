//! A few cores on a stage: everything happens as a scenario says, nothing by chance.
//!
//! Disks and signers answer at once, messages take [`LATENCY`]. A member without a core is a puppet:
//! it has a key and connections, and says what the scenario lets it say. The judge of the random
//! runs looks on.

mod actor;
mod driver;
mod says;

pub(super) use actor::{Actor, Setting};
pub(super) use says::filling;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::Bytes;
use peruri_ibft2::{
    IbftHeader, Transition, ValidatorState,
    core::{Config, Core, Input, Now, PeerId, Start, TimerId},
    messages::{Block, Message},
    sign_state::Mark,
};

use super::Lab;
use crate::{
    clock::EPOCH_MS,
    crypto::SimCrypto,
    keys::{KeyRing, Scheme},
    oracle::{
        Chain, Judge, View,
        judge::{Checked, broken},
        members::Rules,
    },
    world::{Sealed, block},
};

/// Milliseconds that a message or a block needs from one member to another.
pub(super) const LATENCY: u64 = 10;
/// The base fee that follows from every parent here.
pub(super) const FEE: u64 = 7;
/// More events than any scenario needs.
const EVENT_LIMIT: u64 = 400_000;

/// A message under way.
#[derive(Debug)]
pub(super) struct Passing<'a> {
    pub(super) from: usize,
    /// Whether `from` signed it.
    pub(super) own: bool,
    pub(super) message: &'a Message,
}

#[derive(Debug)]
enum Event {
    Deliver { to: usize, conn: u64, bytes: Bytes },
    Timer { actor: usize, life: u32, id: TimerId, at: u64 },
    Stored { actor: usize, life: u32, height: u64 },
    Head { to: usize, from: usize, conn: u64, height: u64 },
    Blocks { to: usize, conn: u64, blocks: Vec<Arc<Sealed>> },
}

/// Whether a message arrives.
pub(super) type Rule = Box<dyn Fn(&Passing<'_>) -> bool>;

/// The stage.
pub(super) struct Stage {
    pub(super) keys: KeyRing,
    pub(super) setting: Setting,
    pub(super) genesis: Arc<Sealed>,
    pub(super) judge: Judge,
    pub(super) actors: Vec<Actor>,
    /// Milliseconds since the start.
    pub(super) now: u64,
    /// Which messages arrive.
    pub(super) rule: Rule,
    /// Members that nothing reaches and that nothing comes from.
    pub(super) cut: BTreeSet<usize>,
    /// What members tell others about them when they connect: by teller and told.
    pub(super) marks: BTreeMap<(usize, usize), Mark>,
    /// What a puppet says about its height.
    pub(super) claim: u64,
    log: bool,
    config: Config,
    events: BTreeMap<(u64, u64), Event>,
    made: u64,
    handled: u64,
}

impl Stage {
    /// A stage on which nobody has begun. Transitions that set validators and that only some
    /// members will know later are to be named to the judge by `overrides`.
    pub(super) fn new(lab: &Lab, setting: Setting, overrides: &[Transition]) -> Self {
        let keys = KeyRing::new(Scheme::Keyed, setting.members);
        let members: Vec<_> = (0..setting.validators).map(|index| keys.address(index)).collect();
        let genesis = alloy_consensus::Header {
            base_fee_per_gas: Some(FEE),
            ..block::genesis(members.clone())
        };
        let view = View::read(&alloy_rlp::encode(&genesis)).expect("genesis has extraData");
        let config = lab.config(&setting, view.hash);
        let bound = setting.config.chain_bound_signatures;
        let all = setting.transitions.iter().chain(overrides);
        let rules = Rules {
            epoch: setting.config.epoch_length,
            overrides: all.filter_map(|it| Some((it.block, it.validators.clone()?))).collect(),
        };
        let domain = [setting.chain_id.to_be_bytes().as_slice(), view.hash.as_slice()].concat();
        let judge = Judge::new(Chain {
            rules,
            genesis: view.clone(),
            periods: BTreeMap::from([(0, setting.config.block_period_seconds)]),
            recovery: keys.recovery(),
            vanity: bound.then_some(view.hash),
            domain: if bound { domain } else { Vec::new() },
        });
        let header = IbftHeader::from(genesis);
        let first = Block { header, body: Block::EMPTY_BODY };
        let genesis = Arc::new(Sealed { block: Arc::new(first), view });
        let actors = (0..setting.members).map(|index| Actor::new(&keys, index, &genesis)).collect();
        Self {
            keys,
            setting,
            genesis,
            judge,
            actors,
            now: 0,
            rule: Box::new(|_| true),
            cut: BTreeSet::new(),
            marks: BTreeMap::new(),
            claim: 0,
            log: lab.log,
            config,
            events: BTreeMap::new(),
            made: 0,
            handled: 0,
        }
    }

    /// The stage with these members started.
    pub(super) fn started(
        lab: &Lab,
        setting: Setting,
        actors: impl IntoIterator<Item = usize>,
    ) -> Result<Self, crate::oracle::Violation> {
        let mut this = Self::new(lab, setting, &[]);
        for actor in actors {
            this.start(actor)?;
        }
        Ok(this)
    }

    /// Says what happens, if that is asked for.
    fn tell(&self, actor: usize, text: impl FnOnce() -> String) {
        if self.log {
            eprintln!("{:>9} ms  {actor} {}", self.now, text());
        }
    }

    fn event(&mut self, delay: u64, event: Event) {
        self.made += 1;
        self.events.insert((self.now.saturating_add(delay), self.made), event);
    }

    fn clocks(&self, actor: usize) -> Now {
        let actor = &self.actors[actor];
        Now {
            mono_ms: self.now - actor.booted,
            unix_ms: (EPOCH_MS + self.now).saturating_add_signed(actor.skew),
        }
    }

    /// Gives members that start from now on transitions that the others do not know.
    pub(super) fn reconfigure(&mut self, transitions: Vec<Transition>) {
        self.setting.transitions = transitions;
        self.config.schedule = Arc::new(self.setting.schedule());
    }

    /// Starts a member from what its disk holds and connects it.
    pub(super) fn start(&mut self, actor: usize) -> Checked {
        let schedule = Arc::clone(&self.config.schedule);
        let mut state = None;
        for stored in &self.actors[actor].chain {
            let header = &stored.block.header;
            let next = ValidatorState::after_block(state.as_ref(), header, &schedule);
            state = Some(next.expect("every chain starts with the genesis"));
        }
        let mut config = self.config.clone();
        if self.actors[actor].habits.old_dialect {
            let mut setting = self.setting.clone();
            setting.config.besu_dialect = peruri_ibft2::BesuDialect::V25;
            config.schedule = Arc::new(setting.schedule());
        }
        let local = self.keys.address(actor);
        let now = self.now;
        let owner = &mut self.actors[actor];
        owner.life += 1;
        owner.booted = now;
        owner.timers.clear();
        owner.incoming.clear();
        let was_validator =
            owner.chain.iter().skip(1).any(|block| block.view.validators.contains(&local));
        let start = Start {
            parent: owner.chain.last().expect("a genesis").block.header.clone(),
            validators: state.unwrap_or_default(),
            local,
            record: owner.record.clone(),
            blocks: owner.blocks.values().cloned().collect(),
            store_sequence: owner.sequence,
            was_validator,
            wishes: Default::default(),
            forced: Vec::new(),
        };
        self.tell(actor, || format!("starts at height {}", start.parent.number));
        let crypto = SimCrypto(self.keys.recovery());
        let (core, effects) = Core::new(config, crypto, start, self.clocks(actor));
        self.actors[actor].core = Some(core);
        self.perform(actor, effects)?;
        for other in 0..self.actors.len() {
            if other != actor {
                self.connect(actor, other)?;
            }
        }
        Ok(())
    }

    /// Connects two members that run or are puppets.
    pub(super) fn connect(&mut self, a: usize, b: usize) -> Checked {
        if self.cut.contains(&a) || self.cut.contains(&b) {
            return Ok(());
        }
        self.made += 1;
        let conn = self.made;
        for (one, other) in [(a, b), (b, a)] {
            let before = self.actors[one].peers.insert(other, conn);
            if let Some(before) = before {
                self.give(one, Input::PeerDisconnected { peer: PeerId(before) })?;
            }
        }
        for (one, other) in [(a, b), (b, a)] {
            let subject = self.keys.address(one);
            let core = self.actors[other].core.as_ref();
            let seen = core.and_then(|core| core.mark_of(&subject));
            let mark = self.marks.get(&(other, one)).cloned().or(seen);
            let head = match core {
                Some(_) => self.actors[other].height(),
                None => self.claim,
            };
            let validator = Some(self.keys.address(other));
            self.give(one, Input::PeerConnected { peer: PeerId(conn), validator, head, mark })?;
        }
        Ok(())
    }

    /// Stops a member as a power cut does.
    pub(super) fn crash(&mut self, actor: usize) -> Checked {
        self.tell(actor, || "stops".to_owned());
        let owner = &mut self.actors[actor];
        owner.core = None;
        owner.life += 1;
        owner.timers.clear();
        for (other, conn) in std::mem::take(&mut owner.peers) {
            self.actors[other].peers.remove(&actor);
            self.give(other, Input::PeerDisconnected { peer: PeerId(conn) })?;
        }
        Ok(())
    }

    /// Connects again what was cut.
    pub(super) fn heal(&mut self) -> Checked {
        self.cut.clear();
        for a in 0..self.actors.len() {
            for b in a + 1..self.actors.len() {
                if self.actors[a].core.is_some() || self.actors[b].core.is_some() {
                    self.connect(a, b)?;
                }
            }
        }
        Ok(())
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, ms: u64) -> Checked {
        let end = self.now + ms;
        while let Some(((at, number), _)) = self.events.first_key_value() {
            let key = (*at, *number);
            if key.0 > end {
                break;
            }
            let Some(event) = self.events.remove(&key) else { break };
            self.now = self.now.max(key.0);
            self.handled += 1;
            if self.handled > EVENT_LIMIT {
                return broken("S14", format!("{EVENT_LIMIT} events in {} ms", self.now));
            }
            self.handle(event)?;
        }
        self.now = end;
        Ok(())
    }

    /// Lets time pass until `done`, at most `ms`; breaks `invariant` with `text` if that is too long.
    pub(super) fn wait(
        &mut self,
        ms: u64,
        done: impl Fn(&Self) -> bool,
        invariant: &'static str,
        text: &str,
    ) -> Checked {
        let end = self.now + ms;
        while !done(self) {
            let next = self.events.first_key_value().map_or(u64::MAX, |((at, _), _)| *at);
            if next > end {
                return broken(invariant, format!("{text}: not within {ms} ms"));
            }
            self.run(next.saturating_sub(self.now))?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Checked {
        match event {
            Event::Deliver { to, conn, bytes } => {
                if self.actors[to].peers.values().any(|known| *known == conn) {
                    let peer = PeerId(conn);
                    return self.give(to, Input::Message { peer, bytes });
                }
                Ok(())
            }
            Event::Timer { actor, life, id, at } => {
                let owner = &mut self.actors[actor];
                if owner.life == life && owner.timers.get(&id) == Some(&at) {
                    owner.timers.remove(&id);
                    return self.give(actor, Input::Timer { id });
                }
                Ok(())
            }
            Event::Stored { actor, life, height } => {
                if self.actors[actor].life == life {
                    return self.stored(actor, height);
                }
                Ok(())
            }
            Event::Head { to, from, conn, height } => {
                if self.actors[to].peers.get(&from) == Some(&conn) {
                    self.hear(to, from, height);
                }
                Ok(())
            }
            Event::Blocks { to, conn, blocks } => {
                let owner = &mut self.actors[to];
                if owner.peers.values().any(|known| *known == conn) {
                    for block in blocks {
                        owner.incoming.insert(block.view.number, block);
                    }
                    return self.feed(to);
                }
                Ok(())
            }
        }
    }

    /// The lowest height of those that run.
    pub(super) fn lowest(&self) -> u64 {
        let running = self.actors.iter().filter(|actor| actor.core.is_some());
        running.map(Actor::height).min().unwrap_or(0)
    }

    /// Breaks L5 unless every block of a member was final in a round up to `most`.
    pub(super) fn expect_rounds(&self, actor: usize, most: u32) -> Checked {
        let rounds = self.actors[actor].rounds();
        if rounds.iter().any(|round| *round > most) {
            return broken("L5", format!("rounds {rounds:?} instead of at most {most}"));
        }
        Ok(())
    }

    /// The running core of a member.
    ///
    /// # Panics
    /// If it does not run.
    pub(super) fn core(&self, actor: usize) -> &Core<SimCrypto> {
        self.actors[actor].core.as_ref().expect("it runs")
    }

    /// When the timers of a member run out, relative to now.
    pub(super) fn longest_timer(&self, actor: usize) -> u64 {
        let clock = self.clocks(actor).mono_ms;
        let longest = self.actors[actor].timers.values().max();
        longest.map_or(0, |at| at.saturating_sub(clock))
    }
}
