//! A run: nodes, network, disks and clocks in virtual time, judged after every event.

mod adversary;
pub(crate) mod block;
pub mod chart;
mod driver;
mod event;
mod faults;
mod liveness;
mod node;
mod progress;
mod scheduler;
mod start;
mod strategist;
mod sync;
mod watch;

use std::{
    collections::{BTreeMap, BinaryHeap, HashMap, VecDeque},
    sync::Arc,
};

use alloy_primitives::{Address, B256, Bytes};
use peruri_ibft2::{
    BesuDialect, ForkPoints, Ibft2Config, Ibft2Schedule, Transition, ValidatorState,
    core::{Config, Input, Now},
};

pub use block::Sealed;
pub use event::{Event, Fault};
pub use node::{Image, Loss, Node, Role, Stored};

use crate::{
    choices::{Choices, Stream},
    clock::EPOCH_MS,
    keys::KeyRing,
    marks::Marks,
    network::Network,
    oracle::{
        Chain, Judge, View, Violation,
        judge::{Checked, broken},
        members::Rules,
        progress::Progress,
        wire::Kind,
    },
    swarm::{SECOND, Swarm},
    trace::{Quick, Trace},
};
use event::Queued;

/// Chain id of the simulated chain.
pub const CHAIN_ID: u64 = 4_711;

/// How long after the end of a chosen round a forgetful twin restarts, in microseconds.
const LATER: u64 = 100_001;

/// More events than any run should need.
const EVENT_LIMIT: u64 = 3_000_000;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The first invariant that was broken.
    pub violation: Option<Violation>,
    /// Hash of everything that happened.
    pub trace: u64,
    /// Events handled.
    pub events: u64,
    /// Inputs given to cores.
    pub steps: u64,
    /// Simulated time in microseconds.
    pub time: u64,
    /// Height that an honest node reached.
    pub head: u64,
    /// Situations reached.
    pub marks: Marks,
    /// What happened, if it was logged.
    pub log: Vec<String>,
    /// The chart of messages, if it was logged.
    pub chart: chart::Chart,
}

/// What is known of a message that was sent.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Member that signed it.
    author: Option<usize>,
    /// Its content.
    content: u64,
    /// Its height.
    height: u64,
    /// Its kind.
    kind: Kind,
    /// Its round.
    round: u32,
    /// The beginning of its digest, for charts.
    tag: Option<[u8; 2]>,
    /// The round of its certificate, for charts.
    certificate: Option<u32>,
}

/// A run.
#[derive(Debug, Clone)]
pub struct World {
    /// Its shape.
    pub swarm: Swarm,
    /// Its decisions.
    pub choices: Choices,
    /// Keys of all members.
    pub keys: KeyRing,
    /// Links between nodes.
    pub network: Network,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The judge.
    pub judge: Judge,
    /// What the network does with the first height, in a systematic scenario.
    pub plan: Option<crate::twins::Plan>,
    /// Whether something was sent on which a round of the plan that is not chosen yet decides.
    asked: bool,
    /// Situations reached.
    pub marks: Marks,
    /// Time in microseconds.
    pub now: u64,
    config: Config,
    old_config: Config,
    states: HashMap<B256, Arc<ValidatorState>, Quick>,
    known: HashMap<u64, Known, Quick>,
    queue: BinaryHeap<Queued>,
    begun: bool,
    made: u64,
    events: u64,
    steps: u64,
    connections: u64,
    transactions: u64,
    trace: Trace,
    log: Option<Vec<String>>,
    chart: Option<chart::Chart>,
    phase: liveness::Phase,
    /// Wire messages sent so far, for replays by Byzantine members.
    archive: VecDeque<Bytes>,
    /// Members whose sign state was tampered with, and those it may still happen to.
    amnesiacs: BTreeMap<usize, bool>,
    /// What those members have signed: height, round, kind, content.
    forgettable: BTreeMap<usize, Vec<(u64, u32, Kind, u64)>>,
    /// Who has received it, in which life and when, by content.
    sightings: HashMap<u64, Vec<(usize, u32, u64)>>,
    /// When connections were made.
    since: HashMap<u64, u64>,
    /// The judge of liveness.
    pub progress: Progress,
    /// When a node got work last.
    worked_at: u64,
    /// Whether somebody has lied about blocks.
    lied: bool,
    /// Whether the flapping partition is there.
    flapped: bool,
    /// Authors of what is on its way to a node, and whether its quorums are kept away from it.
    aimed: BTreeMap<(u64, u32, usize), scheduler::Aim>,
}

