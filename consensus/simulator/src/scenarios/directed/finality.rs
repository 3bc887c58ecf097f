//! Two sealed blocks at one height.

use std::sync::Arc;

use peruri_ibft2::{
    Seal, SealDigest,
    core::{Input, Report, Wish},
    messages::{Block, CommitPayload, Message, RoundId},
};

use super::{Lab, Setting, Stage};
use crate::{
    keys::malleate,
    oracle::{
        Violation,
        judge::{Checked, broken},
    },
};

/// Another block at the height of `sealed`, with seals of these members.
fn other_block(stage: &Stage, height: usize, sealers: &[usize]) -> (Arc<Block>, Vec<Seal>) {
    let sealed = &stage.actors[0].chain[height];
    let mut block = (*sealed.block).clone();
    block.header.timestamp += 1;
    let block = block.with_round(0).expect("it has extraData");
    let digest = block.digest().expect("it has extraData");
    let seals = sealers.iter().map(|member| stage.seal(*member, digest)).collect();
    (Arc::new(block), seals)
}

/// Gives a second block to a member; whether it says that there are two, and that it stops.
fn show(
    stage: &mut Stage,
    actor: usize,
    block: Arc<Block>,
    seals: Vec<Seal>,
) -> Result<Option<bool>, Violation> {
    stage.give(actor, Input::Finalised { block, seals })?;
    Ok(stage.actors[actor].reports.iter().find_map(|report| match report {
        Report::ConflictingBlock { stop, .. } => Some(*stop),
        _ => None,
    }))
}

/// The chain began with one validator, which has voted three others in. Its key, alone, seals
/// another first block. That says nothing about the present four: they raise an alarm and go on.
pub(super) fn a_former_lone_validator(lab: &Lab) -> Checked {
    let setting = Setting { members: 4, ..Setting::of(1) };
    let mut stage = Stage::started(lab, setting, 0..4)?;
    for voter in 0..4 {
        for member in 1..4 {
            let subject = stage.keys.address(member);
            stage.give(voter, Input::Vote { subject, wish: Wish::Add { force: true } })?;
        }
    }
    let all_in = |stage: &Stage| {
        stage
            .actors
            .iter()
            .all(|it| it.core.as_ref().is_some_and(|core| core.validators().len() == 4))
    };
    stage.wait(120_000, all_in, "L8", "four validators voted in")?;
    let (block, seals) = other_block(&stage, 1, &[0]);
    for actor in 1..4 {
        match show(&mut stage, actor, block.clone(), seals.clone())? {
            Some(false) => {}
            said => {
                let text = format!("{actor} says {said:?} to a block of a former lone validator");
                return broken("S13", text);
            }
        }
    }
    let height = stage.lowest();
    stage.wait(30_000, |stage| stage.lowest() >= height + 4, "L2", "blocks after the alarm")
}

/// Three of four seal a second block at a final height. No chain changes. Whoever has followed the
/// chain says so and signs nothing any more, as more sealed both than may be faulty; a block without
/// a quorum is nothing to anybody.
pub(super) fn the_local_chain_never_changes(lab: &Lab) -> Checked {
    let mut stage = Stage::started(lab, Setting::of(4), 0..4)?;
    stage.wait(10_000, |stage| stage.lowest() >= 3, "L6", "three blocks")?;
    let height = 1 + lab.variant as usize;
    let before = stage.actors[0].chain[height].view.hash;
    let (few, two) = other_block(&stage, height, &[1, 2]);
    if show(&mut stage, 0, few, two)?.is_some() {
        return broken("S5", "two seals of four are taken for a quorum".to_owned());
    }
    let (block, seals) = other_block(&stage, height, &[1, 2, 3]);
    let said = show(&mut stage, 0, block, seals)?;
    if stage.actors[0].chain[height].view.hash != before {
        return broken("S2", format!("block {height} was replaced"));
    }
    if said != Some(true) {
        return broken("S1", format!("a second sealed block at {height}: {said:?}"));
    }
    let signed = stage.actors[0].said.len();
    stage.run(6_000)?;
    if stage.actors[0].said.len() > signed {
        return broken("S1", "it signs on although finality is broken".to_owned());
    }
    Ok(())
}

/// A member sends a Commit for a block that is final already, with the seal of another member, a seal
/// over something else, or its own seal in its second form. At most the last is added.
pub(super) fn late_seals_are_of_their_author(lab: &Lab) -> Checked {
    let mut stage = Stage::started(lab, Setting::of(4), 0..3)?;
    stage.wait(10_000, |stage| stage.lowest() >= 2, "L6", "two blocks")?;
    let block = &stage.actors[0].chain[1].view;
    let id = RoundId::new(1, block.round);
    let digest = SealDigest(block.digest);
    let seal = match lab.variant {
        0 => stage.seal(1, digest),
        1 => stage.seal(3, SealDigest::default()),
        _ => {
            let flipped = malleate(stage.seal(3, digest).as_bytes());
            Seal::new(flipped).expect("s is in range")
        }
    };
    let message = Message::Commit(stage.sign(3, CommitPayload { id, digest, seal }));
    for _ in 0..2 {
        stage.say(3, 0..3, &message)?;
        stage.run(50)?;
    }
    // The judge looks at the seals of every header that changes.
    let seals = stage.actors[0].chain[1].view.seals.len();
    let expected = if lab.variant == 2 { 4 } else { 3 };
    if seals != expected {
        return broken("S5", format!("{seals} seals instead of {expected}"));
    }
    stage.wait(30_000, |stage| stage.lowest() >= 4, "L6", "more blocks")
}
