//! Crashes, cuts, losses: rounds, certificates, the sign state.

use super::net::{InTransit, Net, address};
use crate::{
    config::Ibft2Config,
    core::{DoubtCause, Input, Profile, Report, RoundCause, StoredRecord, Verdict},
    messages::{Message, MessageKind, SignedPayload},
    sign_state::SignRecord,
};

fn is_kind(kind: MessageKind, message: &Message) -> bool {
    message.kind() == kind
}

fn lose_commits(_: &InTransit, message: &Message) -> bool {
    is_kind(MessageKind::Commit, message)
}

fn lose_commits_of_round_zero(_: &InTransit, message: &Message) -> bool {
    is_kind(MessageKind::Commit, message) && message.id().round == 0
}

fn lose_nothing(_: &InTransit, _: &Message) -> bool {
    false
}

#[test]
fn dead_proposer_costs_a_round() {
    let mut net = Net::new(4);
    net.cut.insert(0);
    net.start_all();
    net.run(10_000);
    assert!(net.heads()[1] >= 3, "{:?}", net.heads());
    let first = net.nodes[1].chain[1].extra_data().unwrap().round;
    assert_eq!(first, 1);
    let changed =
        |report: &Report| matches!(report, Report::RoundChanged { cause: RoundCause::Timer, .. });
    assert!(net.nodes[1].reports.iter().any(changed));
}

#[test]
fn networks_go_on_with_as_many_dead_as_may_be() {
    for (n, dead) in [(3, 1), (4, 1), (5, 1), (6, 2), (7, 2), (10, 3)] {
        let mut net = Net::new(n);
        net.cut.extend(0..dead);
        net.start_all();
        net.run(60_000);
        assert!(net.heads()[dead] >= 5, "{n}: {:?}", net.heads());
    }
}

#[test]
fn prepared_block_is_proposed_again_with_the_round_replaced() {
    let mut net = Net::new(4);
    net.lose = lose_commits_of_round_zero;
    net.start_all();
    net.run(2_900);
    // All are prepared in round 0 and nobody has seen a Commit.
    assert_eq!(net.heads(), [0; 4]);
    let prepared = net.core(1).prepared_certificate().unwrap().1.hash();
    net.run(3_000);
    let block = &net.nodes[1].chain[1];
    assert_eq!(block.hash(), prepared);
    assert_eq!(block.extra_data().unwrap().round, 1);
    assert_eq!(block.header.beneficiary, address(0));
}

#[test]
fn certificate_survives_a_jump() {
    let mut net = Net::new(4);
    net.lose = lose_commits;
    net.start_all();
    net.run(2_900);
    let prepared = net.core(3).prepared_certificate().unwrap().1.hash();
    // It is carried along by the others' round changes before its own timer runs out.
    net.run(1_000);
    assert!(net.core(3).round() >= 1);
    assert_eq!(net.core(3).prepared_certificate().unwrap().1.hash(), prepared);
    let with_certificate = net.nodes[3].sent.iter().any(|(_, message)| match message {
        Message::RoundChange(change) => change.block.as_ref().map(|it| it.hash()) == Some(prepared),
        _ => false,
    });
    assert!(with_certificate);
}

#[test]
fn restart_resumes_at_the_round_and_sends_the_stored_messages_again() {
    let mut net = Net::new(4);
    net.lose = lose_commits;
    net.start_all();
    net.run(2_900);
    let before = net.record(2).messages();
    assert!(before.iter().any(|message| message.kind() == MessageKind::Commit));
    net.crash(2);
    net.nodes[2].sent.clear();
    net.start(2);
    let again: Vec<SignedPayload> =
        net.nodes[2].sent.iter().map(|(_, message)| message.signed_payload()).collect();
    for message in &before {
        assert!(again.contains(message), "{message:?} is not sent again");
    }
    assert_eq!(net.record(2).messages(), before);
    net.lose = lose_nothing;
    net.run(5_000);
    assert!(net.heads().iter().all(|head| *head >= 1));
}

#[test]
fn whole_network_crashing_with_commits_out_finalises_the_same_block() {
    let mut net = Net::new(4);
    net.lose = lose_commits;
    net.start_all();
    net.run(2_900);
    let prepared = net.core(1).prepared_certificate().unwrap().1.hash();
    (0..4).for_each(|index| net.crash(index));
    net.transit.clear();
    net.lose = lose_nothing;
    net.start_all();
    net.run(3_000);
    assert!(net.heads().iter().all(|head| *head >= 1), "{:?}", net.heads());
    assert_eq!(net.nodes[0].chain[1].hash(), prepared);
}