impl World {
    /// The run of a swarm; `log` keeps a text of what happens.
    pub fn new(swarm: Swarm, mut choices: Choices, log: bool) -> Self {
        let keys = KeyRing::new(swarm.scheme, swarm.members());
        let validators = keys.addresses();
        let genesis_members: Vec<_> =
            swarm.first_validators().into_iter().map(|member| validators[member]).collect();
        let genesis = block::genesis(genesis_members.clone());
        let view = View::read(&alloy_rlp::encode(&genesis)).expect("genesis has extraData");
        let config = config(&swarm, &validators, view.hash, BesuDialect::V26);
        let listed = |members: &Vec<usize>| {
            members.iter().map(|member| validators[*member]).collect::<Vec<_>>()
        };
        let overrides = swarm
            .transitions
            .iter()
            .filter_map(|change| Some((change.block, listed(change.validators.as_ref()?))))
            .collect();
        let rules = Rules { epoch: swarm.epoch, overrides };
        let mut periods = BTreeMap::from([(0, swarm.period)]);
        periods.extend(
            swarm.transitions.iter().filter_map(|change| Some((change.block, change.period?))),
        );
        let mut domain = Vec::new();
        if swarm.chain_bound {
            domain.extend_from_slice(&CHAIN_ID.to_be_bytes());
            domain.extend_from_slice(view.hash.as_slice());
        }
        let judge = Judge::new(Chain {
            rules,
            genesis: view.clone(),
            periods,
            recovery: keys.recovery(),
            vanity: swarm.chain_bound.then_some(view.hash),
            domain,
        });
        let first = rules_first(&config).unwrap_or(genesis_members.into_iter().collect());
        let state = ValidatorState::new(first);
        let mut states = HashMap::<_, _, Quick>::default();
        states.insert(view.hash, Arc::new(state));
        let header = peruri_ibft2::IbftHeader::from(genesis);
        let block = peruri_ibft2::messages::Block {
            header,
            body: peruri_ibft2::messages::Block::EMPTY_BODY,
        };
        let genesis = Arc::new(Sealed { block: Arc::new(block), view });
        let roles = roles(&swarm, &mut choices);
        let nodes: Vec<Node> = roles
            .iter()
            .map(|(member, role)| {
                let record = peruri_ibft2::sign_state::SignRecord::first(
                    genesis.view.hash,
                    keys.address(*member),
                );
                Node::new(*member, *role, Arc::clone(&genesis), record)
            })
            .collect();
        let network = Network::new(nodes.len(), swarm.rates.clone(), &mut choices);
        Self {
            old_config: self::config(&swarm, &validators, genesis.view.hash, BesuDialect::V25),
            config,
            states,
            known: HashMap::default(),
            queue: BinaryHeap::new(),
            begun: false,
            made: 0,
            events: 0,
            steps: 0,
            connections: 0,
            transactions: 0,
            trace: Trace::default(),
            log: log.then(Vec::new),
            chart: log.then(chart::Chart::default),
            phase: liveness::Phase::Safety,
            archive: VecDeque::new(),
            amnesiacs: BTreeMap::new(),
            forgettable: BTreeMap::new(),
            sightings: HashMap::new(),
            since: HashMap::new(),
            progress: Progress::new(progress::terms(&swarm)),
            worked_at: 0,
            lied: false,
            flapped: false,
            aimed: BTreeMap::new(),
            swarm,
            choices,
            keys,
            network,
            nodes,
            judge,
            plan: None,
            asked: false,
            marks: Marks::default(),
            now: 0,
        }
    }

    /// The run of a seed.
    pub fn from_seed(seed: u64, sizes: &[usize], log: bool) -> Self {
        Self::drawn(Choices::from_seed(seed, log), sizes, log)
    }

