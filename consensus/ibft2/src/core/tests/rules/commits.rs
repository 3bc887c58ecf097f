//! What makes a block final, and what is done with later seals.

use super::{DUE, One, some_digest};
use crate::{
    config::{ForkPoints, Ibft2Schedule, Transition},
    core::{Input, Report},
    messages::{Message, MessageKind},
};
use std::sync::Arc;

#[test]
fn a_quorum_of_commits_is_final() {
    let mut one = One::new(4, 1);
    let block = one.prepared_in_round_0();
    let digest = block.digest().unwrap();
    let commit = one.commit(2, 0, digest);
    one.say(2, &commit);
    assert_eq!(one.height(), 0);
    let commit = one.commit(3, 0, digest);
    one.say(3, &commit);
    assert_eq!(one.height(), 1);
    let seals = one.net.nodes[1].chain[1].extra_data().unwrap().seals;
    assert_eq!(seals.len(), 3);
}

#[test]
fn commits_of_one_author_count_once() {
    let mut one = One::new(4, 1);
    let digest = one.prepared_in_round_0().digest().unwrap();
    for _ in 0..5 {
        let commit = one.commit(2, 0, digest);
        one.say(2, &commit);
    }
    assert_eq!(one.height(), 0);
}

#[test]
fn the_own_commit_counts_only_when_prepared() {
    // Two Commits of others and the silent own one would be a quorum of four.
    let unprepared = |mut one: One| {
        let (proposal, digest) = one.first_proposal();
        one.say(0, &proposal);
        for who in [2, 3] {
            let commit = one.commit(who, 0, digest);
            one.say(who, &commit);
        }
        (one.height(), one.kinds())
    };
    assert_eq!(unprepared(One::new(4, 1)), (0, vec![(MessageKind::Prepare, 0)]));
    // Besu counts it, and never sends it.
    assert_eq!(unprepared(One::besu(4, 1)), (1, vec![(MessageKind::Prepare, 0)]));
}

#[test]
fn without_being_prepared_the_own_commit_follows_the_store() {
    let mut one = One::new(4, 1);
    let (proposal, digest) = one.first_proposal();
    one.say(0, &proposal);
    one.net.nodes[1].holds_store = true;
    for who in [0, 2, 3] {
        let commit = one.commit(who, 0, digest);
        one.say(who, &commit);
    }
    assert!(one.net.core(1).is_finalising());
    assert_eq!(one.kinds(), [(MessageKind::Prepare, 0)]);
    one.net.step(1, Input::Stored { height: 1 });
    assert_eq!(one.kinds(), [(MessageKind::Prepare, 0), (MessageKind::Commit, 0)]);
    assert_eq!(one.net.nodes[1].added_seals.get(&1), Some(&1));
    assert!(one.record().certificate().is_none());
}

#[test]
fn commits_before_the_proposal_count_when_it_comes() {
    let mut one = One::new(4, 1);
    let (proposal, digest) = one.first_proposal();
    for who in [0, 2, 3] {
        let commit = one.commit(who, 0, digest);
        one.say(who, &commit);
    }
    assert_eq!(one.height(), 0);
    one.say(0, &proposal);
    assert_eq!(one.height(), 1);
}

#[test]
fn commits_for_another_digest_do_not_count() {
    let mut one = One::new(4, 1);
    let digest = one.prepared_in_round_0().digest().unwrap();
    let commit = one.commit(2, 0, some_digest(7));
    one.say(2, &commit);
    let commit = one.commit(3, 0, digest);
    one.say(3, &commit);
    assert_eq!(one.height(), 0);
}

#[test]
fn prepares_for_another_digest_do_not_count() {
    let mut one = One::new(4, 1);
    let (proposal, digest) = one.first_proposal();
    let other = one.prepare(2, 0, some_digest(7));
    one.say(2, &other);
    one.say(0, &proposal);
    assert_eq!(one.kinds(), [(MessageKind::Prepare, 0)]);
    // The proposer's own Prepare is its proposal.
    let own = one.prepare(0, 0, digest);
    one.say(0, &own);
    assert_eq!(one.kinds(), [(MessageKind::Prepare, 0)]);
    let third = one.prepare(3, 0, digest);
    one.say(3, &third);
    assert_eq!(one.kinds().last(), Some(&(MessageKind::Commit, 0)));
}

#[test]
fn the_next_height_starts_when_the_block_is_stored() {
    let mut one = One::new(4, 1);
    let digest = one.prepared_in_round_0().digest().unwrap();
    one.net.nodes[1].holds_store = true;
    for who in [2, 3] {
        let commit = one.commit(who, 0, digest);
        one.say(who, &commit);
    }
    one.run(20 * DUE);
    assert_eq!(one.at(), one.id(0));
    assert_eq!(one.record().position().height, 1);
}

#[test]
fn late_seals_are_added_once() {
    let mut one = One::new(4, 1);
    let digest = one.prepared_in_round_0().digest().unwrap();
    let late = one.commit(0, 0, digest);
    let other = one.commit(0, 0, some_digest(3));
    let later_round = one.commit(0, 1, digest);
    for who in [2, 3] {
        let commit = one.commit(who, 0, digest);
        one.say(who, &commit);
    }
    assert_eq!(one.height(), 1);
    for message in [&other, &later_round] {
        one.say(0, message);
    }
    assert_eq!(one.net.nodes[1].added_seals.get(&1), None);
    for _ in 0..3 {
        one.say(0, &late);
    }
    assert_eq!(one.net.nodes[1].added_seals.get(&1), Some(&1));
}

