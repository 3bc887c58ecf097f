//! What others may not do.

use std::sync::Arc;

use super::{BASE, DUE, One, address_of, length_of, some_digest};
use crate::{
    core::{AuthorFault, Effect, Input, PeerFault, PeerId, Report, Verdict},
    extra_data::Form,
    messages::{
        Block, CommitPayload, Dialect, Message, MessageKind, RoundChange, RoundChangePayload,
        RoundId,
    },
};

fn faults(one: &One) -> Vec<AuthorFault> {
    let mut faults = Vec::new();
    for report in one.reports() {
        if let Report::AuthorFault { fault, .. } = report {
            faults.push(fault.clone());
        }
    }
    faults
}

/// Has the proposer of round 0 propose `block`, and returns what the core said.
fn proposed(one: &mut One, block: &Block) -> Vec<(MessageKind, u32)> {
    let proposal = Message::Proposal(one.propose(0, 0, block));
    one.say(0, &proposal);
    one.kinds()
}

#[test]
fn coinbase_of_a_fresh_block_is_the_author() {
    let mut one = One::new(4, 1);
    let block = one.block(3, 0);
    assert_eq!(proposed(&mut one, &block), []);
    assert_eq!(faults(&one), [AuthorFault::Coinbase]);
}

#[test]
fn vanity_is_the_genesis_hash_where_signatures_are_chain_bound() {
    let mut one = One::with(4, 1, |config| config.chain_bound_signatures = true);
    let mut block = one.block(0, 0);
    let mut extra = block.extra_data().unwrap();
    assert_eq!(extra.vanity.as_ref(), one.net.config.genesis_hash.as_slice());
    extra.vanity = vec![0; 32].into();
    block.header.extra_data = extra.encode(Form::All);
    assert_eq!(proposed(&mut one, &block), []);
    assert_eq!(faults(&one), [AuthorFault::Vanity]);
}

#[test]
fn long_fresh_blocks_are_not_prepared() {
    let body = |length: usize| {
        let mut one = One::with(4, 1, |config| config.max_proposal_bytes = 2_000);
        let mut block = one.block(0, 0);
        let transactions = alloy_rlp::encode(vec![vec![1u8; length]]);
        block.body = [transactions, vec![0xc0]].concat().into();
        let said = proposed(&mut one, &block);
        (length_of(&block) > 2_000, said.is_empty())
    };
    assert_eq!(body(1_000), (false, false));
    assert_eq!(body(2_000), (true, true));
}

#[test]
fn a_long_proposal_is_read() {
    let mut one = One::new(4, 1);
    let mut block = one.block(0, 0);
    let transactions = alloy_rlp::encode(vec![vec![1u8; 4 << 20]]);
    block.body = [transactions, vec![0xc0]].concat().into();
    assert_eq!(proposed(&mut one, &block), [(MessageKind::Prepare, 0)]);
}

#[test]
fn proposals_in_both_dialects_are_read() {
    for dialect in [Dialect::V25, Dialect::V26] {
        let mut one = One::new(4, 1);
        let (proposal, _) = one.first_proposal();
        let bytes = proposal.to_wire(dialect);
        one.net.step(1, Input::Message { peer: super::peer(0), bytes });
        assert_eq!(one.kinds(), [(MessageKind::Prepare, 0)]);
    }
}

#[test]
fn the_driver_is_asked_about_few_blocks_at_once() {
    let one = One::new(4, 1);
    let mut core = one.net.core(1).clone();
    let mut asked = Vec::new();
    let mut block = one.block(0, 0);
    for copy in 0..100u8 {
        // Nothing signed covers the body, so the proposer may send as many as it likes.
        block.body = [alloy_rlp::encode(vec![vec![copy; 40]]), vec![0xc0]].concat().into();
        let bytes = Message::Proposal(one.propose(0, 0, &block)).to_wire(Dialect::V26);
        let input = Input::Message { peer: super::peer(0), bytes };
        let effects = core.step(one.net.now, input);
        asked.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::CheckBlock { request, .. } => Some(request),
            _ => None,
        }));
    }
    assert_eq!(asked.len(), 8);
    // The answers let it ask on.
    let answer = Input::BlockChecked { request: asked[0], verdict: Verdict::Invalid };
    let effects = core.step(one.net.now, answer);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::CheckBlock { .. })));
}

