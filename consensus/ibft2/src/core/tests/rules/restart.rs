//! The order of effects, and what a restart finds.

use super::{DUE, Net, One, sign};
use crate::{
    core::{Core, Effect, Input, Now, PersistToken, SignKind, Target},
    messages::{Message, MessageKind},
};

/// Steps the core of `one` without carrying anything out.
fn step(one: &One, core: &mut Core<super::super::net::Hashes>, input: Input) -> Vec<Effect> {
    core.step(one.net.now, input)
}

fn deliver(one: &One, message: &Message) -> Input {
    let _ = one;
    Input::Message { peer: super::peer(0), bytes: message.to_wire(crate::messages::Dialect::V26) }
}

/// The signature that a step asks for.
fn asked(one: &One, effects: &[Effect]) -> Option<(SignKind, Input)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Sign { request, kind, digest } => {
            let signature = sign(one.net.members[one.me], digest);
            Some((*kind, Input::Signed { request: *request, signature }))
        }
        _ => None,
    })
}

fn persisted(effects: &[Effect]) -> Option<PersistToken> {
    effects.iter().find_map(|effect| match effect {
        Effect::Persist { token, .. } => Some(*token),
        _ => None,
    })
}

fn own_sends(effects: &[Effect]) -> Vec<Option<PersistToken>> {
    let mut waits = Vec::new();
    for effect in effects {
        if let Effect::Send { after, to: Target::Validators, .. } = effect {
            waits.push(*after);
        }
    }
    waits
}

fn checked(effects: &[Effect]) -> Input {
    let request = effects
        .iter()
        .find_map(|effect| match effect {
            Effect::CheckBlock { request, .. } => Some(*request),
            _ => None,
        })
        .unwrap();
    Input::BlockChecked { request, verdict: crate::core::Verdict::Valid }
}

#[test]
fn whatever_leaves_waits_for_its_record() {
    let one = One::new(4, 1);
    let mut core = one.net.core(1).clone();
    let (proposal, digest) = one.first_proposal();
    let effects = step(&one, &mut core, deliver(&one, &proposal));
    assert_eq!(asked(&one, &effects), None);
    let effects = step(&one, &mut core, checked(&effects));
    let (kind, signed) = asked(&one, &effects).unwrap();
    assert_eq!(kind, SignKind::Message(MessageKind::Prepare));
    assert!(own_sends(&effects).is_empty());

    let effects = step(&one, &mut core, signed);
    let prepare = persisted(&effects).unwrap();
    assert_eq!(own_sends(&effects), [Some(prepare)]);

    // The Commit: first the seal, then the message; the certificate is in the same record.
    let message = one.prepare(2, 0, digest);
    let effects = step(&one, &mut core, deliver(&one, &message));
    let (kind, signed) = asked(&one, &effects).unwrap();
    assert_eq!(kind, SignKind::Seal);
    let effects = step(&one, &mut core, signed);
    let (kind, signed) = asked(&one, &effects).unwrap();
    assert_eq!(kind, SignKind::Message(MessageKind::Commit));
    let effects = step(&one, &mut core, signed);
    let commit = persisted(&effects).unwrap();
    assert!(commit > prepare);
    assert_eq!(own_sends(&effects), [Some(commit)]);
    let with_certificate = effects.iter().any(|effect| {
        matches!(effect, Effect::Persist { record, block: Some(_), .. }
            if record.certificate().is_some() && record.commit().is_some())
    });
    assert!(with_certificate);

    // The own Commit is needed for the quorum, so the block waits for its record.
    let message = one.commit(2, 0, digest);
    step(&one, &mut core, deliver(&one, &message));
    let message = one.commit(0, 0, digest);
    let effects = step(&one, &mut core, deliver(&one, &message));
    let after = effects.iter().find_map(|effect| match effect {
        Effect::Finalise { after, .. } => Some(*after),
        _ => None,
    });
    assert_eq!(after, Some(Some(commit)));
}

#[test]
fn what_is_durable_is_not_waited_for() {
    let one = One::new(4, 1);
    let mut core = one.net.core(1).clone();
    let (proposal, _) = one.first_proposal();
    let effects = step(&one, &mut core, deliver(&one, &proposal));
    let effects = step(&one, &mut core, checked(&effects));
    let (_, signed) = asked(&one, &effects).unwrap();
    let effects = step(&one, &mut core, signed);
    let token = persisted(&effects).unwrap();
    let resend = |core: &mut Core<_>| {
        let input = Input::Timer { id: crate::core::TimerId::Resend };
        own_sends(&step(&one, core, input))
    };
    assert_eq!(resend(&mut core), [Some(token)]);
    step(&one, &mut core, Input::Durable { token });
    assert_eq!(resend(&mut core), [None]);
}

