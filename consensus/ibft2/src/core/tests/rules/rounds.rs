//! How rounds start, end and meet.

use super::{BASE, DUE, Net, One, round_change_of, some_digest};
use crate::{
    core::{Input, Report, RoundCause, TimerId},
    messages::{Message, MessageKind, RoundId},
};

fn causes(one: &One) -> Vec<RoundCause> {
    let mut causes = Vec::new();
    for report in one.reports() {
        if let Report::RoundChanged { cause, .. } = report {
            causes.push(*cause);
        }
    }
    causes
}

#[test]
fn timer_of_round_0_starts_when_the_block_is_due() {
    let one = One::new(4, 1);
    assert_eq!(one.timer(0), Some(DUE + BASE));
}

#[test]
fn a_clock_set_back_delays_a_block_by_twice_the_period() {
    let mut net = Net::new(4);
    net.now.unix_ms = 0;
    let one = One::of(net, 0);
    let timers = &one.net.nodes[0].timers;
    assert_eq!(timers.get(&TimerId::Block(one.id(0))), Some(&2_000));
}

#[test]
fn timer_leads_to_the_next_round_with_a_round_change() {
    let mut one = One::new(4, 1);
    one.run(DUE + BASE);
    assert_eq!(one.at(), RoundId::new(1, 1));
    assert_eq!(one.kinds().last(), Some(&(MessageKind::RoundChange, 1)));
    assert_eq!(causes(&one), [RoundCause::Timer]);
}

#[test]
fn timer_of_a_later_round_waits_for_a_quorum() {
    let mut one = One::new(4, 1);
    one.run(DUE + BASE);
    assert_eq!(one.timer(1), None);
    one.says_change(0, 1, None);
    assert_eq!(one.timer(1), None);
    // A RoundChange to a higher round shows as well that its author is there.
    one.says_change(2, 3, None);
    assert_eq!(one.at().round, 1);
    assert_eq!(one.timer(1), Some(DUE + BASE + 2 * BASE));
    one.run(2 * BASE);
    assert_eq!(one.at().round, 2);
}

#[test]
fn alone_it_stays_in_its_round_and_says_so_again() {
    let mut one = One::new(4, 1);
    one.run(100 * BASE);
    assert_eq!(one.at().round, 1);
    let changes = one.kinds().into_iter().filter(|kind| *kind == (MessageKind::RoundChange, 1));
    assert!(changes.count() > 90);
}

#[test]
fn with_besu_timers_start_at_once_and_double() {
    let mut beside = One::with(4, 1, |config| config.besu_peers = true);
    let mut profile = One::besu(4, 1);
    for one in [&mut beside, &mut profile] {
        one.run(DUE + (1 + 2 + 4 + 8) * BASE);
        assert_eq!(one.at().round, 4);
        assert_eq!(one.timer(4), Some(DUE + (15 + 16) * BASE));
    }
}

#[test]
fn timers_are_capped() {
    let mut one = One::new(4, 0);
    for who in [1, 2, 3] {
        one.says_change(who, 9, None);
    }
    assert_eq!(one.at().round, 9);
    // The default cap is five times the base.
    assert_eq!(one.timer(9), Some(5 * BASE));
}

#[test]
fn jump_to_the_highest_round_of_f_plus_1() {
    let mut one = One::new(4, 0);
    one.says_change(1, 5, None);
    assert_eq!(one.at().round, 0);
    one.says_change(2, 7, None);
    assert_eq!(one.at().round, 5);
    assert_eq!(causes(&one), [RoundCause::Jump]);
    assert_eq!(round_change_of(&one.sent()).unwrap().signed.payload.id, one.id(5));
}

#[test]
fn one_round_change_is_enough_up_to_three_validators() {
    for n in [2, 3] {
        let mut one = One::new(n, 0);
        one.says_change(1, 6, None);
        assert_eq!(one.at().round, 6, "{n}");
    }
}

#[test]
fn repeated_round_changes_of_one_author_count_once() {
    let mut one = One::new(4, 0);
    for target in 1..40 {
        one.says_change(1, target, None);
    }
    assert_eq!(one.at().round, 0);
}