#[test]
fn only_fresh_blocks_are_checked_as_such() {
    let one = One::new(4, 3);
    let mut core = one.net.core(3).clone();
    let mut deliver = |message: Message| {
        let input = Input::Message { peer: super::peer(0), bytes: message.to_wire(Dialect::V26) };
        let effects = core.step(one.net.now, input);
        effects.into_iter().find_map(|effect| match effect {
            Effect::CheckBlock { fresh, .. } => Some(fresh),
            _ => None,
        })
    };
    let first = one.block(0, 0);
    assert_eq!(deliver(Message::Proposal(one.propose(0, 0, &first))), Some(true));
    // The block of a certificate, which this validator has not seen.
    let mut other = first.clone();
    other.header.timestamp += 1;
    let again = other.with_round(1).unwrap();
    let mut proposal = one.later_proposal(1, &again, &[0, 1, 2]);
    proposal.round_changes.as_mut().unwrap()[2] = one.change(2, 1, Some(&other)).signed;
    assert_eq!(deliver(Message::Proposal(proposal)), Some(false));
}

#[test]
fn signatures_for_another_chain_are_nobodys() {
    let mut one = One::with(4, 1, |config| config.chain_bound_signatures = true);
    let mut other = one.net.config.clone();
    other.chain_id += 1;
    for who in [2, 3] {
        let payload = RoundChangePayload { id: one.id(5), certificate: None };
        let hash = other.domain().signing_hash(&payload);
        let signature = super::sign(one.net.members[who], &hash);
        let signed = crate::messages::Signed::new(payload, signature);
        one.say(who, &Message::RoundChange(RoundChange { signed, block: None }));
    }
    assert_eq!(one.at().round, 0);
    let fault = PeerFault::Signature;
    assert!(one.reports().contains(&Report::PeerFault { peer: super::peer(2), fault }));
}

#[test]
fn blocks_stand_on_the_head_and_list_its_validators() {
    let mut one = One::new(4, 1);
    let mut block = one.block(0, 0);
    block.header.parent_hash = some_digest(1).0;
    assert_eq!(proposed(&mut one, &block), []);
    let mut one = One::new(4, 1);
    let mut block = one.block(0, 0);
    let mut extra = block.extra_data().unwrap();
    extra.validators.pop();
    block.header.extra_data = extra.encode(Form::All);
    assert_eq!(proposed(&mut one, &block), []);
    assert_eq!(faults(&one), [AuthorFault::Parent]);
}

#[test]
fn invalid_blocks_are_not_prepared() {
    let mut one = One::new(4, 1);
    one.net.nodes[1].verdict = Verdict::Invalid;
    let block = one.block(0, 0);
    assert_eq!(proposed(&mut one, &block), []);
    assert_eq!(faults(&one), [AuthorFault::Block]);
}

#[test]
fn blocks_from_the_future_are_looked_at_again() {
    let mut one = One::new(4, 1);
    one.net.nodes[1].verdict = Verdict::NotYet;
    let block = one.block(0, 0);
    assert_eq!(proposed(&mut one, &block), []);
    one.net.nodes[1].verdict = Verdict::Valid;
    one.run(BASE);
    assert_eq!(one.kinds().first(), Some(&(MessageKind::Prepare, 0)));
    assert_eq!(faults(&one), []);
}

#[test]
fn only_the_first_proposal_of_a_round_is_prepared() {
    let mut one = One::new(4, 1);
    let first = one.block(0, 0);
    let mut second = first.clone();
    second.header.timestamp += 1;
    proposed(&mut one, &first);
    let said = proposed(&mut one, &second);
    assert_eq!(said, [(MessageKind::Prepare, 0)]);
    let digest = one.record().digest();
    assert_eq!(digest, Some(first.digest().unwrap()));
    assert!(one.accuses(0));
}

#[test]
fn a_spoiled_body_does_not_suppress_the_good_one() {
    let mut one = One::new(4, 1);
    let good = one.block(0, 0);
    let mut spoiled = good.clone();
    spoiled.body = vec![0xc1, 0x80, 0xc0].into();
    one.net.nodes[1].verdict = Verdict::Invalid;
    // Relayed by validator 2, who has spoiled it.
    let proposal = Message::Proposal(one.propose(0, 0, &spoiled));
    one.say(2, &proposal);
    assert_eq!(faults(&one), []);
    one.net.nodes[1].verdict = Verdict::Valid;
    assert_eq!(proposed(&mut one, &good), [(MessageKind::Prepare, 0)]);
}

#[test]
fn proposals_of_others_than_the_proposer_are_refused() {
    let mut one = One::new(4, 1);
    let block = one.block(2, 0);
    let proposal = Message::Proposal(one.propose(2, 0, &block));
    one.say(2, &proposal);
    assert_eq!(one.kinds(), []);
    assert!(matches!(faults(&one)[..], [AuthorFault::Invalid { .. }]));
}

