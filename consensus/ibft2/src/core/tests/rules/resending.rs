//! What is passed on, sent again and answered.

use super::{BASE, DUE, One, peer, some_digest};
use crate::{
    core::{Effect, Input, Target},
    messages::{Message, MessageKind, PreparePayload, RoundId},
};

fn sent_to(one: &One, who: usize) -> Vec<MessageKind> {
    let mut kinds = Vec::new();
    for (to, message) in &one.net.nodes[one.me].sent {
        if *to == Target::Peer(peer(who)) {
            kinds.push(message.kind());
        }
    }
    kinds
}

#[test]
fn valid_messages_are_relayed_once_past_author_and_deliverer() {
    let mut one = One::new(4, 1);
    let message = one.prepare(2, 0, some_digest(1));
    // Validator 3 delivers what validator 2 has said.
    for _ in 0..3 {
        one.say(3, &message);
    }
    let to = Target::AllBut { author: one.net.members[2], deliverer: peer(3) };
    assert_eq!(one.net.nodes[1].sent, [(to, message.clone())]);
    // Sent again after a base, it may be the author's answer to somebody who has missed it.
    one.run(BASE);
    one.say(3, &message);
    assert_eq!(one.relayed(), 2);
}

#[test]
fn invalid_messages_are_not_relayed() {
    let mut one = One::new(4, 1);
    let block = one.block(2, 0);
    let proposal = Message::Proposal(one.propose(2, 0, &block));
    one.say(2, &proposal);
    let certificate = one.certificate(&block);
    let mut change = one.change(2, 1, None);
    change.signed.payload.certificate = Some(std::sync::Arc::new(certificate));
    let change = one.signed(2, change.signed.payload);
    one.say(2, &Message::RoundChange(crate::messages::RoundChange { signed: change, block: None }));
    assert_eq!(one.relayed(), 0);
}

#[test]
fn messages_of_the_next_height_are_relayed_when_it_starts() {
    let mut one = One::new(4, 1);
    let digest = one.prepared_in_round_0().digest().unwrap();
    let payload = PreparePayload { id: RoundId::new(2, 0), digest: some_digest(1) };
    let next = Message::Prepare(one.signed(3, payload));
    one.forget_sent();
    one.say(3, &next);
    assert_eq!(one.relayed(), 0);
    for who in [2, 3] {
        let commit = one.commit(who, 0, digest);
        one.say(who, &commit);
    }
    assert_eq!(one.height(), 1);
    let relayed = one.net.nodes[1]
        .sent
        .iter()
        .any(|(to, message)| matches!(to, Target::AllBut { .. }) && *message == next);
    assert!(relayed);
}

#[test]
fn own_messages_are_sent_again_each_base() {
    let mut one = One::new(4, 1);
    let (proposal, _) = one.first_proposal();
    one.say(0, &proposal);
    assert_eq!(one.kinds(), [(MessageKind::Prepare, 0)]);
    one.run(BASE);
    assert_eq!(one.kinds(), [(MessageKind::Prepare, 0); 2]);
}

#[test]
fn who_connects_gets_the_own_messages() {
    let mut one = One::new(4, 1);
    one.prepared_in_round_0();
    one.net.step(1, Input::PeerDisconnected { peer: peer(2) });
    one.connect(2, 0);
    assert_eq!(sent_to(&one, 2), [MessageKind::Prepare, MessageKind::Commit]);
    // Somebody who is no validator gets nothing.
    let stranger = Input::PeerConnected { peer: peer(9), validator: None, head: 0, mark: None };
    one.net.step(1, stranger);
    assert_eq!(sent_to(&one, 9), []);
}

#[test]
fn nothing_is_sent_again_under_the_besu_profile() {
    let mut one = One::besu(4, 1);
    let (proposal, _) = one.first_proposal();
    one.say(0, &proposal);
    one.forget_sent();
    one.run(BASE);
    one.connect(2, 0);
    assert_eq!(one.kinds(), []);
    assert_eq!(sent_to(&one, 2), []);
}

#[test]
fn who_is_rounds_behind_gets_the_newest_round_change_once_per_base() {
    let mut one = One::new(4, 1);
    for who in [0, 2, 3] {
        one.says_change(who, 3, None);
    }
    one.forget_sent();
    for _ in 0..3 {
        let old = one.prepare(2, 0, some_digest(1));
        one.say(2, &old);
    }
    assert_eq!(sent_to(&one, 2), [MessageKind::RoundChange]);
    one.run(BASE);
    let old = one.prepare(2, 1, some_digest(1));
    one.say(2, &old);
    assert_eq!(sent_to(&one, 2), [MessageKind::RoundChange; 2]);
}

#[test]
fn relaying_goes_on_while_the_own_past_is_in_doubt_but_signing_does_not() {
    let mut net = super::Net::new(4);
    net.nodes[1].record = crate::core::StoredRecord::Missing;
    let mut one = One::of(net, 1);
    assert!(one.net.core(1).in_doubt());
    let (proposal, _) = one.first_proposal();
    one.say(0, &proposal);
    assert_eq!((one.relayed(), one.kinds()), (1, vec![]));
    one.run(DUE + BASE);
    assert_eq!(one.at().round, 0);
}

#[test]
fn nodes_that_are_no_validators_relay_nothing() {
    let mut one = One::new(4, 1);
    let mut net = super::Net::new(5);
    // The fifth runs, but the chain knows four.
    net.members.truncate(4);
    let genesis = super::super::net::genesis(&net.members);
    net.members.push(super::super::net::address(4));
    for node in &mut net.nodes {
        node.chain[0].header = genesis.clone();
    }
    let message = one.prepare(2, 0, some_digest(1));
    one.net = net;
    one.me = 4;
    one.net.start_with(4, 4);
    one.connect_all(0);
    one.say(2, &message);
    assert_eq!((one.relayed(), one.kinds()), (0, vec![]));
}

#[test]
fn a_block_is_checked_once_in_all_its_rounds() {
    let one = One::new(4, 3);
    let mut core = one.net.core(3).clone();
    let mut checks = 0;
    let mut deliver = |message: &Message| {
        let bytes = message.to_wire(crate::messages::Dialect::V26);
        let mut inputs = vec![Input::Message { peer: peer(0), bytes }];
        while let Some(input) = inputs.pop() {
            for effect in core.step(one.net.now, input) {
                if let Effect::CheckBlock { request, .. } = effect {
                    checks += 1;
                    let verdict = crate::core::Verdict::Valid;
                    inputs.push(Input::BlockChecked { request, verdict });
                }
            }
        }
    };
    let old = one.block(0, 0);
    deliver(&Message::Proposal(one.propose(0, 0, &old)));
    let change = one.change(2, 1, Some(&old));
    deliver(&Message::RoundChange(change.clone()));
    let again = old.with_round(1).unwrap();
    let mut proposal = one.later_proposal(1, &again, &[0, 1, 2]);
    proposal.round_changes.as_mut().unwrap()[2] = change.signed;
    deliver(&Message::Proposal(proposal));
    assert_eq!(core.round(), 1);
    assert_eq!(checks, 1);
}

#[test]
fn a_claimed_head_stops_nobody() {
    let mut one = One::new(4, 1);
    one.connect(2, 1_000_000);
    let digest = one.prepared_in_round_0().digest().unwrap();
    for who in [0, 3] {
        let commit = one.commit(who, 0, digest);
        one.say(who, &commit);
    }
    assert_eq!(one.height(), 1);
}
