//! The operator's wishes.

use super::{super::net::peer, DUE, Net, One, proposal_of};
use crate::{
    config::Ibft2Config,
    core::{Input, Report, Wish},
    extra_data::{Vote, VoteType},
    votes::VoteRefused,
};
use alloy_primitives::Address;

const ADD: Wish = Wish::Add { force: false };
const FIFTH: Address = Address::with_last_byte(5);

fn wish(one: &mut One, subject: Address, wish: Wish) {
    one.net.step(one.me, Input::Vote { subject, wish });
}

/// The vote in the newest own proposal.
fn vote(one: &One) -> Option<Vote> {
    proposal_of(&one.sent()).unwrap().block.extra_data().unwrap().vote
}

#[test]
fn a_wish_becomes_a_vote_in_the_next_own_block() {
    let mut one = One::new(4, 0);
    wish(&mut one, FIFTH, ADD);
    one.run(DUE);
    assert_eq!(vote(&one), Some(Vote { recipient: FIFTH, kind: VoteType::Add }));
}

#[test]
fn without_a_wish_there_is_no_vote() {
    let mut one = One::new(4, 0);
    wish(&mut one, FIFTH, ADD);
    wish(&mut one, FIFTH, Wish::Discard);
    // A member is one already.
    wish(&mut one, Address::with_last_byte(2), ADD);
    one.run(DUE);
    assert_eq!(vote(&one), None);
}

#[test]
fn a_vote_that_leaves_no_live_quorum_is_passed_over_unless_forced() {
    for (force, expected) in [(false, None), (true, Some(FIFTH))] {
        // Three of four are there; of five that would be too few.
        let mut net = Net::new(4);
        net.start(0);
        let mut one = One { net, me: 0 };
        one.connect(1, 0);
        one.connect(2, 0);
        let add = Wish::Add { force };
        let accepted = one.net.core(0).check_wish(FIFTH, add);
        let refused = VoteRefused::NoQuorum { live: 3, needed: 4, members: 5 };
        assert_eq!(accepted, if force { Ok(()) } else { Err(refused) });
        wish(&mut one, FIFTH, add);
        one.run(DUE);
        assert_eq!(vote(&one).map(|vote| vote.recipient), expected);
    }
}

#[test]
fn a_member_far_behind_is_not_live_until_it_tells_a_newer_head() {
    let mut net = Net::new(4);
    (0..3).for_each(|member| net.start(member));
    net.run(60 * DUE);
    let mut one = One { net, me: 0 };
    let head = u64::try_from(one.height()).unwrap();
    assert!(head > 10, "{head}");
    one.connect(3, 0);
    let add = |one: &One| one.net.core(0).check_wish(FIFTH, ADD);
    let refused = VoteRefused::NoQuorum { live: 3, needed: 4, members: 5 };
    assert_eq!(add(&one), Err(refused));
    one.net.step(0, Input::PeerHead { peer: peer(3), head });
    assert_eq!(add(&one), Ok(()));
}

#[test]
fn nobody_votes_for_an_empty_set() {
    let one = One::new(1, 0);
    let drop = Wish::Drop { force: true };
    let own = one.net.members[0];
    assert_eq!(one.net.core(0).check_wish(own, drop), Err(VoteRefused::EmptySet));
}

#[test]
fn a_wish_is_work_for_an_empty_height() {
    let mut one = One::with(4, 0, |config| config.empty_block_period_seconds = 60);
    one.run(5 * DUE);
    assert!(proposal_of(&one.sent()).is_none());
    wish(&mut one, FIFTH, ADD);
    assert!(vote(&one).is_some());
}

#[test]
fn satisfied_wishes_are_forgotten() {
    let mut one = One::new(1, 0);
    wish(&mut one, FIFTH, Wish::Add { force: true });
    assert_eq!(one.net.core(0).wishes().len(), 1);
    one.run(DUE);
    // The vote of the only validator is a majority.
    assert_eq!(one.height(), 1);
    assert!(one.net.core(0).validators().contains(&FIFTH));
    assert!(one.net.core(0).wishes().is_empty());
}

#[test]
fn an_epoch_block_carries_no_vote() {
    let mut one = One::with(4, 0, |config| config.epoch_length = 1);
    wish(&mut one, FIFTH, ADD);
    one.run(DUE);
    assert_eq!(vote(&one), None);
    assert_eq!(one.net.core(0).wishes().len(), 1);
}

#[test]
fn an_epoch_block_forgets_votes_and_tells_the_set() {
    let config =
        Ibft2Config { request_timeout_seconds: 2, epoch_length: 3, ..Ibft2Config::default() };
    let mut net = Net::with_config(4, config);
    net.start_all();
    let wish = Wish::Add { force: true };
    for voter in [0, 1] {
        net.step(voter, Input::Vote { subject: Address::repeat_byte(9), wish });
    }
    let votes = |net: &Net| net.core(2).validator_state().votes().count();
    net.run(2_500);
    assert_eq!((net.heads(), votes(&net)), (vec![2; 4], 1));
    net.run(1_000);
    assert_eq!((net.heads(), votes(&net)), (vec![3; 4], 0));
    let validators = net.core(2).validators().digest();
    let block = net.nodes[2].chain[3].hash();
    for node in &net.nodes {
        assert!(node.reports.contains(&Report::Epoch { number: 3, block, validators }));
    }
}