#[test]
fn foreign_late_seals_are_not_added() {
    let mut one = One::new(4, 1);
    let digest = one.prepared_in_round_0().digest().unwrap();
    // Validator 0's Commit with the seal of validator 2.
    let Message::Commit(mut foreign) = one.commit(0, 0, digest) else { panic!() };
    foreign.payload.seal = super::sign(one.net.members[2], &digest.0).into();
    let foreign = Message::Commit(one.signed(0, foreign.payload));
    for who in [2, 3] {
        let commit = one.commit(who, 0, digest);
        one.say(who, &commit);
    }
    one.say(0, &foreign);
    assert_eq!(one.net.nodes[1].added_seals.get(&1), None);
}

// Finality.

/// A core that has finalised height 1, and another block of that height.
fn with_other_block() -> (One, crate::messages::Block) {
    let mut one = One::new(4, 1);
    let other = one.block(3, 0);
    let digest = one.prepared_in_round_0().digest().unwrap();
    for who in [2, 3] {
        let commit = one.commit(who, 0, digest);
        one.say(who, &commit);
    }
    assert_eq!(one.height(), 1);
    (one, other)
}

fn give(one: &mut One, block: &crate::messages::Block, sealers: &[usize]) {
    let digest = block.digest().unwrap();
    let seals =
        sealers.iter().map(|who| super::sign(one.net.members[*who], &digest.0).into()).collect();
    one.net.step(1, Input::Finalised { block: Arc::new(block.clone()), seals });
}

fn conflicts(one: &One) -> Vec<(usize, bool)> {
    let mut conflicts = Vec::new();
    for report in one.reports() {
        if let Report::ConflictingBlock { both, stop, .. } = report {
            conflicts.push((both.len(), *stop));
        }
    }
    conflicts
}

#[test]
fn a_conflicting_block_of_more_than_f_stops_the_validator() {
    // Ours is sealed by 1, 2 and 3.
    let (mut one, other) = with_other_block();
    let ours = one.net.nodes[1].chain[1].hash();
    give(&mut one, &other, &[0, 2, 3]);
    assert_eq!(conflicts(&one), [(2, true)]);
    assert_eq!(one.net.nodes[1].chain[1].hash(), ours);
    one.forget_sent();
    let (proposal, _) = one.first_proposal();
    let proposer = one.proposer(0);
    one.say(proposer, &proposal);
    one.run(30 * DUE);
    assert_eq!(one.kinds(), []);
}

#[test]
fn a_conflicting_block_of_a_former_lone_validator_only_raises_an_alarm() {
    // Validator 0 was alone at height 1; from height 2 on it is one of four.
    let mut net = super::Net::new(4);
    let members = net.members.clone();
    let config = net.config.schedule.config().clone();
    let four = Transition { block: 2, validators: Some(members), ..Transition::default() };
    let schedule = Ibft2Schedule::new(config, vec![four], &ForkPoints::default()).unwrap();
    net.config.schedule = Arc::new(schedule);
    net.nodes[1].chain[0].header = super::super::net::genesis(&net.members[..1]);
    net.start_with(1, 1);
    let mut one = One { net, me: 1 };
    let (ours, other) = (one.block(0, 0), one.block(0, 1));
    let mut other = other;
    other.header.timestamp += 1;
    give(&mut one, &ours, &[0]);
    assert_eq!((one.height(), one.net.core(1).validators().len()), (1, 4));
    give(&mut one, &other, &[0]);
    assert_eq!(conflicts(&one), [(1, false)]);
    // It goes on.
    one.connect_all(1);
    let (proposal, _) = one.first_proposal();
    let proposer = one.proposer(0);
    if proposer != 1 {
        one.say(proposer, &proposal);
        assert_eq!(one.kinds(), [(MessageKind::Prepare, 0)]);
    }
}

#[test]
fn copies_and_blocks_without_a_quorum_are_no_conflict() {
    let (mut one, other) = with_other_block();
    give(&mut one, &other, &[2, 3]);
    give(&mut one, &other, &[2, 2, 3]);
    let ours = one.net.nodes[1].chain[1].clone();
    give(&mut one, &ours, &[0, 2, 3]);
    assert_eq!(conflicts(&one), []);
}

#[test]
fn sealed_blocks_need_a_quorum_of_seals_and_the_parent() {
    let mut one = One::new(4, 1);
    let block = one.block(0, 0);
    let mut orphan = block.clone();
    orphan.header.parent_hash = some_digest(1).0;
    give(&mut one, &block, &[0, 2]);
    give(&mut one, &block, &[0, 2, 2]);
    give(&mut one, &orphan, &[0, 2, 3]);
    assert_eq!(one.height(), 0);
    assert_eq!(one.reports().len(), 3);
    give(&mut one, &block, &[0, 2, 3]);
    assert_eq!(one.height(), 1);
    // Nothing was prepared: no Commit of its own for a block from sync.
    assert_eq!(one.kinds(), []);
}