#[test]
fn two_prepares_or_commits_are_evidence() {
    let mut one = One::new(4, 1);
    for digest in [some_digest(1), some_digest(2)] {
        let prepare = one.prepare(2, 0, digest);
        one.say(2, &prepare);
        let commit = one.commit(3, 0, digest);
        one.say(3, &commit);
    }
    assert!(one.accuses(2) && one.accuses(3) && !one.accuses(0));
}

#[test]
fn prepare_and_commit_for_two_blocks_are_evidence() {
    for commit_first in [false, true] {
        let mut one = One::new(4, 1);
        let prepare = one.prepare(2, 0, some_digest(1));
        let commit = one.commit(2, 0, some_digest(2));
        let order = if commit_first { [&commit, &prepare] } else { [&prepare, &commit] };
        for message in order {
            one.say(2, message);
        }
        assert!(one.accuses(2));
    }
}

#[test]
fn commits_with_seals_of_others_are_refused() {
    let mut one = One::new(4, 1);
    let digest = one.prepared_in_round_0().digest().unwrap();
    for who in [0, 2, 3] {
        let seal = super::sign(one.net.members[1], &digest.0).into();
        let commit = one.signed(who, CommitPayload { id: one.id(0), digest, seal });
        one.say(who, &Message::Commit(commit));
    }
    assert_eq!(one.height(), 0);
    assert_eq!(faults(&one).len(), 3);
}

#[test]
fn outsiders_change_nothing() {
    // The fifth has a key and a connection, but the chain knows four validators.
    let mut net = super::Net::new(5);
    net.nodes[1].chain[0].header = super::super::net::genesis(&net.members[..4]);
    net.start_with(1, 4);
    let mut one = One { net, me: 1 };
    one.connect_all(0);
    let (_, digest) = one.first_proposal();
    let block = one.block(4, 0);
    let before = one.net.core(1).state_digest();
    let later = crate::messages::PreparePayload { id: RoundId::new(2, 0), digest };
    for message in [
        Message::Proposal(one.propose(4, 0, &block)),
        Message::Prepare(one.signed(4, later)),
        one.prepare(4, 0, digest),
        one.commit(4, 0, digest),
        Message::RoundChange(one.change(4, 3, None)),
    ] {
        one.say(4, &message);
    }
    assert_eq!(one.net.core(1).state_digest(), before);
    assert_eq!((one.relayed(), one.reports().len()), (0, 0));
}

#[test]
fn signatures_of_nobody_are_the_peers_fault() {
    let mut one = One::new(4, 1);
    let before = one.net.core(1).state_digest();
    let payload = crate::messages::PreparePayload { id: one.id(0), digest: some_digest(1) };
    let hash = one.net.config.domain().signing_hash(&payload);
    let signature = super::sign(address_of(0x55), &hash);
    let message = Message::Prepare(crate::messages::Signed::new(payload, signature));
    one.say(2, &message);
    assert_eq!(one.net.core(1).state_digest(), before);
    let fault = PeerFault::Signature;
    assert_eq!(one.reports(), [Report::PeerFault { peer: super::peer(2), fault }]);
}

#[test]
fn a_certificate_with_a_prepare_twice_counts_nothing() {
    let mut one = One::new(4, 1);
    let block = one.block(0, 0);
    let mut certificate = one.certificate(&block);
    certificate.prepares[1] = certificate.prepares[0];
    let payload = RoundChangePayload { id: one.id(2), certificate: Some(Arc::new(certificate)) };
    let signed = one.signed(2, payload);
    one.say(2, &Message::RoundChange(RoundChange { signed, block: Some(Arc::new(block)) }));
    assert!(matches!(faults(&one)[..], [AuthorFault::Invalid { .. }]));
    assert_eq!(one.relayed(), 0);
    // So the next RoundChange is the first of f + 1.
    one.says_change(3, 2, None);
    assert_eq!(one.at().round, 0);
}

#[test]
fn undecodable_bytes_are_the_peers_fault() {
    let mut one = One::new(4, 1);
    let before = one.net.core(1).state_digest();
    for bytes in [vec![], vec![9], vec![0, 0xc0], vec![1, 0xf8]] {
        one.net.step(1, Input::Message { peer: PeerId(3), bytes: bytes.into() });
    }
    assert_eq!(one.net.core(1).state_digest(), before);
    assert_eq!(one.reports().len(), 4);
    assert!(one.reports().iter().all(|report| matches!(
        report,
        Report::PeerFault { peer: PeerId(3), fault: PeerFault::Undecodable(_) }
    )));
}