#[test]
fn jumps_are_bounded_and_one_per_base() {
    let mut one = One::new(4, 0);
    for who in [1, 2] {
        one.says_change(who, u32::MAX, None);
    }
    assert_eq!(one.at().round, 1_024);
    one.says_change(3, 1_030, None);
    assert_eq!(one.at().round, 1_024);
    one.run(BASE);
    assert_eq!(one.at().round, 2_048);
    one.run(BASE);
    assert_eq!(one.at().round, 3_072);
}

#[test]
fn no_jump_under_the_besu_profile() {
    let mut one = One::besu(4, 0);
    for who in [1, 2] {
        one.says_change(who, 5, None);
    }
    assert_eq!(one.at().round, 0);
    // A quorum for one round carries it there, without a RoundChange of its own.
    one.says_change(3, 5, None);
    assert_eq!(one.at().round, 5);
    assert_eq!(one.kinds(), []);
}

#[test]
fn quorum_of_round_changes_starts_the_round() {
    let mut one = One::new(4, 0);
    for who in [1, 2, 3] {
        one.says_change(who, 2, None);
    }
    assert_eq!(one.at().round, 2);
    assert!(one.timer(2).is_some());
    assert!(round_change_of(&one.sent()).is_some());
}

#[test]
fn proposal_of_a_higher_round_starts_it() {
    let mut one = One::new(4, 0);
    let block = one.block(2, 2);
    let proposal = one.later_proposal(2, &block, &[1, 2, 3]);
    one.say(2, &Message::Proposal(proposal));
    assert_eq!(one.at().round, 2);
    assert_eq!(causes(&one), [RoundCause::Proposal]);
    assert_eq!(one.kinds(), [(MessageKind::Prepare, 2)]);
    assert!(one.timer(2).is_some());
}

#[test]
fn proposal_of_a_higher_round_needs_a_quorum_of_round_changes() {
    let mut one = One::new(4, 0);
    let block = one.block(2, 2);
    let few = one.later_proposal(2, &block, &[1, 2]);
    one.say(2, &Message::Proposal(few));
    let none = one.propose(2, 2, &block);
    one.say(2, &Message::Proposal(none));
    assert_eq!(one.at().round, 0);
    assert_eq!(one.kinds(), []);
}

#[test]
fn rounds_never_fall() {
    let mut one = One::new(4, 0);
    for who in [1, 2, 3] {
        one.says_change(who, 4, None);
    }
    one.forget_sent();
    for who in [1, 2, 3] {
        one.says_change(who, 2, None);
        let prepare = one.prepare(who, 0, some_digest(1));
        one.say(who, &prepare);
        let commit = one.commit(who, 0, some_digest(1));
        one.say(who, &commit);
    }
    assert_eq!(one.at().round, 4);
    assert_eq!(one.height(), 0);
}

#[test]
fn late_timers_change_nothing() {
    let mut one = One::new(4, 0);
    for who in [1, 2, 3] {
        one.says_change(who, 4, None);
    }
    let before = one.net.core(0).state_digest();
    for id in [TimerId::Round(one.id(0)), TimerId::Round(RoundId::new(9, 4))] {
        one.net.step(0, Input::Timer { id });
    }
    assert_eq!(one.net.core(0).state_digest(), before);
}

#[test]
fn groups_a_few_rounds_apart_meet() {
    // Two of four are many rounds ahead: the others follow them.
    let mut one = One::new(4, 1);
    one.run(DUE + BASE);
    one.says_change(2, 9, None);
    one.says_change(3, 9, None);
    assert_eq!(one.at().round, 9);
    assert!(one.timer(9).is_some());
}

#[test]
fn the_proposer_of_a_later_round_proposes_with_the_round_changes() {
    // Validator 1 proposes round 1.
    let mut one = One::new(4, 1);
    one.run(DUE + BASE);
    for who in [0, 2] {
        one.says_change(who, 1, None);
    }
    let sent = one.sent();
    let proposal = super::proposal_of(&sent).unwrap();
    assert_eq!(proposal.signed.payload.id, one.id(1));
    assert_eq!(proposal.round_changes.as_ref().map(Vec::len), Some(3));
    assert_eq!(proposal.block.header.beneficiary, one.net.members[1]);
}
