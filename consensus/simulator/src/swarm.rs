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

/// More of what Byzantine members may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Schemes {
    /// Messages of a chain with another genesis or number, signed with the same keys, per mille of
    /// those received. Signatures have to be bound to the chain.
    pub foreign: u32,
    /// They lie about the blocks that they have.
    pub lies: bool,
    /// They make the network delay what would complete a quorum.
    pub adaptive: bool,
    /// Messages sent when nine tenths of the round are over, per mille.
    pub late: u32,
    /// They leave transactions out.
    pub censor: bool,
    /// They surround an honest node.
    pub eclipse: bool,
    /// They restart from older disks.
    pub forgetful: bool,
    /// They know more ways to spoil a block or a seal, and send the same a thousand times.
    pub inventive: bool,
}

/// A transition of the chain's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The first block for which it holds.
    pub block: u64,
    /// Validators of that block, as numbers of members.
    pub validators: Option<Vec<usize>>,
    /// Block period in seconds.
    pub period: Option<u64>,
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
    /// More of what Byzantine members do.
    pub schemes: Schemes,
    /// Transitions, at different blocks.
    pub transitions: Vec<Change>,
    /// Mean time between restarts of single nodes with a newer release, in microseconds; 0 = none.
    pub upgrades: u64,
    /// Syncs that fail, per mille.
    pub failing_syncs: u32,
    /// Mean time between changes of a flapping partition, in microseconds; 0 = none.
    pub flapping: u64,
    /// Whether partitions may have a node in common.
    pub bridges: bool,
    /// Mean time between suspensions, in microseconds; 0 = none.
    pub suspends: u64,
    /// The longest of them, in microseconds.
    pub longest_sleep: u64,
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
            schemes: Schemes {
                foreign: 0,
                lies: false,
                adaptive: false,
                late: 0,
                censor: false,
                eclipse: false,
                forgetful: false,
                inventive: false,
            },
            transitions: Vec::new(),
            upgrades: 0,
            failing_syncs: 0,
            flapping: 0,
            bridges: false,
            suspends: 0,
            longest_sleep: 0,
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
        this.draw_schemes(choices);
        this.draw_environment(choices);
        this
    }

    fn draw_schemes(&mut self, choices: &mut Choices) {
        let mut on = |per_mille| choices.chance(Stream::Config, per_mille);
        let hostile = self.byzantine.members > 0 || self.hostile_outsiders;
        let schemes = Schemes {
            foreign: if on(300) && self.chain_bound { 100 } else { 0 },
            lies: on(300),
            adaptive: on(200),
            late: if on(200) { 200 } else { 0 },
            censor: on(300),
            eclipse: on(150),
            forgetful: on(250),
            inventive: on(600),
        };
        if hostile {
            self.schemes = schemes;
        }
    }

    fn draw_environment(&mut self, choices: &mut Choices) {
        let mut on = |per_mille| choices.chance(Stream::Config, per_mille);
        let (upgrades, failing, flapping, bridges) = (on(120), on(150), on(100), on(300));
        let (suspends, hours, long, outage) = (on(150), on(100), on(250), on(10));
        let (override_set, new_period) = (on(120), on(100));
        let mut pick = |low, high| choices.between(Stream::Config, low, high);
        self.upgrades = if upgrades { pick(500, 3_000) * MS } else { 0 };
        self.failing_syncs = if failing { pick(5, 100) as u32 } else { 0 };
        self.flapping = if flapping { pick(50, 400) * MS } else { 0 };
        self.bridges = bridges;
        self.suspends = if suspends { pick(500, 6_000) * MS } else { 0 };
        self.longest_sleep = if hours { 3_600 * SECOND } else { 6 * SECOND };
        if long {
            self.suffix = pick(6, 12);
        }
        if outage {
            self.safety = pick(1, 20) * 60 * SECOND;
            self.partitions = self.safety;
            self.rates.loss = 900;
        }
        if override_set && self.votes == 0 && !self.hostile_outsiders {
            self.draw_override(&mut pick);
        }
        if new_period {
            let block = pick(2, 6);
            let period = Some(pick(1, 3));
            match self.transitions.iter_mut().find(|change| change.block == block) {
                Some(change) => change.period = period,
                None => self.transitions.push(Change { block, validators: None, period }),
            }
        }
    }

    /// One member replaced, added or taken away at a block, so that the new set still tolerates all
    /// faulty members.
    fn draw_override(&mut self, pick: &mut impl FnMut(u64, u64) -> u64) {
        let faulty = self.byzantine.members + self.amnesia;
        let shrinks = self.validators > 1 && faulty <= sizes::byzantine(self.validators - 1);
        let way = pick(0, if shrinks { 2 } else { 1 });
        if way < 2 {
            self.outsiders = 1;
        }
        let first = self.first_validators();
        let others: Vec<usize> =
            (0..self.members()).filter(|member| !first.contains(member)).collect();
        let gone = pick(0, first.len() as u64 - 1) as usize;
        let mut set = first;
        match way {
            0 => set.extend(others),
            1 => {
                set.remove(gone);
                set.extend(others);
            }
            _ => {
                set.remove(gone);
            }
        }
        self.transitions.push(Change { block: pick(1, 5), validators: Some(set), period: None });
    }

    /// Members that are validators at first; outsiders' addresses lie between theirs.
    pub fn first_validators(&self) -> Vec<usize> {
        let (validators, outsiders) = (self.validators, self.outsiders);
        (0..validators + outsiders)
            .filter(|member| outsiders == 0 || member % 2 == 0 || *member >= 2 * outsiders)
            .take(validators)
            .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faulty_members_are_never_too_many() {
        for seed in 0..5_000 {
            let mut choices = Choices::from_seed(seed, false);
            let swarm = Swarm::draw(&mut choices, &[1, 2, 3, 4, 5, 6, 7, 10]);
            let faulty = swarm.byzantine.members + swarm.amnesia;
            assert!(faulty <= sizes::byzantine(swarm.validators), "{seed}");
            for change in &swarm.transitions {
                let Some(set) = &change.validators else { continue };
                assert!(!set.is_empty() && faulty <= sizes::byzantine(set.len()), "{seed}");
                assert!(set.iter().all(|member| *member < swarm.members()), "{seed}");
            }
            let mut blocks: Vec<u64> = swarm.transitions.iter().map(|one| one.block).collect();
            blocks.dedup();
            assert_eq!(blocks.len(), swarm.transitions.len(), "{seed}");
        }
    }

    #[test]
    fn a_tape_of_zeros_is_a_run_without_faults() {
        let mut choices = Choices::from_tape(crate::choices::Tape::default());
        let swarm = Swarm::draw(&mut choices, &[4]);
        let calm = Swarm::calm(4);
        assert_eq!((swarm.byzantine, swarm.schemes), (calm.byzantine, calm.schemes));
        assert_eq!((swarm.rates, swarm.transitions), (calm.rates, calm.transitions));
        assert_eq!((swarm.crashes, swarm.suspends, swarm.failing_syncs), (0, 0, 0));
    }
}
