//! How many inputs a second one core takes on four validators, without cryptography.
//!
//! Four cores make blocks with an immediate disk and network. The inputs of the second one are kept
//! and then given to a fresh core again and again; only that is timed. Signatures are replaced by
//! the address of the signer, so that what remains is decoding, hashing and the rules.
//!
//! ```text
//! cargo run --release -p peruri-ibft2 --example step_speed
//! ```

use std::{
    collections::{BTreeMap, VecDeque},
    hint::black_box,
    sync::Arc,
    time::Instant,
};

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes};
use peruri_ibft2::{
    Block, Crypto, ExtraData, ForkPoints, Form, Ibft2Config, Ibft2Schedule, IbftHeader, SignRecord,
    Signature65, ValidatorState,
    core::{
        Config, Core, Effect, Input, Now, PeerId, Start, StoredRecord, Target, TimerId, Verdict,
    },
    prepare_header,
};

/// Validators.
const N: usize = 4;
/// Blocks that are recorded.
const HEIGHTS: u64 = 2_000;
/// Times that the recording is played.
const PLAYS: usize = 10;

/// The signature is the signer's address.
#[derive(Debug, Clone, Copy)]
struct Named;

fn sign(address: Address) -> Signature65 {
    let mut bytes = [0; 65];
    bytes[12..32].copy_from_slice(address.as_slice());
    bytes[63] = 1;
    Signature65::new(bytes).unwrap_or_else(|error| panic!("{error}"))
}

impl Crypto for Named {
    fn recover(&self, _: &B256, signature: &Signature65) -> Option<Address> {
        Some(Address::from_slice(&signature.as_bytes()[12..32]))
    }
}

fn member(index: usize) -> Address {
    Address::with_last_byte(index as u8 + 1)
}

fn genesis() -> IbftHeader {
    let validators = (0..N).map(member).collect();
    let extra = ExtraData { validators, ..ExtraData::default() };
    let header = Header { timestamp: 1_000, gas_limit: 10_000_000, ..Header::default() };
    prepare_header(header, extra.encode(Form::All))
}

fn start(index: usize, now: Now) -> (Core<Named>, Vec<Effect>) {
    let schedule = Ibft2Schedule::new(Ibft2Config::default(), vec![], &ForkPoints::default());
    let schedule = Arc::new(schedule.unwrap_or_else(|error| panic!("{error}")));
    let genesis_hash = genesis().hash_slow();
    let record = SignRecord::first(genesis_hash, member(index));
    let start = Start {
        parent: genesis(),
        validators: ValidatorState::new((0..N).map(member).collect()),
        local: member(index),
        record: StoredRecord::Present(Box::new(record)),
        blocks: vec![],
        store_sequence: 0,
        was_validator: false,
        wishes: BTreeMap::new(),
        forced: vec![],
    };
    Core::new(Config::new(schedule, 1, genesis_hash), Named, start, now)
}

/// Four cores and what they have been told.
struct Network {
    cores: Vec<Core<Named>>,
    queue: VecDeque<(usize, Input)>,
    timers: Vec<BTreeMap<TimerId, u64>>,
    inputs: Vec<Vec<(Now, Input)>>,
    now: Now,
}

impl Network {
    fn new() -> Self {
        let now = Now { mono_ms: 0, unix_ms: 1_000_000 };
        let mut this = Self {
            cores: vec![],
            queue: VecDeque::new(),
            timers: vec![BTreeMap::new(); N],
            inputs: vec![vec![]; N],
            now,
        };
        for index in 0..N {
            let (core, effects) = start(index, now);
            this.cores.push(core);
            this.carry_out(index, effects);
        }
        for index in 0..N {
            for other in (0..N).filter(|other| *other != index) {
                let peer = PeerId(other as u64);
                let validator = Some(member(other));
                let input = Input::PeerConnected { peer, validator, head: 0, mark: None };
                this.queue.push_back((index, input));
            }
        }
        this
    }