#[test]
fn a_signature_that_comes_too_late_is_thrown_away() {
    let one = One::new(4, 1);
    let mut core = one.net.core(1).clone();
    let (proposal, _) = one.first_proposal();
    let effects = step(&one, &mut core, deliver(&one, &proposal));
    let effects = step(&one, &mut core, checked(&effects));
    let (_, prepare) = asked(&one, &effects).unwrap();
    // Meanwhile others carry the core to round 3.
    for who in [0, 2, 3] {
        let change = Message::RoundChange(one.change(who, 3, None));
        step(&one, &mut core, deliver(&one, &change));
    }
    let effects = step(&one, &mut core, prepare);
    assert!(persisted(&effects).is_none() && own_sends(&effects).is_empty());
    let (kind, _) = asked(&one, &effects).unwrap();
    assert_eq!(kind, SignKind::Message(MessageKind::RoundChange));
}

#[test]
fn a_wrong_signature_goes_nowhere() {
    let one = One::new(4, 1);
    let mut core = one.net.core(1).clone();
    let (proposal, _) = one.first_proposal();
    let effects = step(&one, &mut core, deliver(&one, &proposal));
    let effects = step(&one, &mut core, checked(&effects));
    let (_, signed) = asked(&one, &effects).unwrap();
    let Input::Signed { request, .. } = signed else { panic!() };
    let signature = sign(one.net.members[2], &[1; 32].into());
    let effects = step(&one, &mut core, Input::Signed { request, signature });
    assert!(persisted(&effects).is_none() && own_sends(&effects).is_empty());
    assert!(asked(&one, &effects).is_none());
}

/// Restarts the core of `one` from its disk.
fn restart(one: &mut One) {
    one.net.crash(one.me);
    one.forget_sent();
    one.net.start(one.me);
    one.connect_all(0);
}

#[test]
fn a_restart_sends_the_same_bytes() {
    let mut one = One::new(4, 1);
    one.prepared_in_round_0();
    let before: Vec<Message> = one.sent().into_iter().cloned().collect();
    restart(&mut one);
    one.run(super::BASE);
    let mut after: Vec<Message> = one.sent().into_iter().cloned().collect();
    after.dedup();
    assert_eq!(after, before);
}

#[test]
fn a_restart_does_not_prepare_another_proposal() {
    let mut one = One::new(4, 1);
    let first = one.block(0, 0);
    let proposal = Message::Proposal(one.propose(0, 0, &first));
    one.say(0, &proposal);
    restart(&mut one);
    let mut second = first;
    second.header.timestamp += 1;
    let proposal = Message::Proposal(one.propose(0, 0, &second));
    one.say(0, &proposal);
    let record = one.net.core(1).record();
    assert_ne!(record.digest(), Some(second.digest().unwrap()));
    assert!(
        one.sent()
            .iter()
            .all(|message| { message.signed_payload().digest() != Some(second.digest().unwrap()) })
    );
}

#[test]
fn a_restart_keeps_the_certificate() {
    let mut one = One::new(4, 1);
    let block = one.prepared_in_round_0();
    restart(&mut one);
    one.run(DUE + super::BASE);
    assert_eq!(one.at().round, 1);
    let sent = one.sent();
    let change = super::round_change_of(&sent).unwrap();
    let certificate = change.signed.payload.certificate.as_ref().unwrap();
    assert_eq!(certificate.digest(), block.digest().unwrap());
}

#[test]
fn a_proposer_that_restarts_offers_its_proposal_again() {
    let mut one = One::of(Net::new(4), 0);
    one.run(DUE);
    let before = super::proposal_of(&one.sent()).cloned().unwrap();
    one.net.now = Now { unix_ms: one.net.now.unix_ms + 5_000, ..one.net.now };
    restart(&mut one);
    // Each that connects gets it.
    let sent = &one.net.nodes[0].sent;
    let again: Vec<_> = sent.iter().map(|(_, message)| message).collect();
    assert_eq!(again, vec![&Message::Proposal(before); 3]);
}
