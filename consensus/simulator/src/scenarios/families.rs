//! Families of random runs, each shaped so that one fault would show.

use super::{Play, Scenario};
use crate::{
    network::{Delay, Rates},
    swarm::{Byzantine, MS, SECOND, Swarm},
};

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

/// The families.
pub(super) const FAMILIES: &[Scenario] = &[
    Scenario {
        ids: &["K1"],
        title: "n = 5 and 6 with the quorum of IBFT 1: two quorums without a common honest member",
        bugs: &["CommitQuorumMinusOne", "PrepareQuorumMinusOne", "RoundChangeQuorumMinusOne"],
        play: Play::Random(|seed| hostile(5 + (seed % 2) as usize, TWINS)),
    },
    Scenario {
        ids: &["K2"],
        title: "members prepared on two blocks never agree again",
        bugs: &["LockLostOnTimer"],
        play: Play::Random(|seed| hostile(4 + (seed % 3) as usize, TWINS)),
    },
    Scenario {
        ids: &["K3"],
        title: "RoundChanges of an earlier height or too few of them make a certificate",
        bugs: &["JustificationUnchecked"],
        play: Play::Random(|seed| hostile(4 + (seed % 2) as usize, LIAR)),
    },
    Scenario {
        ids: &["K4"],
        title: "a certificate mixes rounds or blocks",
        bugs: &["DigestIgnored"],
        play: Play::Random(|seed| hostile(4 + (seed % 2) as usize, LIAR)),
    },
    Scenario {
        ids: &["K5"],
        title: "another than the highest certificate is proposed again",
        bugs: &["LowestCertificateWins"],
        play: Play::Random(|seed| cut(3 + (seed % 4) as usize)),
    },
    Scenario {
        ids: &["K6"],
        title: "the backlog keeps what is over and drops what is needed",
        bugs: &["UnboundedRounds"],
        play: Play::Random(|seed| {
            let mut swarm = hostile(4 + (seed % 2) as usize, LIAR);
            swarm.byzantine.scripted = 200;
            swarm
        }),
    },
    Scenario {
        ids: &["K8"],
        title: "giant rounds fill the memory or are jumped to",
        bugs: &["JumpOnOne"],
        play: Play::Random(|seed| {
            let mut swarm = hostile(4 + (seed % 2) as usize, LIAR);
            swarm.byzantine.scripted = 200;
            swarm
        }),
    },
    Scenario {
        ids: &["K9"],
        title: "after a long loss of the quorum the timers are as long as the loss was",
        bugs: &["TimerNotReset"],
        play: Play::Random(|seed| {
            let mut swarm = cut(3 + (seed % 4) as usize);
            swarm.rates.loss = 900;
            swarm.safety = 3_600 * SECOND;
            swarm.partitions = 600 * SECOND;
            swarm
        }),
    },
    Scenario {
        ids: &["K10", "K16"],
        title: "validators restart with a sign state that is lost, damaged or restored and sign again",
        bugs: &["RecordForgottenOnRestart", "MissingRecordAccepted"],
        play: Play::Random(amnesia),
    },
    Scenario {
        ids: &["K11"],
        title: "one or two validators do not go on by themselves after a restart",
        bugs: &["LoneWaitsForOthers"],
        play: Play::Random(|seed| cuts_of_power(1 + (seed % 2) as usize)),
    },
    Scenario {
        ids: &["K12"],
        title: "seven validators, three restart, their rounds never meet",
        bugs: &["NoJump"],
        play: Play::Random(|_| {
            // Rounds pass without a block, and one member does not see them.
            let mut swarm = Swarm::calm(4);
            swarm.base = 1;
            swarm.cap = Some(1);
            swarm.safety = 60 * SECOND;
            swarm.byzantine = Byzantine { members: 1, mute: true, ..Byzantine::default() };
            swarm.isolated = true;
            swarm
        }),
    },
    Scenario {
        ids: &["K13"],
        title: "members are voted in and out while others are away",
        bugs: &["SetNotAdvanced"],
        play: Play::Random(voting),
    },
    Scenario {
        ids: &["K14"],
        title: "a restart does not finish what it had prepared",
        bugs: &["CertificateForgottenOnRestart"],
        play: Play::Random(|seed| cuts_of_power(3 + (seed % 4) as usize)),
    },
    Scenario {
        ids: &["K15"],
        title: "a block is accepted without being executed",
        bugs: &["BlockUnchecked"],
        play: Play::Random(|seed| hostile(4 + (seed % 2) as usize, LIAR)),
    },
    Scenario {
        ids: &["K19"],
        title: "nobody hands out the one block that a member lacks",
        bugs: &["NoCatchUp"],
        play: Play::Random(|seed| {
            // One member is many blocks behind, and nobody tells it so but the core.
            let mut swarm = Swarm::calm(4 + (seed % 3) as usize);
            swarm.safety = 120 * SECOND;
            swarm.isolated = true;
            swarm.silent = true;
            swarm
        }),
    },
    Scenario {
        ids: &["K20"],
        title: "messages of strangers and of other chains count",
        bugs: &[],
        play: Play::Random(outsiders),
    },
    Scenario {
        ids: &["K21"],
        title: "groups a few rounds apart never meet under capped timers",
        bugs: &["RoundTimerAlone"],
        play: Play::Random(|_| {
            let mut swarm = cut(4);
            swarm.rates.loss = 500;
            swarm.safety = 120 * SECOND;
            swarm.partitions = 15 * SECOND;
            swarm
        }),
    },
    Scenario {
        ids: &["K22"],
        title: "the own Commit counts without a certificate, then a crash",
        bugs: &["CommitCountedUnprepared"],
        play: Play::Random(|seed| {
            let mut swarm = crashing(3 + (seed % 4) as usize);
            swarm.byzantine = if swarm.validators > 3 { TWINS } else { Byzantine::default() };
            swarm
        }),
    },
    Scenario {
        ids: &["K23"],
        title: "the record of the next height is durable before the block of this one",
        bugs: &["NextHeightBeforeStored"],
        play: Play::Random(|seed| cuts_of_power(1 + (seed % 4) as usize)),
    },
    Scenario {
        ids: &["K24"],
        title: "the sign state is set back within one round",
        bugs: &["MarksIgnored"],
        play: Play::Random(amnesia),
    },
    Scenario {
        ids: &["K25"],
        title: "an old sign state beside a newer store is accepted",
        bugs: &["OldRecordAccepted"],
        play: Play::Random(|seed| {
            // A lone validator has nobody to warn it.
            let mut swarm = amnesia(seed);
            swarm.validators = if seed.is_multiple_of(2) { 1 } else { 4 };
            swarm
        }),
    },
    Scenario {
        ids: &["K27"],
        title: "clocks are set back at a high round",
        bugs: &[],
        play: Play::Random(|seed| {
            let mut swarm = cut(3 + (seed % 4) as usize);
            swarm.jumps = true;
            swarm.skew = 3_600_000;
            swarm
        }),
    },
    Scenario {
        ids: &["K28"],
        title: "a block is withheld in an idle height with an empty period",
        bugs: &[],
        play: Play::Random(|seed| {
            let mut swarm = hostile(4 + (seed % 2) as usize, LIAR);
            swarm.empty_period = 4;
            swarm
        }),
    },
    Scenario {
        ids: &["K30"],
        title: "seals that are foreign, spoiled or flipped are added to a block",
        bugs: &["SealUnchecked"],
        play: Play::Random(|seed| hostile(4 + (seed % 2) as usize, LIAR)),
    },
    Scenario {
        ids: &["U1"],
        title: "the certificate is lost when others carry a member to a higher round",
        bugs: &["LockLostOnJump"],
        play: Play::Random(|seed| hostile(6 + (seed % 2) as usize, TWINS)),
    },
    Scenario {
        ids: &["U2"],
        title: "what was signed is not durable before it is sent or acted on",
        bugs: &["SendBeforePersist", "FinaliseBeforePersist"],
        play: Play::Random(|seed| crashing(2 + (seed % 4) as usize)),
    },
    Scenario {
        ids: &["U2"],
        title: "a member that restarts is shown another proposal for the round it has prepared",
        bugs: &["RecordIgnored"],
        play: Play::Random(|_| {
            let mut swarm = Swarm::calm(4);
            swarm.base = 4;
            swarm.safety = 25 * SECOND;
            swarm.crashes = 250 * MS;
            swarm.crash_in_step = true;
            swarm.rates.delay = Delay::Uniform(MS, 600 * MS);
            swarm.byzantine = Byzantine { replay: 300, withhold: 0, ..LIAR };
            swarm
        }),
    },
    Scenario {
        ids: &["U3"],
        title: "a proposer gives its block another creator",
        bugs: &["CoinbaseUnbound"],
        play: Play::Random(|seed| hostile(4 + (seed % 2) as usize, LIAR)),
    },
    Scenario {
        ids: &["V2"],
        title: "one lost message costs a round, many cost the height",
        bugs: &["NoResend"],
        play: Play::Random(|seed| cut(2 + (seed % 4) as usize)),
    },
    Scenario {
        ids: &["V2"],
        title: "a late Commit is signed before its block is stored",
        bugs: &["LateCommitBeforeStored"],
        play: Play::Random(|seed| cuts_of_power(3 + (seed % 3) as usize)),
    },
    Scenario {
        ids: &["R1", "U5"],
        title: "votes are counted by signature, by anybody, or twice",
        bugs: &["CountedBySignature", "ProposerPrepareCounts"],
        play: Play::Random(|seed| hostile(4 + (seed % 2) as usize, LIAR)),
    },
    Scenario {
        ids: &["R2"],
        title: "a round that was left is entered again",
        bugs: &["RoundFallsBack"],
        play: Play::Random(|seed| cut(3 + (seed % 3) as usize)),
    },
];
