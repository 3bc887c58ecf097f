//! The shape of one run: every kind of fault is switched on or off per seed, so that rare
//! combinations are as common as full ones (Groce et al., "Swarm testing", 2012).

use crate::{
    choices::{Choices, Stream},
    keys::Scheme,
    network::{Delay, Rates},
    oracle::sizes,
};

/// One millisecond in the simulator's microseconds.
pub const MS: u64 = 1_000;
/// One second.
pub const SECOND: u64 = 1_000_000;

/// What the Byzantine members of a run may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Byzantine {
    /// How many members are Byzantine, at most f.
    pub members: usize,
    /// Each acts through two instances with one key that do not know of each other.
    pub twins: bool,
    /// Messages that were changed a little and signed anew, per mille of those sent.
    pub mutate: u32,
    /// Bytes damaged without a new signature, per mille.
    pub damage: u32,
    /// Messages withheld from single receivers, per mille.
    pub withhold: u32,
    /// Old messages sent again, per mille.
    pub replay: u32,
    /// Whether they send nothing but RoundChanges, and nothing any more when everything heals.
    pub mute: bool,
    /// Messages that the scripted strategist makes up, per mille of those received.
    pub scripted: u32,
}

/// The shape of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swarm {
    /// Validators of the genesis.
    pub validators: usize,
    /// Nodes with keys that are no validators at first.
    pub outsiders: usize,
    /// Whether those nodes are Byzantine; they are never voted in then.
    pub hostile_outsiders: bool,
    /// How signatures are made.
    pub scheme: Scheme,
    /// Base of the round timer in seconds.
    pub base: u64,
    /// Longest round in seconds, if it is set.
    pub cap: Option<u64>,
    /// Block period in seconds.
    pub period: u64,
    /// Blocks between epochs.
    pub epoch: u64,
    /// Period of empty blocks in seconds; 0 = as others.
    pub empty_period: u64,
    /// Whether signatures are bound to the chain.
    pub chain_bound: bool,
    /// Whether Proposal and RoundChange are sent in the older form by odd members.
    pub mixed_dialects: bool,
    /// Whether signers give signatures with a high s.
    pub high_s: bool,
    /// How long the phase with faults lasts, in microseconds.
    pub safety: u64,
    /// Blocks wanted in the phase without faults.
    pub suffix: u64,
    /// Rules of the network in the phase with faults.
    pub rates: Rates,
    /// Mean time between changes of the partition, in microseconds; 0 = none.
    pub partitions: u64,
    /// Mean time between crashes, in microseconds; 0 = none.
    pub crashes: u64,
    /// Whether a crash may strike between two effects of a step.
    pub crash_in_step: bool,
    /// Whether all nodes may lose power at once.
    pub power_cuts: bool,
    /// Longest sync of a disk, in microseconds.
    pub sync: u64,
    /// Longest time to build or check a block, in microseconds.
    pub work: u64,
    /// Members whose sign state is lost, damaged or set back, at most f with the Byzantine.
    pub amnesia: usize,
    /// Largest skew of a clock in milliseconds.
    pub skew: u64,
    /// Largest drift in parts per million.
    pub drift: u64,
    /// Whether clocks jump.
    pub jumps: bool,
    /// Mean time between votes of operators, in microseconds; 0 = none.
    pub votes: u64,
    /// What Byzantine members do.
    pub byzantine: Byzantine,
    /// Whether nodes tell nobody of their new blocks: missing ones are fetched only when a core
    /// asks.
    pub silent: bool,
    /// Whether one honest node is cut off from the start until everything heals.
    pub isolated: bool,
}

impl Swarm {
    /// A run of `validators` without any fault.
    pub const fn calm(validators: usize) -> Self {
        Self {
            validators,
            outsiders: 0,
            hostile_outsiders: false,
            scheme: Scheme::Keyed,
            base: 2,
            cap: None,
            period: 1,
            epoch: 30_000,
            empty_period: 0,
            chain_bound: false,
            mixed_dialects: false,
            high_s: false,
            safety: 4 * SECOND,
            suffix: 3,
            rates: Rates::CALM,
            partitions: 0,
            crashes: 0,
            crash_in_step: false,
            power_cuts: false,
            sync: 5 * MS,
            work: 5 * MS,
            amnesia: 0,
            skew: 0,
            drift: 0,
            jumps: false,
            votes: 0,
            byzantine: Byzantine {
                members: 0,
                twins: false,
                mutate: 0,
                damage: 0,
                withhold: 0,
                replay: 0,
                mute: false,
                scripted: 0,
            },
            silent: false,
            isolated: false,
        }
    }