    /// A run all of whose decisions, its shape included, come from `choices`.
    pub fn drawn(mut choices: Choices, sizes: &[usize], log: bool) -> Self {
        let swarm = Swarm::draw(&mut choices, sizes);
        Self::new(swarm, choices, log)
    }

    /// Sets the bug that the cores of this run have.
    #[cfg(feature = "mutants")]
    pub fn set_mutant(&mut self, mutant: peruri_ibft2::core::Mutant) {
        self.config.mutant = Some(mutant);
        self.old_config.mutant = Some(mutant);
    }

    /// In a systematic scenario: runs up to the event before the first one on which a round that is
    /// not chosen yet decides. `None` if the run is over before.
    pub(crate) fn before_choice(&self) -> Option<Self> {
        let mut probe = self.clone();
        probe.asked = false;
        while !probe.asked {
            // What is broken breaks again in the run that is judged.
            if !matches!(probe.one_more(), Ok(false)) {
                return None;
            }
        }
        let mut before = self.clone();
        while before.events + 1 < probe.events {
            before.one_more().ok()?;
        }
        Some(before)
    }

    /// Runs to the end.
    pub fn run(mut self) -> Outcome {
        let result = self.play();
        self.outcome(result)
    }

    /// Runs to the end and also gives the decisions.
    pub fn run_recorded(mut self) -> (Outcome, Option<crate::choices::Tape>) {
        let result = self.play();
        let tape = self.choices.clone().into_tape();
        (self.outcome(result), tape)
    }

    fn outcome(mut self, result: Checked) -> Outcome {
        if let Err(violation) = &result {
            self.draw_all(|| violation.to_string());
        }
        let mut trace = self.trace;
        trace.number(self.events);
        trace.number(self.judge.head());
        Outcome {
            violation: result.err(),
            trace: trace.value(),
            events: self.events,
            steps: self.steps,
            time: self.now,
            head: self.judge.head(),
            marks: self.marks,
            log: self.log.unwrap_or_default(),
            chart: self.chart.unwrap_or_default(),
        }
    }

    fn play(&mut self) -> Checked {
        while !self.one_more()? {}
        Ok(())
    }

    /// Handles the next event; true if the run is over.
    fn one_more(&mut self) -> Result<bool, Violation> {
        if !self.begun {
            self.begun = true;
            self.begin()?;
        }
        let Some(next) = self.queue.pop() else { return broken("L6", "nothing more happens") };
        self.now = self.now.max(next.at);
        self.events += 1;
        self.asked |= self.plan.as_ref().is_some_and(|plan| plan.asks_at(self.now));
        if self.events > EVENT_LIMIT {
            return broken("S14", format!("{EVENT_LIMIT} events in {} µs", self.now));
        }
        self.handle(next.event)?;
        self.is_over()
    }

    fn begin(&mut self) -> Checked {
        for node in 0..self.nodes.len() {
            let delay = self.choices.between(Stream::Network, 0, 20_000);
            self.after(delay, Event::Fault(Fault::Start(node)));
        }
        self.draw_clocks();
        self.schedule_faults();
        Ok(())
    }

    /// In a systematic scenario: chooses the next round of the plan.
    pub(crate) fn choose(&mut self, choice: u32) {
        let Some(plan) = &mut self.plan else { return };
        let round = plan.choose(choice);
        let forgetful = plan.forgetful();
        let end = plan.end();
        self.swarm.safety = end;
        let faults = std::mem::take(&mut self.queue).into_iter();
        self.queue =
            faults.filter(|queued| !matches!(queued.event, Event::Fault(Fault::Heal))).collect();
        self.at(end, Event::Fault(Fault::Heal));
        if let Some(twin) = forgetful {
            self.at(u64::from(round + 1) * SECOND + LATER, Event::Fault(Fault::Forget(twin)));
        }
    }

    /// Puts an event into the queue before all others of its time.
    fn at(&mut self, at: u64, event: Event) {
        self.queue.push(Queued { at, number: 0, event });
    }