#[test]
fn lone_validator_finalises_the_block_that_its_store_lost() {
    let mut net = Net::new(1);
    net.nodes[0].holds_store = true;
    net.start_all();
    net.run(1_500);
    let signed = net.record(0);
    assert_eq!(signed.position().height, 1);
    net.crash(0);
    net.nodes[0].holds_store = false;
    net.start(0);
    assert_eq!(net.heads(), [1]);
    assert_eq!(Some(net.nodes[0].chain[1].hash()), signed.certificate().map(|it| it.block));
    net.run(3_000);
    assert!(net.heads()[0] >= 3);
}

#[test]
fn a_failed_build_is_tried_again_in_the_next_round() {
    let mut net = Net::new(1);
    net.nodes[0].builds_nothing = true;
    net.start_all();
    net.run(5_000);
    assert_eq!(net.heads(), [0]);
    net.nodes[0].builds_nothing = false;
    net.run(6_000);
    assert!(net.heads()[0] >= 1);
}

#[test]
fn record_of_the_next_height_waits_for_the_store() {
    let mut net = Net::new(4);
    (0..4).for_each(|index| net.nodes[index].holds_store = true);
    net.start_all();
    net.run(20_000);
    for index in 0..4 {
        assert!(net.core(index).is_finalising());
        assert_eq!(net.record(index).position().height, 1);
    }
}

#[test]
fn proposer_that_restarts_offers_its_stored_proposal_again() {
    let mut net = Net::new(4);
    net.lose = |message, _| message.from == 0;
    net.start_all();
    net.run(1_500);
    let proposed = net.record(0).proposal().unwrap().signed;
    net.crash(0);
    net.lose = lose_nothing;
    net.start(0);
    net.run(400);
    assert_eq!(net.nodes[1].chain[1].digest().unwrap(), proposed.payload.digest);
    assert_eq!(net.nodes[1].chain[1].extra_data().unwrap().round, 0);
}

#[test]
fn lost_record_is_in_doubt_until_others_finalise() {
    let mut net = Net::new(4);
    net.start_all();
    net.run(5_000);
    net.crash(3);
    net.nodes[3].record = StoredRecord::Missing;
    net.start(3);
    assert!(net.core(3).in_doubt());
    let head = net.heads()[3];
    net.nodes[3].sent.clear();
    net.run(300);
    assert!(net.own_sends(3).is_empty());
    net.run(15_000);
    assert!(!net.core(3).in_doubt());
    assert!(net.record(3).position().height > u64::try_from(head + 1).unwrap());
    assert!(net.own_sends(3).iter().any(|(kind, _)| *kind == MessageKind::Commit));
    let told = |report: &Report| matches!(report, Report::InDoubt { cause: DoubtCause::Missing });
    assert!(net.nodes[3].reports.iter().any(told));
}

#[test]
fn old_record_is_found_by_the_sequence_in_the_store() {
    let mut net = Net::new(4);
    net.start_all();
    net.run(2_500);
    let old = net.nodes[2].record.clone();
    net.run(4_000);
    net.crash(2);
    net.nodes[2].record = old;
    net.nodes[2].blocks.clear();
    net.start(2);
    let told =
        |report: &Report| matches!(report, Report::InDoubt { cause: DoubtCause::BehindStore });
    assert!(net.nodes[2].reports.iter().any(told));
}

#[test]
fn old_record_with_an_old_store_is_found_by_the_marks_of_others() {
    let mut net = Net::new(4);
    net.lose = lose_commits;
    net.start_all();
    net.run(1_200);
    // The Prepare of round 0 is out; the image of before is put back.
    let first = SignRecord::first(net.config.genesis_hash, address(3));
    assert!(net.record(3).position().height == 1);
    net.crash(3);
    net.nodes[3].record = StoredRecord::Present(Box::new(first));
    net.nodes[3].blocks.clear();
    net.start(3);
    assert!(net.core(3).in_doubt());
    net.nodes[3].sent.clear();
    net.run(500);
    assert!(net.own_sends(3).is_empty());
}

#[test]
fn validator_waits_for_witnesses_before_it_signs() {
    let mut net = Net::new(4);
    net.start(0);
    net.run(10_000);
    assert!(net.own_sends(0).is_empty());
    // One other is not enough: it waits two base timeouts for a second.
    net.start(1);
    net.run(3_000);
    assert!(net.own_sends(0).is_empty());
    net.run(2_000);
    assert!(!net.own_sends(0).is_empty());
}

