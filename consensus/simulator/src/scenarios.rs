//! Faults that are known from other implementations, and those that this one repairs, each as a
//! directed family of runs.
//!
//! A scenario says how the runs are shaped and which seeded bugs of the core take its repair out.
//! Without a bug no run of the family may break anything; with one, at least one run must.

use crate::{
    choices::Choices,
    network::{Delay, Rates},
    oracle::Violation,
    swarm::{Byzantine, MS, SECOND, Swarm},
    world::World,
};

/// A known fault.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Short name.
    pub id: &'static str,
    /// What went wrong.
    pub title: &'static str,
    /// Names of the bugs that bring it back.
    pub bugs: &'static [&'static str],
    /// The shape of the runs; the argument varies it.
    pub shape: fn(u64) -> Swarm,
}

const TWINS: Byzantine = Byzantine {
    members: 1,
    twins: true,
    mutate: 0,
    damage: 0,
    withhold: 300,
    replay: 50,
    mute: false,
    scripted: 20,
};

const LIAR: Byzantine = Byzantine {
    members: 1,
    twins: false,
    mutate: 300,
    damage: 20,
    withhold: 300,
    replay: 100,
    mute: false,
    scripted: 60,
};

fn lossy(n: usize) -> Swarm {
    let mut swarm = Swarm::calm(n);
    swarm.base = 1;
    swarm.safety = 12 * SECOND;
    swarm.rates =
        Rates { loss: 250, duplicate: 100, delay: Delay::Uniform(MS, 300 * MS), skew: 100 * MS };
    swarm
}

fn cut(n: usize) -> Swarm {
    let mut swarm = lossy(n);
    swarm.partitions = 700 * MS;
    swarm
}

fn crashing(n: usize) -> Swarm {
    let mut swarm = cut(n);
    swarm.crashes = 700 * MS;
    swarm.crash_in_step = true;
    swarm.sync = 150 * MS;
    swarm
}

fn cuts_of_power(n: usize) -> Swarm {
    let mut swarm = crashing(n);
    swarm.power_cuts = true;
    swarm
}

fn hostile(n: usize, byzantine: Byzantine) -> Swarm {
    let mut swarm = cut(n);
    swarm.byzantine = byzantine;
    swarm
}

fn amnesia(seed: u64) -> Swarm {
    let mut swarm = crashing(4 + (seed % 2) as usize);
    swarm.amnesia = 1;
    swarm.partitions = 0;
    swarm.rates.loss = 20;
    swarm
}

fn outsiders(seed: u64) -> Swarm {
    let mut swarm = hostile(3 + (seed % 3) as usize, Byzantine { members: 0, ..LIAR });
    swarm.outsiders = 1;
    swarm.hostile_outsiders = true;
    swarm.byzantine.scripted = 200;
    swarm
}

fn voting(seed: u64) -> Swarm {
    let mut swarm = Swarm::calm(2 + (seed % 4) as usize);
    swarm.outsiders = 2;
    swarm.votes = 300 * MS;
    swarm.epoch = 6 + seed % 5;
    swarm.safety = 15 * SECOND;
    swarm
}

