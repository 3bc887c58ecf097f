//! What was prepared stays: the highest certificate of the height goes into every RoundChange, and
//! the block of the highest certificate is proposed again.

use super::{BASE, DUE, One, proposal_of, round_change_of};
use crate::messages::{Block, Message, MessageKind, RoundChange};

fn assert_carries(change: &RoundChange, block: &Block) {
    let certificate = change.signed.payload.certificate.as_ref().unwrap();
    assert_eq!(certificate.digest(), block.digest().unwrap());
    assert_eq!(change.block.as_deref(), Some(block));
}

#[test]
fn timer_keeps_the_certificate() {
    let mut one = One::new(4, 1);
    let block = one.prepared_in_round_0();
    assert_eq!(one.kinds(), [(MessageKind::Prepare, 0), (MessageKind::Commit, 0)]);
    one.run(DUE + BASE);
    assert_eq!(one.at().round, 1);
    assert_carries(round_change_of(&one.sent()).unwrap(), &block);
}

#[test]
fn jump_and_quorum_keep_the_certificate() {
    for authors in [&[0usize, 2][..], &[0, 2, 3]] {
        let mut one = One::new(4, 1);
        let block = one.prepared_in_round_0();
        for who in authors {
            one.says_change(*who, 3, None);
        }
        assert_eq!(one.at().round, 3);
        assert_carries(round_change_of(&one.sent()).unwrap(), &block);
    }
}

#[test]
fn proposal_of_a_higher_round_keeps_the_certificate() {
    let mut one = One::new(4, 1);
    let block = one.prepared_in_round_0();
    // Three others that know of nothing let a fresh block be proposed in round 2.
    let fresh = one.block(2, 2);
    let proposal = one.later_proposal(2, &fresh, &[0, 2, 3]);
    one.say(2, &Message::Proposal(proposal));
    assert_eq!(one.at().round, 2);
    for who in [0, 2] {
        one.says_change(who, 5, None);
    }
    assert_eq!(one.at().round, 5);
    assert_carries(round_change_of(&one.sent()).unwrap(), &block);
}

#[test]
fn a_higher_certificate_replaces_a_lower_one() {
    let mut one = One::new(4, 1);
    one.prepared_in_round_0();
    let fresh = one.block(2, 2);
    let digest = fresh.digest().unwrap();
    let proposal = one.later_proposal(2, &fresh, &[0, 2, 3]);
    one.say(2, &Message::Proposal(proposal));
    for who in [0, 3] {
        let prepare = one.prepare(who, 2, digest);
        one.say(who, &prepare);
    }
    assert_eq!(one.kinds().last(), Some(&(MessageKind::Commit, 2)));
    for who in [0, 2] {
        one.says_change(who, 5, None);
    }
    assert_carries(round_change_of(&one.sent()).unwrap(), &fresh);
}

#[test]
fn the_prepared_block_is_proposed_again_with_only_the_round_replaced() {
    let mut one = One::new(4, 1);
    let block = one.prepared_in_round_0();
    one.run(DUE + BASE);
    for who in [0, 2] {
        one.says_change(who, 1, None);
    }
    let sent = one.sent();
    let proposal = proposal_of(&sent).unwrap();
    assert_eq!(*proposal.block, block.with_round(1).unwrap());
    assert_eq!(proposal.block.header.beneficiary, one.net.members[0]);
}

#[test]
fn the_block_of_the_highest_certificate_is_proposed() {
    // Validator 1 proposes round 5; others were prepared in rounds 0 and 2.
    let mut one = One::new(4, 1);
    let (low, high) = (one.block(0, 0), one.block(2, 2));
    one.says_change(0, 5, Some(&high));
    one.says_change(2, 5, Some(&low));
    one.says_change(3, 5, None);
    let sent = one.sent();
    let proposal = proposal_of(&sent).unwrap();
    assert_eq!(*proposal.block, high.with_round(5).unwrap());
}

#[test]
fn the_block_of_a_certificate_is_prepared_again_whoever_created_it() {
    let mut one = One::new(4, 3);
    let old = one.block(0, 0);
    let again = old.with_round(1).unwrap();
    let mut proposal = one.later_proposal(1, &again, &[0, 1, 2]);
    let changes = proposal.round_changes.as_mut().unwrap();
    changes[2] = one.change(2, 1, Some(&old)).signed;
    one.say(1, &Message::Proposal(proposal));
    assert_eq!(one.kinds(), [(MessageKind::Prepare, 1)]);
}

#[test]
fn another_block_than_that_of_the_certificate_is_not_prepared() {
    let mut one = One::new(4, 3);
    let old = one.block(0, 0);
    let fresh = one.block(1, 1);
    let mut proposal = one.later_proposal(1, &fresh, &[0, 1, 2]);
    let changes = proposal.round_changes.as_mut().unwrap();
    changes[2] = one.change(2, 1, Some(&old)).signed;
    one.say(1, &Message::Proposal(proposal));
    assert_eq!((one.kinds(), one.at().round), (vec![], 0));
}

#[test]
fn nothing_of_a_round_is_signed_after_leaving_it() {
    let mut one = One::new(4, 1);
    let (proposal, digest) = one.first_proposal();
    one.say(0, &proposal);
    one.run(DUE + BASE);
    one.forget_sent();
    for who in [2, 3] {
        let prepare = one.prepare(who, 0, digest);
        one.say(who, &prepare);
    }
    one.say(0, &proposal);
    assert!(one.kinds().iter().all(|(_, round)| *round > 0), "{:?}", one.kinds());
    assert!(one.record().certificate().is_none());
}
