//! What other networks with the same keys have left behind.

use peruri_ibft2::{
    SealDigest,
    core::{Input, PeerId},
    messages::{Dialect, Message, RoundChange, RoundChangePayload, RoundId},
    sign_state::Mark,
};

use super::{Lab, Setting, Stage};
use crate::oracle::judge::{Checked, broken};

/// All four are told marks of heights that a chain before this one had reached. They cannot know at
/// once that those mean nothing; they know it when nobody serves the blocks.
pub(super) fn marks_of_an_earlier_network(lab: &Lab) -> Checked {
    let mut stage = Stage::new(lab, Setting::of(4), &[]);
    let told = [1, 4][lab.variant as usize];
    for member in 0..told {
        let id = RoundId::new(40 + member as u64, 2);
        let commit = stage.commit(member, id, SealDigest::default());
        for teller in 0..4 {
            stage.marks.insert((teller, member), Mark::new(commit.signed_payload()));
        }
    }
    for actor in 0..4 {
        stage.start(actor)?;
    }
    stage.run(1_500)?;
    if !(0..told).all(|actor| stage.core(actor).in_doubt()) {
        return broken("S6", "a mark above the chain is no reason to doubt".to_owned());
    }
    // Ten base timeouts of patience, and the longest round.
    stage.wait(
        36_000,
        |stage| stage.lowest() >= 3 && (0..4).all(|actor| !stage.core(actor).in_doubt()),
        "L2",
        "an end of the doubt about a chain that nobody has",
    )
}

/// RoundChanges that the same keys signed for another network come in.
pub(super) fn messages_of_another_network(lab: &Lab) -> Checked {
    let bound = |setting: Setting| setting.with(|config| config.chain_bound_signatures = true);
    let setting = bound(Setting { members: 5, ..Setting::of(4) });
    // The other network differs in its chain id, or in its genesis only.
    let mut other = setting.clone();
    let mut genesis = alloy_primitives::B256::repeat_byte(9);
    let mut stage = Stage::started(lab, setting, 0..4)?;
    if lab.variant == 0 {
        other.chain_id += 1;
        genesis = stage.genesis.view.hash;
    }
    // What cores of that network sign.
    let domain = lab.config(&other, genesis).domain();
    let before: Vec<_> = (0..4).map(|actor| stage.core(actor).state_digest()).collect();
    for author in 0..4 {
        for round in [1, 7] {
            let id = RoundId::new(1, round);
            let payload = RoundChangePayload { id, certificate: None };
            let signed = stage.sign_for(author, payload, &domain);
            let message = Message::RoundChange(RoundChange { signed, block: None });
            for actor in (0..4).filter(|actor| *actor != author) {
                // By the connection of a stranger.
                let bytes = message.to_wire(Dialect::V26);
                stage.give(actor, Input::Message { peer: PeerId(u64::MAX), bytes })?;
            }
        }
    }
    for (actor, before) in before.iter().enumerate() {
        if stage.core(actor).state_digest() != *before {
            return broken("S11", format!("a message of another network changes {actor}"));
        }
    }
    stage.wait(10_000, |stage| stage.lowest() >= 5, "L6", "blocks")?;
    stage.expect_rounds(0, 0)
}

/// Somebody with a key that is no validator's says everything that a validator may say.
pub(super) fn messages_of_a_stranger(lab: &Lab) -> Checked {
    let n = 3 + lab.variant as usize;
    let setting = Setting { members: n + 1, ..Setting::of(n) };
    let mut stage = Stage::started(lab, setting, 0..n)?;
    stage.run(200)?;
    let before: Vec<_> = (0..n).map(|actor| stage.core(actor).state_digest()).collect();
    let mut said = vec![stage.proposal(n, &stage.made_by(n, 0, 0))];
    for round in [0, 1, 5] {
        for height in [1, 2] {
            let id = RoundId::new(height, round);
            said.push(stage.prepare(n, id, SealDigest::default()));
            said.push(stage.commit(n, id, SealDigest::default()));
            said.push(stage.round_change(n, id));
        }
    }
    for message in &said {
        stage.say(n, 0..n, message)?;
    }
    stage.run(100)?;
    for (actor, before) in before.iter().enumerate() {
        if stage.core(actor).state_digest() != *before {
            return broken("S11", format!("a stranger changes {actor}"));
        }
    }
    stage.wait(10_000, |stage| stage.lowest() >= 5, "L6", "blocks beside a stranger")?;
    stage.expect_rounds(0, 0)
}
