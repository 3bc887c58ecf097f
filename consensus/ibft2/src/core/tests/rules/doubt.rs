//! What a validator does that is not certain what it has signed.

use std::sync::Arc;

use super::{BASE, DUE, Net, One, peer, some_digest};
use crate::{
    core::{Input, PeerFault, Report, StoredRecord},
    messages::{Block, MessageKind, PreparePayload, RoundId, SignedPayload},
    sign_state::{Mark, SignRecord},
};

fn without_record() -> One {
    let mut net = Net::new(4);
    net.nodes[1].record = StoredRecord::Missing;
    One::of(net, 1)
}

/// The next block as another node has it, sealed in `round` by all others.
fn finalised(one: &mut One, round: u32) {
    let block = one.block(one.proposer(0), round);
    give(one, &block);
}

fn give(one: &mut One, block: &Block) {
    let digest = block.digest().unwrap();
    let seals = [0, 2, 3].map(|who| super::sign(one.net.members[who], &digest.0).into()).to_vec();
    one.net.step(1, Input::Finalised { block: Arc::new(block.clone()), seals });
}

fn mark(one: &One, who: usize, id: RoundId) -> Mark {
    let payload = PreparePayload { id, digest: some_digest(1) };
    Mark::new(SignedPayload::Prepare(one.signed(who, payload)))
}

fn tell(one: &mut One, teller: usize, head: u64, mark: Mark) {
    let validator = Some(one.net.members[teller]);
    let peer = peer(teller);
    one.net.step(1, Input::PeerConnected { peer, validator, head, mark: Some(mark) });
}

#[test]
fn it_signs_nothing_until_others_have_finalised_what_it_may_have_signed() {
    let mut one = without_record();
    let (proposal, _) = one.first_proposal();
    one.say(0, &proposal);
    one.run(DUE + 3 * BASE);
    assert_eq!(one.kinds(), []);
    finalised(&mut one, 0);
    assert_eq!(one.height(), 1);
    assert!(!one.net.core(1).in_doubt());
    // Validator 1 proposes height 2.
    one.run(DUE + BASE);
    assert_eq!(one.kinds().first(), Some(&(MessageKind::Proposal, 0)));
}

#[test]
fn the_end_of_a_doubt_survives_a_restart() {
    let mut one = without_record();
    finalised(&mut one, 0);
    assert!(!one.net.core(1).in_doubt());
    one.net.crash(1);
    one.net.start(1);
    assert!(!one.net.core(1).in_doubt(), "nothing was signed, and still it is known");
    assert_eq!(one.net.record(1).position(), RoundId::new(1, u32::MAX));
}

#[test]
fn it_does_not_commit_the_height_that_ends_the_doubt() {
    // Finalised by Commits of the others; the lost record may hold a Commit for another block.
    let mut one = without_record();
    let (proposal, digest) = one.first_proposal();
    one.say(0, &proposal);
    for who in [0, 2, 3] {
        let commit = one.commit(who, 0, digest);
        one.say(who, &commit);
    }
    assert_eq!(one.height(), 1);
    assert!(!one.net.core(1).in_doubt());
    one.run(BASE);
    let at_height_1 = one.sent().into_iter().filter(|message| message.id().height == 1);
    assert_eq!(at_height_1.count(), 0);
    let permits = one.net.core(1).record().permits(
        RoundId::new(1, 9),
        MessageKind::Commit,
        Some(some_digest(1)),
    );
    assert!(permits.is_err());
}

#[test]
fn marks_of_heights_that_are_over_do_not_renew_the_doubt() {
    let mut one = without_record();
    finalised(&mut one, 0);
    assert!(!one.net.core(1).in_doubt());
    let old = mark(&one, 1, RoundId::new(1, 3));
    tell(&mut one, 2, 1, old);
    assert!(!one.net.core(1).in_doubt());
}

#[test]
fn it_catches_up_with_all_others_first() {
    let mut net = Net::new(4);
    net.nodes[1].record = StoredRecord::Missing;
    net.start(1);
    let mut one = One { net, me: 1 };
    one.connect(0, 0);
    finalised(&mut one, 0);
    // With one of three others nothing is known about what the chain may hold.
    assert!(one.net.core(1).in_doubt());
    one.connect(2, 1);
    one.connect(3, 1);
    assert!(one.net.core(1).in_doubt());
    finalised(&mut one, 0);
    assert!(!one.net.core(1).in_doubt());
}