    /// Draws the shape of a run; the number of validators is one of `sizes`.
    pub fn draw(choices: &mut Choices, sizes: &[usize]) -> Self {
        let mut on = |per_mille| choices.chance(Stream::Config, per_mille);
        let (lossy, duplicating, slow, skewed) = (on(500), on(400), on(400), on(300));
        let (partitions, crashes, in_step, cuts) = (on(500), on(500), on(600), on(200));
        let (clocks, jumps, votes, byzantine) = (on(300), on(150), on(300), on(500));
        let (amnesia, real, bound, mixed) = (on(150), on(10), on(300), on(300));
        let (empty, twins, slow_disk, slow_work) = (on(150), on(350), on(300), on(300));
        let (outsiders, silent, isolated) = (on(150), on(300), on(100));
        let validators = choices.pick(Stream::Config, sizes);
        let f = sizes::byzantine(validators);
        let mut pick = |low, high| choices.between(Stream::Config, low, high);
        let mut this = Self::calm(validators);
        this.scheme = if real { Scheme::Real } else { Scheme::Keyed };
        this.base = pick(1, 4);
        this.period = pick(1, 2);
        this.chain_bound = bound;
        this.mixed_dialects = mixed;
        this.high_s = bound && mixed;
        this.safety = pick(2, 20) * SECOND;
        this.suffix = pick(2, 3);
        this.rates.loss = if lossy { pick(1, 400) as u32 } else { 0 };
        this.rates.duplicate = if duplicating { pick(1, 500) as u32 } else { 0 };
        this.rates.delay = match (slow, pick(0, 1)) {
            (false, _) => Delay::Uniform(MS, 5 * MS),
            (true, 0) => Delay::Uniform(MS, pick(10, 2_000) * MS),
            (true, _) => Delay::Tail(pick(1, 20) * MS, 10),
        };
        this.rates.skew = if skewed { pick(1, 1_000) * MS } else { 0 };
        this.partitions = if partitions { pick(500, 6_000) * MS } else { 0 };
        this.crashes = if crashes { pick(500, 6_000) * MS } else { 0 };
        this.crash_in_step = in_step;
        this.power_cuts = cuts;
        this.sync = if slow_disk { pick(5, 500) * MS } else { 5 * MS };
        this.work = if slow_work { pick(5, 800) * MS } else { 5 * MS };
        if clocks {
            this.skew = pick(0, 3) * pick(0, 1_200_000) / 3;
            this.drift = pick(0, 500);
        }
        this.jumps = jumps;
        this.silent = silent;
        this.isolated = isolated;
        if votes {
            this.votes = pick(500, 4_000) * MS;
            this.outsiders = pick(0, 2) as usize;
            this.epoch = pick(3, 30);
        }
        if !votes && outsiders {
            this.outsiders = 1;
            this.hostile_outsiders = true;
            this.byzantine.scripted = 100;
        }
        this.empty_period = if empty { this.period + pick(1, 4) } else { 0 };
        if byzantine && f > 0 {
            let members = pick(1, f as u64) as usize;
            this.byzantine = Byzantine {
                members,
                twins,
                mutate: pick(0, 2) as u32 * 100,
                damage: pick(0, 1) as u32 * 50,
                withhold: pick(0, 3) as u32 * 150,
                replay: pick(0, 1) as u32 * 100,
                mute: pick(0, 9) == 9,
                scripted: (pick(0, 2) as u32 * 50).max(this.byzantine.scripted),
            };
        }
        if amnesia && f > this.byzantine.members {
            this.amnesia = 1;
        }
        this
    }

    /// Number of members with keys.
    pub const fn members(&self) -> usize {
        self.validators + self.outsiders
    }

    /// Longest round in seconds.
    pub const fn cap(&self) -> u64 {
        let five = self.base * 5;
        match self.cap {
            Some(cap) => cap,
            None if five > 10 => five,
            None => 10,
        }
    }
}