    fn handle(&mut self, event: Event) -> Checked {
        self.note(&event);
        let is_sync =
            matches!(event, Event::Head { .. } | Event::Fetch { .. } | Event::Blocks { .. });
        if is_sync && self.plan.is_some() && self.is_faulty() {
            return Ok(());
        }
        let Some(event) = self.unless_asleep(event) else { return Ok(()) };
        match event {
            Event::Deliver { to, from, conn, bytes, key } => {
                if self.nodes[to].peers.get(&from) != Some(&conn) {
                    return Ok(());
                }
                self.draw_arrow(from, to, key, true);
                let peer = peruri_ibft2::core::PeerId(conn);
                if self.nodes[to].is_honest() {
                    self.watch_delivery(to, key);
                    let foreign = self.is_foreign(&bytes, key);
                    let before = foreign.then(|| self.digest_of(to)).flatten();
                    self.give(to, Input::Message { peer, bytes })?;
                    return self.watch_foreign(to, before);
                }
                self.give(to, Input::Message { peer, bytes: bytes.clone() })?;
                self.provoke(to, from, &bytes)
            }
            Event::Answer { node, life, input } => {
                if self.nodes[node].life == life {
                    self.give(node, *input)
                } else {
                    Ok(())
                }
            }
            Event::Timer { node, life, id, at } => {
                let owner = &mut self.nodes[node];
                if owner.life == life && owner.timers.get(&id) == Some(&at) {
                    owner.timers.remove(&id);
                    return self.give(node, Input::Timer { id });
                }
                Ok(())
            }
            Event::Synced { node, life, written, token } => {
                if self.nodes[node].life == life {
                    return self.synced(node, written, token);
                }
                Ok(())
            }
            Event::Stored { node, life, height } => {
                if self.nodes[node].life == life {
                    self.stored(node, height)
                } else {
                    Ok(())
                }
            }
            Event::Connect { a, b } => self.connect(a, b),
            Event::Disconnect { a, b, conn } => self.disconnect(a, b, conn),
            Event::Head { to, from, conn, height } => self.head(to, from, conn, height),
            Event::Fetch { to, from, conn, height } => {
                self.serve(to, from, conn, height);
                Ok(())
            }
            Event::Blocks { to, from, conn, blocks } => self.blocks(to, from, conn, blocks),
            Event::SyncFailed { node, life } => {
                if self.nodes[node].life == life {
                    self.sync_failed(node);
                }
                Ok(())
            }
            Event::Transaction { to, from, conn, transaction } => {
                if self.nodes[to].peers.get(&from) == Some(&conn) {
                    return self.accept_transaction(to, transaction);
                }
                Ok(())
            }
            Event::Fault(fault) => self.fault(fault),
        }
    }

    /// Puts an event into the queue, `delay` microseconds from now.
    pub(crate) fn after(&mut self, delay: u64, event: Event) {
        self.made += 1;
        let at = self.now.saturating_add(delay);
        self.queue.push(Queued { at, number: self.made, event });
    }

    /// The clocks of a node.
    fn clocks(&self, node: usize) -> Now {
        let clock = &self.nodes[node].clock;
        Now { mono_ms: clock.mono_ms(self.now), unix_ms: clock.unix_ms(self.now) }
    }

    /// Adds an event to the trace.
    fn note(&mut self, event: &Event) {
        self.trace.number(self.now);
        match event {
            Event::Deliver { to, from, key, .. } => {
                self.trace.number((*to as u64) << 8 | *from as u64);
                self.trace.number(*key);
            }
            Event::Timer { node, at, .. } => self.trace.number((*node as u64) << 48 | *at),
            Event::Answer { node, .. } => self.trace.number(0xa0_00 | *node as u64),
            Event::Synced { node, written, .. } => {
                self.trace.number((0xb0_00 | *node as u64) << 32 | *written);
            }
            Event::Stored { node, height, .. } => {
                self.trace.number((0xc0_00 | *node as u64) << 32 | *height);
            }
            Event::Connect { a, b } => self.trace.number(0xd0_00_00 | (*a << 8 | *b) as u64),
            Event::Disconnect { a, b, .. } => self.trace.number(0xe0_00_00 | (*a << 8 | *b) as u64),
            Event::Head { to, from, height, .. } => {
                self.trace.number((0xf0_00_00 | (*to << 8 | *from) as u64) << 32 | *height);
            }
            Event::Fetch { to, from, height, .. } => {
                self.trace.number((0xf1_00_00 | (*to << 8 | *from) as u64) << 32 | *height);
            }
            Event::Blocks { to, from, blocks, .. } => {
                let count = blocks.len() as u64;
                self.trace.number((0xf2_00_00 | (*to << 8 | *from) as u64) << 32 | count);
            }
            Event::SyncFailed { node, .. } => self.trace.number(0xf3_00_00 | *node as u64),
            Event::Transaction { to, from, transaction, .. } => {
                self.trace.number((0xf4_00_00 | (*to << 8 | *from) as u64) << 32 | *transaction);
            }
            Event::Fault(fault) => self.trace.number(0xff_00_00 | fault.code()),
        }
    }