// Bounds.

#[test]
fn rounds_without_end_take_no_memory() {
    let mut one = One::new(4, 1);
    for round in 1..3_000 {
        for message in [
            one.prepare(2, round, some_digest(1)),
            one.commit(2, round, some_digest(1)),
            Message::RoundChange(one.change(2, round, None)),
        ] {
            one.say(2, &message);
        }
    }
    let buffered = one.net.core(1).buffered();
    assert!(buffered.messages <= 6, "{buffered:?}");
    assert!(buffered.rounds <= 2 && one.at().round == 0);
}

#[test]
fn heights_without_end_take_no_memory() {
    let mut one = One::new(4, 1);
    for height in 2..3_000u64 {
        let id = RoundId::new(height, 0);
        let payload = crate::messages::PreparePayload { id, digest: some_digest(1) };
        let message = Message::Prepare(one.signed(2, payload));
        one.say(2, &message);
    }
    let buffered = one.net.core(1).buffered();
    assert!(buffered.heights <= 10 && buffered.messages <= 10, "{buffered:?}");
}

/// Nobody but the validator that sends them is needed for blocks in a Proposal of a later height, and
/// in copies of one for this height.
#[test]
fn blocks_without_end_take_no_more_memory_than_allowed() {
    let mut one = One::with(10, 1, |config| config.max_proposal_bytes = 8 << 20);
    let filled = |block: &mut Block, byte: u8| {
        let transactions = alloy_rlp::encode(vec![vec![byte; 8_000_000]]);
        block.body = [transactions, vec![0xc0]].concat().into();
    };
    let mut block = one.block(0, 0);
    for height in 2..5 {
        filled(&mut block, 1);
        block.header.number = height;
        for who in one.others() {
            let id = RoundId::new(height, 0);
            let digest = block.digest().unwrap();
            let signed = one.signed(who, crate::messages::ProposalPayload { id, digest });
            let (block, round_changes) = (Arc::new(block.clone()), None);
            let proposal = crate::messages::Proposal { signed, block, round_changes };
            one.say(who, &Message::Proposal(proposal));
        }
    }
    let later = one.net.core(1).buffered();
    assert!((32 << 20..=64 << 20).contains(&later.bytes), "{later:?}");
    // What is too early is put off, so the copies stay.
    one.net.nodes[1].verdict = Verdict::NotYet;
    let mut block = one.block(0, 0);
    for copy in 0..10 {
        filled(&mut block, copy);
        let proposal = Message::Proposal(one.propose(0, 0, &block));
        one.say(0, &proposal);
    }
    let all = one.net.core(1).buffered();
    assert!(all.bytes > later.bytes && all.bytes <= later.bytes + (32 << 20), "{all:?}");
}

#[test]
fn relayed_messages_of_one_author_are_bounded() {
    let mut one = One::new(4, 1);
    for round in 1..500 {
        let message = one.prepare(2, round, some_digest(1));
        one.say(2, &message);
    }
    assert!(one.relayed() <= 64, "{}", one.relayed());
}

#[test]
fn own_messages_from_others_change_nothing() {
    let mut one = One::new(4, 1);
    one.prepared_in_round_0();
    let own: Vec<Message> = one.sent().into_iter().cloned().collect();
    let before = one.net.core(1).state_digest();
    for message in &own {
        one.say(2, message);
    }
    assert_eq!(one.net.core(1).state_digest(), before);
}

#[test]
fn a_spoiled_block_beside_a_round_change_is_left_out() {
    // Validator 1 proposes round 1. The block that came with the only certificate is spoiled.
    let mut one = One::new(4, 1);
    let block = one.block(0, 0);
    let mut change = one.change(0, 1, Some(&block));
    let mut spoiled = block;
    spoiled.body = vec![0xc1, 0x80, 0xc0].into();
    change.block = Some(Arc::new(spoiled));
    one.run(DUE + BASE);
    one.net.nodes[1].verdict = Verdict::Invalid;
    one.say(0, &Message::RoundChange(change));
    one.says_change(2, 1, None);
    one.says_change(3, 1, None);
    let sent = one.sent();
    let proposal = super::proposal_of(&sent).unwrap();
    let authors = proposal.round_changes.as_ref().map(Vec::len);
    assert_eq!(authors, Some(3));
    assert_eq!(proposal.block.header.beneficiary, one.net.members[1]);
}