    /// Runs until every core has stored `HEIGHTS` blocks.
    fn run(mut self) -> Vec<Vec<(Now, Input)>> {
        while self.cores.iter().any(|core| core.head().number < HEIGHTS) {
            if let Some((index, input)) = self.queue.pop_front() {
                self.inputs[index].push((self.now, input.clone()));
                let effects = self.cores[index].step(self.now, input);
                self.carry_out(index, effects);
                continue;
            }
            let next = self.timers.iter().flat_map(BTreeMap::values).min().copied();
            let at = next.unwrap_or(self.now.mono_ms).max(self.now.mono_ms);
            self.now.unix_ms += at - self.now.mono_ms;
            self.now.mono_ms = at;
            for index in 0..N {
                let due: Vec<TimerId> = self.timers[index]
                    .iter()
                    .filter(|(_, due)| **due <= at)
                    .map(|it| *it.0)
                    .collect();
                for id in due {
                    self.timers[index].remove(&id);
                    self.queue.push_back((index, Input::Timer { id }));
                }
            }
        }
        self.inputs
    }

    fn carry_out(&mut self, index: usize, effects: Vec<Effect>) {
        for effect in effects {
            let answer = match effect {
                Effect::Sign { request, .. } => {
                    Input::Signed { request, signature: sign(member(index)) }
                }
                Effect::Persist { token, .. } => Input::Durable { token },
                Effect::Send { to, bytes, .. } => {
                    self.send(index, to, &bytes);
                    continue;
                }
                Effect::SetTimer { id, at } => {
                    self.timers[index].insert(id, at);
                    continue;
                }
                Effect::CancelTimer { id } => {
                    self.timers[index].remove(&id);
                    continue;
                }
                Effect::BuildBlock {
                    request, parent, coinbase, extra_data, not_before, ..
                } => {
                    let header = Header {
                        parent_hash: parent.0,
                        number: self.cores[index].height(),
                        beneficiary: coinbase,
                        timestamp: not_before.max(self.now.unix_ms / 1_000),
                        gas_limit: 10_000_000,
                        ..Header::default()
                    };
                    let header = prepare_header(header, extra_data);
                    Input::BlockBuilt { request, block: Block { header, body: Block::EMPTY_BODY } }
                }
                Effect::CheckBlock { request, .. } => {
                    Input::BlockChecked { request, verdict: Verdict::Valid }
                }
                Effect::Finalise { block, .. } => Input::Stored { height: block.number() },
                _ => continue,
            };
            self.queue.push_back((index, answer));
        }
    }

    fn send(&mut self, from: usize, to: Target, bytes: &Bytes) {
        for other in (0..N).filter(|other| *other != from) {
            let receives = match to {
                Target::Validators => true,
                Target::Peer(peer) => peer.0 == other as u64,
                Target::AllBut { author, deliverer } => {
                    member(other) != author && deliverer.0 != other as u64
                }
            };
            if receives {
                let peer = PeerId(from as u64);
                let input = Input::Message { peer, bytes: bytes.clone() };
                self.queue.push_back((other, input));
            }
        }
    }
}

fn main() {
    let inputs = Network::new().run().swap_remove(1);
    let mut best = f64::MAX;
    for _ in 0..PLAYS {
        let (mut core, _) = start(1, Now { mono_ms: 0, unix_ms: 1_000_000 });
        let recorded = inputs.clone();
        let begun = Instant::now();
        for (now, input) in recorded {
            black_box(core.step(now, input));
        }
        best = best.min(begun.elapsed().as_secs_f64());
        assert!(core.head().number >= HEIGHTS, "the recording does not repeat");
    }
    let rate = inputs.len() as f64 / best;
    println!("{} inputs, {HEIGHTS} heights, best of {PLAYS}: {rate:.0} inputs/s", inputs.len());
}