/// All scenarios.
pub const ALL: &[Scenario] = &[
    Scenario {
        id: "K1",
        title: "n = 5 and 6 with the quorum of IBFT 1: two quorums without a common honest member",
        bugs: &["CommitQuorumMinusOne", "PrepareQuorumMinusOne", "RoundChangeQuorumMinusOne"],
        shape: |seed| hostile(5 + (seed % 2) as usize, TWINS),
    },
    Scenario {
        id: "K2",
        title: "members prepared on two blocks never agree again",
        bugs: &["LockLostOnTimer", "ReproposalUnchecked"],
        shape: |seed| hostile(4 + (seed % 3) as usize, TWINS),
    },
    Scenario {
        id: "K3",
        title: "RoundChanges of an earlier height or too few of them make a certificate",
        bugs: &["JustificationUnchecked"],
        shape: |seed| hostile(4 + (seed % 2) as usize, LIAR),
    },
    Scenario {
        id: "K4",
        title: "a certificate mixes rounds or blocks",
        bugs: &["DigestIgnored"],
        shape: |seed| hostile(4 + (seed % 2) as usize, LIAR),
    },
    Scenario {
        id: "K5",
        title: "another than the highest certificate is proposed again",
        bugs: &["LowestCertificateWins"],
        shape: |seed| cut(3 + (seed % 4) as usize),
    },
    Scenario {
        id: "K6",
        title: "the backlog keeps what is over and drops what is needed",
        bugs: &["UnboundedRounds"],
        shape: |seed| {
            let mut swarm = hostile(4 + (seed % 2) as usize, LIAR);
            swarm.byzantine.scripted = 200;
            swarm
        },
    },
    Scenario {
        id: "K7",
        title: "an idle height leaves its round before the block period is over",
        bugs: &[],
        shape: |seed| {
            let mut swarm = Swarm::calm(1 + (seed % 5) as usize);
            swarm.base = 1;
            swarm.period = 2;
            swarm
        },
    },
    Scenario {
        id: "K8",
        title: "giant rounds fill the memory or are jumped to",
        bugs: &["JumpOnOne"],
        shape: |seed| {
            let mut swarm = hostile(4 + (seed % 2) as usize, LIAR);
            swarm.byzantine.scripted = 200;
            swarm
        },
    },
    Scenario {
        id: "K9",
        title: "after a long loss of the quorum the timers are as long as the loss was",
        bugs: &["TimerNotReset"],
        shape: |seed| {
            let mut swarm = cut(3 + (seed % 4) as usize);
            swarm.rates.loss = 900;
            swarm.safety = 3_600 * SECOND;
            swarm.partitions = 600 * SECOND;
            swarm
        },
    },
    Scenario {
        id: "K10",
        title: "validators restart with an empty sign state and sign again",
        bugs: &["RecordForgottenOnRestart", "MissingRecordAccepted"],
        shape: amnesia,
    },
    Scenario {
        id: "K11",
        title: "one or two validators do not go on by themselves after a restart",
        bugs: &[],
        shape: |seed| cuts_of_power(1 + (seed % 2) as usize),
    },
    Scenario {
        id: "K12",
        title: "seven validators, three restart, their rounds never meet",
        bugs: &["NoJump"],
        shape: |_| {
            // Rounds pass without a block, and one member does not see them.
            let mut swarm = Swarm::calm(4);
            swarm.base = 1;
            swarm.cap = Some(1);
            swarm.safety = 60 * SECOND;
            swarm.byzantine = Byzantine { members: 1, mute: true, ..Byzantine::default() };
            swarm.isolated = true;
            swarm
        },
    },
    Scenario {
        id: "K13",
        title: "members are voted in and out while others are away",
        bugs: &["SetNotAdvanced"],
        shape: voting,
    },
    Scenario {
        id: "K14",
        title: "a restart does not finish what it had prepared",
        bugs: &["CertificateForgottenOnRestart"],
        shape: |seed| cuts_of_power(3 + (seed % 4) as usize),
    },
    Scenario {
        id: "K15",
        title: "a block is accepted without being executed",
        bugs: &["BlockUnchecked"],
        shape: |seed| hostile(4 + (seed % 2) as usize, LIAR),
    },
    Scenario {
        id: "K19",
        title: "nobody hands out the one block that a member lacks",
        bugs: &["NoCatchUp"],
        shape: |seed| {
            // One member is many blocks behind, and nobody tells it so but the core.
            let mut swarm = Swarm::calm(4 + (seed % 3) as usize);
            swarm.safety = 120 * SECOND;
            swarm.isolated = true;
            swarm.silent = true;
            swarm
        },
    },
    Scenario {
        id: "K20",
        title: "messages of strangers and of other chains count",
        bugs: &["OutsiderAccepted"],
        shape: outsiders,
    },
    Scenario {
        id: "K21",
        title: "groups a few rounds apart never meet under capped timers",
        bugs: &["RoundTimerAlone"],
        shape: |_| {
            let mut swarm = cut(4);
            swarm.rates.loss = 500;
            swarm.safety = 120 * SECOND;
            swarm.partitions = 15 * SECOND;
            swarm
        },
    },
    Scenario {
        id: "K22",
        title: "the own Commit counts without a certificate, then a crash",
        bugs: &["CommitCountedUnprepared"],
        shape: |seed| {
            let mut swarm = crashing(3 + (seed % 4) as usize);
            swarm.byzantine = if swarm.validators > 3 { TWINS } else { Byzantine::default() };
            swarm
        },
    },
    Scenario {
        id: "K23",
        title: "the record of the next height is durable before the block of this one",
        bugs: &["NextHeightBeforeStored"],
        shape: |seed| cuts_of_power(1 + (seed % 4) as usize),
    },
    Scenario {
        id: "K24",
        title: "the sign state is set back within one round",
        bugs: &["MarksIgnored"],
        shape: amnesia,
    },
    Scenario {
        id: "K25",
        title: "an old sign state beside a newer store is accepted",
        bugs: &["OldRecordAccepted"],
        shape: |seed| {
            // A lone validator has nobody to warn it.
            let mut swarm = amnesia(seed);
            swarm.validators = if seed.is_multiple_of(2) { 1 } else { 4 };
            swarm
        },
    },
    Scenario {
        id: "K27",
        title: "clocks are set back at a high round",
        bugs: &[],
        shape: |seed| {
            let mut swarm = cut(3 + (seed % 4) as usize);
            swarm.jumps = true;
            swarm.skew = 3_600_000;
            swarm
        },
    },
    Scenario {
        id: "K28",
        title: "a block is withheld in an idle height with an empty period",
        bugs: &[],
        shape: |seed| {
            let mut swarm = hostile(4 + (seed % 2) as usize, LIAR);
            swarm.empty_period = 4;
            swarm
        },
    },
    Scenario {
        id: "K30",
        title: "seals that are foreign, spoiled or flipped are added to a block",
        bugs: &["SealUnchecked"],
        shape: |seed| hostile(4 + (seed % 2) as usize, LIAR),
    },
    Scenario {
        id: "U1",
        title: "the certificate is lost when others carry a member to a higher round",
        bugs: &["LockLostOnJump"],
        shape: |seed| hostile(6 + (seed % 2) as usize, TWINS),
    },
    Scenario {
        id: "U2",
        title: "what was signed is not durable before it is sent or acted on",
        bugs: &["SendBeforePersist", "FinaliseBeforePersist"],
        shape: |seed| crashing(2 + (seed % 4) as usize),
    },
    Scenario {
        id: "U2b",
        title: "a member that restarts is shown another proposal for the round it has prepared",
        bugs: &["RecordIgnored"],
        shape: |_| {
            let mut swarm = Swarm::calm(4);
            swarm.base = 4;
            swarm.safety = 25 * SECOND;
            swarm.crashes = 250 * MS;
            swarm.crash_in_step = true;
            swarm.rates.delay = Delay::Uniform(MS, 600 * MS);
            swarm.byzantine = Byzantine { replay: 300, withhold: 0, ..LIAR };
            swarm
        },
    },
    Scenario {
        id: "U3",
        title: "a proposer gives its block another creator",
        bugs: &["CoinbaseUnbound"],
        shape: |seed| hostile(4 + (seed % 2) as usize, LIAR),
    },
    Scenario {
        id: "V2",
        title: "one lost message costs a round, many cost the height",
        bugs: &["NoResend"],
        shape: |seed| cut(2 + (seed % 4) as usize),
    },
    Scenario {
        id: "V2b",
        title: "a late Commit is signed before its block is stored",
        bugs: &["LateCommitBeforeStored"],
        shape: |seed| cuts_of_power(3 + (seed % 3) as usize),
    },
    Scenario {
        id: "R1",
        title: "votes are counted by signature, by anybody, or twice",
        bugs: &["CountedBySignature", "ProposerPrepareCounts"],
        shape: |seed| hostile(4 + (seed % 2) as usize, LIAR),
    },
    Scenario {
        id: "R2",
        title: "a round that was left is entered again",
        bugs: &["RoundFallsBack"],
        shape: |seed| cut(3 + (seed % 3) as usize),
    },
];

/// The world of a scenario with a seed.
pub fn world(scenario: &Scenario, seed: u64, log: bool) -> World {
    World::new((scenario.shape)(seed), Choices::from_seed(seed, log), log)
}

/// Runs a scenario with the seeds below `seeds`; the first violation ends it.
pub fn run(scenario: &Scenario, seeds: u64) -> Option<(u64, Violation)> {
    (0..seeds).find_map(|seed| {
        world(scenario, seed, false).run().violation.map(|violation| (seed, violation))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|scenario| scenario.id).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn known_faults_do_not_come_back() {
        for scenario in ALL {
            let broken = run(scenario, 6);
            assert!(broken.is_none(), "{} {}: {broken:?}", scenario.id, scenario.title);
        }
    }
}
