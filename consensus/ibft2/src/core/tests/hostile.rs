//! Any bytes and any order of inputs: no panic, and what is refused changes nothing.

use alloy_primitives::Bytes;
use proptest::prelude::*;

use super::net::{Net, peer, sign};
use crate::{
    config::BesuDialect,
    core::{Effect, Input, Now, PersistToken, Report, RequestId, TimerId, Verdict, Wish},
    messages::RoundId,
};

/// A network in the middle of a height whose Commits are lost, with what was sent so far.
fn busy() -> (Net, Vec<Bytes>) {
    let mut net = Net::new(4);
    net.lose = |_, message| message.kind() == crate::messages::MessageKind::Commit;
    net.start_all();
    net.run(4_500);
    let sent = net.nodes.iter().flat_map(|node| &node.sent);
    let bytes = sent.map(|(_, message)| message.to_wire(BesuDialect::V26)).collect();
    (net, bytes)
}

fn refusals(effects: &[Effect]) -> usize {
    let is_refusal = |effect: &&Effect| match effect {
        Effect::Report(report) => matches!(
            **report,
            Report::PeerFault { .. } | Report::AuthorFault { .. } | Report::Refused { .. }
        ),
        _ => false,
    };
    effects.iter().filter(is_refusal).count()
}

#[test]
fn mutated_messages_never_panic_and_refused_ones_change_nothing() {
    let (net, sent) = busy();
    let strategy = (
        any::<prop::sample::Index>(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        prop::option::of(any::<prop::sample::Index>()),
        0u64..5,
    );
    proptest!(ProptestConfig::with_cases(2_000), |((which, changes, cut, from) in strategy)| {
        let mut bytes = sent[which.index(sent.len())].to_vec();
        for (position, byte) in &changes {
            let at = position.index(bytes.len());
            bytes[at] = *byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let mut core = net.core(2).clone();
        let before = core.state_digest();
        let input = Input::Message { peer: crate::core::PeerId(from), bytes: bytes.into() };
        let effects = core.step(net.now, input);
        let undecodable = effects.iter().any(|effect| matches!(
            effect,
            Effect::Report(report) if matches!(**report, Report::PeerFault { .. })
        ));
        if undecodable {
            prop_assert_eq!(refusals(&effects), 1);
            prop_assert_eq!(core.state_digest(), before);
        }
    });
}

#[test]
fn random_bytes_never_panic() {
    let (net, _) = busy();
    let strategy = prop::collection::vec(any::<u8>(), 0..400);
    proptest!(ProptestConfig::with_cases(2_000), |(bytes in strategy)| {
        let mut core = net.core(1).clone();
        let before = core.state_digest();
        let effects = core.step(net.now, Input::Message { peer: peer(0), bytes: bytes.into() });
        prop_assert!(refusals(&effects) == 1 || effects.is_empty());
        prop_assert_eq!(core.state_digest(), before);
    });
}

fn any_timer() -> impl Strategy<Value = TimerId> {
    let id = (0u64..4, prop_oneof![0u32..4, Just(u32::MAX)])
        .prop_map(|(height, round)| RoundId::new(height, round));
    (0u8..5, id).prop_map(|(kind, id)| match kind {
        0 => TimerId::Block(id),
        1 => TimerId::EmptyBlock(id),
        2 => TimerId::Round(id),
        3 => TimerId::Resend,
        _ => TimerId::Witness,
    })
}

/// An input that a confused driver might give at any time.
fn any_input(sent: Vec<Bytes>, net: &Net) -> impl Strategy<Value = Input> + use<> {
    let members = net.members.clone();
    let blocks = net.nodes[0].blocks.values().cloned().collect::<Vec<_>>();
    let own = members[2];
    prop_oneof![
        6 => (any::<prop::sample::Index>(), 0u64..5).prop_map(move |(which, from)| {
            let bytes = sent[which.index(sent.len())].clone();
            Input::Message { peer: crate::core::PeerId(from), bytes }
        }),
        4 => any_timer().prop_map(|id| Input::Timer { id }),
        2 => (0u64..40, any::<bool>()).prop_map(|(request, valid)| Input::BlockChecked {
            request: RequestId(request),
            verdict: if valid { Verdict::Valid } else { Verdict::NotYet },
        }),
        2 => (0u64..40, any::<[u8; 32]>()).prop_map(move |(request, hash)| Input::Signed {
            request: RequestId(request),
            signature: sign(own, &hash.into()),
        }),
        1 => (0u64..40).prop_map(|token| Input::Durable { token: PersistToken(token) }),
        1 => (0u64..4).prop_map(|height| Input::Stored { height }),
        1 => (any::<prop::sample::Index>(), 0u64..40).prop_map(move |(which, request)| {
            let block = (*blocks[which.index(blocks.len())]).clone();
            Input::BlockBuilt { request: RequestId(request), block }
        }),
        1 => (0usize..4, any::<u64>())
            .prop_map(move |(who, head)| Input::PeerHead { peer: peer(who), head }),
        1 => (0usize..4, 0u64..9).prop_map(move |(who, head)| Input::PeerConnected {
            peer: peer(who),
            validator: Some(members[who]),
            head,
            mark: None,
        }),
        1 => (0usize..4).prop_map(|who| Input::PeerDisconnected { peer: peer(who) }),
        1 => Just(Input::WorkPending),
        1 => any::<bool>().prop_map(move |force| Input::Vote {
            subject: own,
            wish: Wish::Drop { force },
        }),
    ]
}

#[test]
fn any_order_of_inputs_keeps_the_sign_state_in_order() {
    let (net, sent) = busy();
    let inputs = prop::collection::vec((any_input(sent, &net), 0u64..3_000), 1..80);
    proptest!(ProptestConfig::with_cases(300), |(inputs in inputs)| {
        let mut core = net.core(2).clone();
        let mut now = net.now;
        let mut position = core.record().position();
        for (input, wait) in inputs {
            now = Now { mono_ms: now.mono_ms + wait, unix_ms: now.unix_ms + wait };
            core.step(now, input);
            prop_assert!(core.record().position() >= position);
            position = core.record().position();
            let signed = core.record().messages();
            let digests = signed.iter().filter_map(|message| message.digest());
            prop_assert!(digests.collect::<std::collections::BTreeSet<_>>().len() <= 1);
        }
    });
}