    /// Adds a line to the log.
    pub(crate) fn tell(&mut self, text: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let (seconds, micros) = (self.now / 1_000_000, self.now % 1_000_000);
            log.push(format!("{seconds:>5}.{micros:06} {}", text()));
        }
    }

    /// The next transaction's number.
    fn next_transaction(&mut self) -> u64 {
        self.transactions += 1;
        self.transactions
    }

    /// The state of validators and votes after a block that is stored somewhere.
    fn state_after(&mut self, sealed: &Sealed) -> Arc<ValidatorState> {
        if let Some(state) = self.states.get(&sealed.view.hash) {
            return Arc::clone(state);
        }
        let parent = self.states.get(&sealed.view.parent).cloned();
        let schedule = &self.config.schedule;
        let header = &sealed.block.header;
        let state = ValidatorState::after_block(parent.as_deref(), header, schedule)
            .unwrap_or_else(|_| ValidatorState::new(Default::default()));
        let state = Arc::new(state);
        self.states.insert(sealed.view.hash, Arc::clone(&state));
        state
    }
}

/// The validators that a transition sets for block 1.
fn rules_first(config: &Config) -> Option<peruri_ibft2::ValidatorSet> {
    config.schedule.validators_at(1).cloned()
}

/// Who runs which node: Byzantine members come last among the first validators.
fn roles(swarm: &Swarm, choices: &mut Choices) -> Vec<(usize, Role)> {
    let mut byzantine = Vec::new();
    let first = swarm.first_validators();
    let mut candidates = first.clone();
    for _ in 0..swarm.byzantine.members.min(candidates.len()) {
        let at = choices.draw(Stream::Config, candidates.len() as u32) as usize;
        byzantine.push(candidates.remove(at));
    }
    let mut roles = Vec::new();
    for member in 0..swarm.members() {
        let bad = byzantine.contains(&member);
        let outsider = swarm.hostile_outsiders && !first.contains(&member);
        let role = if bad || outsider { Role::Byzantine } else { Role::Honest };
        roles.push((member, role));
    }
    if swarm.byzantine.twins {
        roles.extend(byzantine.iter().map(|member| (*member, Role::Byzantine)));
    }
    roles
}

fn config(swarm: &Swarm, keys: &[Address], genesis_hash: B256, dialect: BesuDialect) -> Config {
    let settings = Ibft2Config {
        block_period_seconds: swarm.period,
        request_timeout_seconds: swarm.base,
        round_timeout_cap_seconds: swarm.cap,
        epoch_length: swarm.epoch,
        besu_dialect: dialect,
        chain_bound_signatures: swarm.chain_bound,
        empty_block_period_seconds: swarm.empty_period,
        ..Ibft2Config::default()
    };
    let forks = ForkPoints::default();
    let transitions = swarm
        .transitions
        .iter()
        .map(|change| Transition {
            block: change.block,
            block_period_seconds: change.period,
            validators: change
                .validators
                .as_ref()
                .map(|members| members.iter().map(|member| keys[*member]).collect()),
            ..Transition::default()
        })
        .collect();
    let schedule = Ibft2Schedule::new(settings, transitions, &forks).expect("settings are valid");
    debug_assert!(EPOCH_MS.is_multiple_of(1_000));
    Config::new(Arc::new(schedule), CHAIN_ID, genesis_hash)
}
