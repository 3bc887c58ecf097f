//! Each kind of fault and of adversary by itself: it happens, and nothing breaks.

use peruri_ibft2_sim::{
    choices::Choices,
    swarm::{Change, MS, SECOND, Schemes, Swarm},
    world::World,
};

/// Runs a shape with some seeds; all situations must be reached by one of them.
fn reaches(shape: &Swarm, situations: &[&str]) {
    let mut reached = std::collections::BTreeSet::new();
    for seed in 0..12 {
        let outcome = World::new(shape.clone(), Choices::from_seed(seed, false), false).run();
        assert_eq!(outcome.violation, None, "seed {seed}");
        reached.extend(outcome.marks.iter().filter(|(_, count)| *count > 0).map(|(name, _)| name));
    }
    for situation in situations {
        assert!(reached.contains(situation), "{situation}");
    }
}

fn faulty(validators: usize) -> Swarm {
    let mut swarm = Swarm::calm(validators);
    swarm.base = 1;
    swarm.safety = 10 * SECOND;
    swarm.suffix = 6;
    swarm
}

fn hostile(schemes: Schemes) -> Swarm {
    let mut swarm = faulty(4);
    swarm.byzantine.members = 1;
    swarm.byzantine.scripted = 100;
    swarm.schemes = schemes;
    swarm
}

#[test]
fn suspended_nodes_go_on() {
    let mut swarm = faulty(4);
    swarm.suspends = SECOND;
    swarm.longest_sleep = 4 * SECOND;
    reaches(&swarm, &["node suspended"]);
}

#[test]
fn failing_syncs_end_the_process() {
    let mut swarm = faulty(3);
    swarm.failing_syncs = 60;
    reaches(&swarm, &["sync failed, the process ended", "restart after a commit"]);
}

#[test]
fn partitions_flap_and_have_nodes_in_common() {
    let mut swarm = faulty(5);
    swarm.flapping = 300 * MS;
    reaches(&swarm, &["flapping partition"]);
    swarm.flapping = 0;
    swarm.bridges = true;
    swarm.partitions = 500 * MS;
    reaches(&swarm, &["two groups with one node in common", "links cut in one direction"]);
}

#[test]
fn releases_roll_out_with_two_dialects() {
    let mut swarm = faulty(4);
    swarm.upgrades = SECOND;
    reaches(&swarm, &["all nodes upgraded one after the other"]);
}

#[test]
fn transitions_set_validators_and_periods() {
    let mut swarm = faulty(4);
    swarm.outsiders = 1;
    let mut set = swarm.first_validators();
    set.remove(1);
    set.extend((0..5).find(|member| !swarm.first_validators().contains(member)));
    swarm.transitions = vec![
        Change { block: 2, validators: Some(set), period: None },
        Change { block: 4, validators: None, period: Some(2) },
    ];
    reaches(&swarm, &["validators overridden", "period changed by a transition"]);
}

#[test]
fn spoiled_slots_fall_back_to_the_other() {
    let mut swarm = faulty(4);
    swarm.amnesia = 1;
    swarm.crashes = 400 * MS;
    reaches(&swarm, &["bit flipped in the newer slot of the sign state", "a doubt was resolved"]);
}

#[test]
fn lies_about_blocks_stop_nobody() {
    let mut swarm = hostile(Schemes { lies: true, ..Schemes::default() });
    swarm.isolated = true;
    reaches(
        &swarm,
        &[
            "higher head claimed",
            "head withdrawn",
            "header with another body given",
            "block with the seals of another given",
            "block with another state given",
            "false block refused",
        ],
    );
}

#[test]
fn messages_of_other_chains_leave_no_trace() {
    let mut swarm = hostile(Schemes { foreign: 200, ..Schemes::default() });
    swarm.chain_bound = true;
    reaches(
        &swarm,
        &["message of another chain with the same keys", "foreign message left no trace"],
    );
}

#[test]
fn a_scheduler_that_aims_at_quorums_ends_with_the_faults() {
    let swarm = hostile(Schemes { adaptive: true, ..Schemes::default() });
    reaches(&swarm, &["quorum kept away by the scheduler"]);
}

#[test]
fn censored_transactions_come_with_the_next_block() {
    let mut swarm = hostile(Schemes { censor: true, ..Schemes::default() });
    swarm.suffix = 12;
    reaches(&swarm, &["transactions left out by a Byzantine proposer"]);
}

#[test]
fn forgetful_late_and_inventive_members() {
    let schemes = Schemes {
        late: 300,
        eclipse: true,
        forgetful: true,
        inventive: true,
        ..Schemes::default()
    };
    let mut swarm = hostile(schemes);
    swarm.byzantine.twins = true;
    swarm.byzantine.mutate = 200;
    reaches(
        &swarm,
        &[
            "Byzantine member restarted from an older disk",
            "honest node surrounded by Byzantine ones",
            "message held back until the round is nearly over",
            "block spoiled by a Byzantine member",
        ],
    );
}

#[test]
fn idle_networks_make_empty_blocks_in_their_period() {
    let mut swarm = faulty(4);
    swarm.empty_period = 3;
    swarm.suffix = 12;
    reaches(&swarm, &["heights without faults judged by their length"]);
}