#[test]
fn a_mark_above_the_record_starts_a_doubt() {
    let mut one = One::new(4, 1);
    let above = mark(&one, 1, RoundId::new(1, 4));
    tell(&mut one, 2, 0, above);
    assert!(one.net.core(1).in_doubt());
    let (proposal, _) = one.first_proposal();
    one.say(0, &proposal);
    assert_eq!(one.kinds(), []);
}

#[test]
fn a_mark_that_the_record_holds_does_not() {
    let mut one = One::new(4, 1);
    one.prepared_in_round_0();
    let own: Vec<Mark> =
        one.sent().into_iter().map(|message| Mark::new(message.signed_payload())).collect();
    assert_eq!(own.len(), 2);
    for own in own {
        tell(&mut one, 2, 0, own);
    }
    assert!(!one.net.core(1).in_doubt());
    // A Prepare for another digest in this round is not in the record.
    let other = mark(&one, 1, RoundId::new(1, 0));
    tell(&mut one, 2, 0, other);
    assert!(one.net.core(1).in_doubt());
}

#[test]
fn forged_marks_count_nothing() {
    let mut one = One::new(4, 1);
    let forged = mark(&one, 2, RoundId::new(1, 4));
    tell(&mut one, 2, 0, forged);
    assert!(!one.net.core(1).in_doubt());
    let fault = PeerFault::ForgedMark;
    assert!(one.reports().contains(&Report::PeerFault { peer: peer(2), fault }));
}

#[test]
fn a_mark_that_its_teller_cannot_serve_is_dropped() {
    let mut one = One::new(4, 1);
    let far = mark(&one, 1, RoundId::new(500, 0));
    tell(&mut one, 2, 0, far);
    assert!(one.net.core(1).in_doubt());
    // The chain goes on without this validator, which does not make the mark any truer.
    for _ in 0..6 {
        one.run(2 * BASE);
        finalised(&mut one, 0);
    }
    one.run(BASE);
    assert!(!one.net.core(1).in_doubt());
}

#[test]
fn an_old_record_is_found_by_what_the_store_names() {
    let mut net = Net::new(4);
    net.nodes[1].sequence = 7;
    let one = One::of(net, 1);
    assert!(one.net.core(1).in_doubt());
}

#[test]
fn a_record_of_another_chain_or_key_is_none() {
    for record in [
        SignRecord::first(some_digest(1).0, super::super::net::address(1)),
        SignRecord::first(Net::new(4).config.genesis_hash, super::super::net::address(2)),
    ] {
        let mut net = Net::new(4);
        net.nodes[1].record = StoredRecord::Present(Box::new(record));
        assert!(One::of(net, 1).net.core(1).in_doubt());
    }
}

#[test]
fn a_new_network_is_not_in_doubt() {
    let one = One::new(4, 1);
    assert!(!one.net.core(1).in_doubt());
    assert!(one.reports().is_empty());
}

#[test]
fn an_operator_releases_a_lost_sign_state() {
    let mut net = Net::new(4);
    let genesis = net.config.genesis_hash;
    let record = SignRecord::released(genesis, net.members[1], RoundId::new(1, 2), 9);
    net.nodes[1].record = StoredRecord::Present(Box::new(record));
    net.nodes[1].sequence = 8;
    let mut one = One::of(net, 1);
    let old = mark(&one, 1, RoundId::new(1, 7));
    tell(&mut one, 2, 0, old);
    assert!(!one.net.core(1).in_doubt());
    // It goes on after the round up to which it was released.
    assert_eq!(one.at(), RoundId::new(1, 2));
}

#[test]
fn it_waits_for_witnesses_at_most_twice_the_base() {
    let mut net = Net::new(4);
    net.start(1);
    let mut one = One { net, me: 1 };
    one.connect(0, 0);
    let (proposal, _) = one.first_proposal();
    one.say(0, &proposal);
    one.run(2 * BASE - 1);
    assert_eq!(one.kinds(), []);
    one.run(1);
    assert!(!one.kinds().is_empty());
}