#[test]
fn node_behind_catches_up_and_votes_again() {
    let mut net = Net::new(4);
    net.start_all();
    net.run(2_500);
    net.cut.insert(3);
    net.run(30_000);
    assert!(net.heads()[3] <= 3);
    net.cut.clear();
    net.nodes[3].sent.clear();
    net.run(15_000);
    let heads = net.heads();
    assert!(heads[3] + 1 >= heads[0], "{heads:?}");
    assert!(net.own_sends(3).iter().any(|(kind, _)| *kind == MessageKind::Commit));
}

#[test]
fn groups_in_different_rounds_meet_again() {
    // Everybody alone for a while, restarted at random points of their rounds.
    let mut net = Net::new(4);
    net.start_all();
    net.run(1_500);
    for index in 0..4 {
        net.cut.insert(index);
        net.run(1_700);
    }
    net.run(600_000);
    let before = net.heads();
    net.cut.clear();
    net.run(40_000);
    assert!(net.heads()[0] > before[0] + 3, "{before:?} {:?}", net.heads());
}

#[test]
fn invalid_block_is_not_prepared() {
    let mut net = Net::new(4);
    (1..4).for_each(|index| net.nodes[index].verdict = Verdict::Invalid);
    net.start_all();
    net.run(1_500);
    for index in 1..4 {
        assert!(net.own_sends(index).is_empty());
        assert!(net.nodes[index].reports.iter().any(|it| matches!(it, Report::AuthorFault { .. })));
    }
}

#[test]
fn block_ahead_of_the_clock_is_looked_at_again() {
    let mut net = Net::new(4);
    (1..4).for_each(|index| net.nodes[index].verdict = Verdict::NotYet);
    net.start_all();
    net.run(1_200);
    assert_eq!(net.heads(), [0; 4]);
    (1..4).for_each(|index| net.nodes[index].verdict = Verdict::Valid);
    net.run(1_500);
    assert!(net.heads().iter().all(|head| *head >= 1));
    assert_eq!(net.nodes[0].chain[1].extra_data().unwrap().round, 0);
}

#[test]
fn late_commit_leaves_after_the_store_and_adds_its_seal() {
    let mut net = Net::new(4);
    // Node 3 sees no Prepare, so it is not prepared; it finalises on the Commits of the others.
    net.lose = |message, sent| message.to == 3 && is_kind(MessageKind::Prepare, sent);
    net.start_all();
    net.run(1_500);
    assert_eq!(net.heads(), [1; 4]);
    let commits = net.own_sends(3).iter().filter(|(kind, _)| *kind == MessageKind::Commit).count();
    assert_eq!(commits, 1);
    assert!(net.record(3).certificate().is_none());
    for index in 0..4 {
        let seals = net.nodes[index].chain[1].extra_data().unwrap().seals.len()
            + net.nodes[index].added_seals.get(&1).copied().unwrap_or(0);
        assert_eq!(seals, 4, "node {index}");
    }
}

#[test]
fn partial_mesh_lives_by_relay() {
    // A ring: each node reaches its neighbours only.
    let mut net = Net::new(4);
    net.lose = |message, _| (message.from + message.to) % 2 == 0;
    net.start_all();
    net.run(10_000);
    assert!(net.heads().iter().all(|head| *head >= 6), "{:?}", net.heads());
}

#[test]
fn besu_profile_sends_nothing_again_and_does_not_jump() {
    let mut net = Net::new(4).profile(Profile::Besu);
    net.lose = lose_commits;
    net.start_all();
    net.run(2_800);
    let sends = net.own_sends(1);
    let prepares = sends.iter().filter(|(kind, _)| *kind == MessageKind::Prepare).count();
    assert_eq!(prepares, 1);
}

#[test]
fn timers_are_not_capped_where_besu_takes_part() {
    let config =
        Ibft2Config { request_timeout_seconds: 2, besu_peers: true, ..Ibft2Config::default() };
    let mut net = Net::with_config(4, config);
    net.start_all();
    net.run(1_500);
    net.cut.extend(0..4);
    // 2 + 4 + 8 + 16 + 32 s: a capped node would have gone through more rounds.
    net.run(70_000);
    assert!(net.core(0).round() <= 5);
    let work = Input::WorkPending;
    net.step(0, work);
}
