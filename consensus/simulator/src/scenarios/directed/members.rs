//! The validator set: how few, after which block, and what replaces a lost quorum.

use alloy_primitives::{B256, keccak256};
use peruri_ibft2::{
    Transition,
    core::{Input, Report, Wish},
};

use super::{Lab, Setting, Stage};
use crate::oracle::{
    Violation,
    judge::{Checked, broken},
};

fn warned(stage: &Stage, actor: usize) -> Vec<usize> {
    let reports = stage.actors[actor].reports.iter();
    reports
        .filter_map(|report| match report {
            Report::NoFaultTolerance { validators } => Some(*validators),
            _ => None,
        })
        .collect()
}

/// Up to three validators a single malicious one is too many: the start says so, and so does the
/// vote that leaves so few.
pub(super) fn few_validators_are_told(lab: &Lab) -> Checked {
    let n = 1 + lab.variant as usize;
    let mut stage = Stage::started(lab, Setting::of(n), 0..n)?;
    let expected = if n < 4 { vec![n] } else { Vec::new() };
    for actor in 0..n {
        if warned(&stage, actor) != expected {
            return broken(
                "U6",
                format!("{n} validators: {actor} says {:?}", warned(&stage, actor)),
            );
        }
    }
    if n == 4 {
        let subject = stage.keys.address(3);
        for voter in 0..3 {
            stage.give(voter, Input::Vote { subject, wish: Wish::Drop { force: false } })?;
        }
        let gone = |stage: &Stage| stage.core(0).validators().len() == 3;
        stage.wait(30_000, gone, "L8", "a vote against one of four")?;
        if warned(&stage, 0) != [3] {
            return broken("U6", format!("after the vote: {:?}", warned(&stage, 0)));
        }
    }
    Ok(())
}

fn epochs(stage: &Stage, actor: usize) -> Vec<(u64, B256)> {
    let reports = stage.actors[actor].reports.iter();
    reports
        .filter_map(|report| match report {
            Report::Epoch { number, validators, .. } => Some((*number, *validators)),
            _ => None,
        })
        .collect()
}

/// Two votes before an epoch block and one after it are no three votes; overrides set the validators
/// of exactly their block. The judge counts the set of every header a second time, and everybody
/// tells the same set after each epoch.
pub(super) fn epochs_and_overrides(lab: &Lab) -> Checked {
    let mut setting = Setting { members: 5, ..Setting::of(4) };
    setting.config.epoch_length = 4;
    let keys = crate::keys::KeyRing::new(crate::keys::Scheme::Keyed, 5);
    let override_at = |block, members: &[usize]| Transition {
        block,
        validators: Some(members.iter().map(|member| keys.address(*member)).collect()),
        ..Transition::default()
    };
    // One in the middle of an epoch, one right after an epoch block.
    setting.transitions = vec![override_at(10, &[0, 1, 2]), override_at(13, &[0, 1, 2, 3])];
    let mut stage = Stage::started(lab, setting, 0..5)?;
    let subject = stage.keys.address(4);
    let vote = |wish| Input::Vote { subject, wish };
    for voter in [0, 1] {
        stage.give(voter, vote(Wish::Add { force: true }))?;
    }
    stage.wait(10_000, |stage| stage.lowest() >= 2, "L6", "two votes")?;
    for voter in [0, 1] {
        stage.give(voter, vote(Wish::Discard))?;
    }
    stage.wait(10_000, |stage| stage.lowest() >= 4, "L6", "an epoch")?;
    stage.give(2, vote(Wish::Add { force: true }))?;
    stage.wait(10_000, |stage| stage.lowest() >= 7, "L6", "a vote after the epoch")?;
    let votes = |height: usize| stage.actors[0].chain[height].view.vote.is_some();
    if !(votes(1) && votes(2) && votes(7)) {
        return broken("S12", "the votes were not cast as planned".to_owned());
    }
    stage.give(2, vote(Wish::Discard))?;
    stage.wait(40_000, |stage| stage.lowest() >= 16, "L6", "epochs and overrides")?;
    let sizes: Vec<_> =
        stage.actors[0].chain.iter().map(|block| block.view.validators.len()).collect();
    if sizes[1..10] != [4; 9]
        || sizes[10..13] != [3; 3]
        || sizes[13..] != [4; 4][..sizes.len() - 13]
    {
        return broken("S12", format!("sizes of the set by height: {sizes:?}"));
    }
    let expected: Vec<(u64, B256)> = [4, 8, 12, 16]
        .into_iter()
        .filter_map(|number| {
            Some((number, keccak256(stage.judge.members_at(number + 1)?.list().concat())))
        })
        .collect();
    for actor in 0..5 {
        if epochs(&stage, actor) != expected {
            return broken("S12", format!("{actor} tells {:?}", epochs(&stage, actor)));
        }
    }
    Ok(())
}

/// Two of four are gone for good. The other two cannot go on, however long they wait; with an
/// override of the validators at the next block in their genesis files they do.
pub(super) fn an_override_replaces_a_lost_quorum(lab: &Lab) -> Result<(), Violation> {
    let setting = Setting::of(4);
    let keys = crate::keys::KeyRing::new(crate::keys::Scheme::Keyed, 4);
    let left = Transition {
        block: 4,
        validators: Some(vec![keys.address(0), keys.address(1)]),
        ..Transition::default()
    };
    let mut stage = Stage::new(lab, setting, std::slice::from_ref(&left));
    for actor in 0..4 {
        stage.start(actor)?;
    }
    stage.wait(10_000, |stage| stage.lowest() >= 3, "L6", "three blocks")?;
    stage.crash(2)?;
    stage.crash(3)?;
    stage.run(120_000)?;
    if stage.lowest() != 3 {
        return broken("S5", format!("two of four made block {}", stage.lowest()));
    }
    stage.crash(0)?;
    stage.crash(1)?;
    stage.reconfigure(vec![left]);
    stage.start(0)?;
    stage.start(1)?;
    stage.wait(16_000, |stage| stage.lowest() >= 5, "L2", "blocks of those that are left")
}

/// The operator of a lone validator wants another one in before that runs. The vote is passed over
/// until the other one is connected; then there are two, and they go on.
pub(super) fn a_vote_waits_for_its_subject(lab: &Lab) -> Checked {
    let n = 1 + 2 * lab.variant as usize;
    let setting = Setting { members: n + 1, ..Setting::of(n) };
    // Of three, one is down: with a fourth that is not there either, three of four would be needed.
    let running = 0..if n == 1 { 1 } else { 2 };
    let mut stage = Stage::new(lab, setting, &[]);
    stage.cut.extend(running.end..=n);
    for actor in running.clone() {
        stage.start(actor)?;
    }
    let subject = stage.keys.address(n);
    for voter in running {
        stage.give(voter, Input::Vote { subject, wish: Wish::Add { force: false } })?;
    }
    stage.wait(60_000, |stage| stage.lowest() >= 8, "L8", "blocks while the new one is away")?;
    let members = stage.core(0).validators().len();
    if members != n {
        return broken("L8", format!("{members} validators while the new one is away"));
    }
    stage.cut.clear();
    stage.start(n)?;
    let height = stage.lowest();
    let voted_in = |stage: &Stage| stage.core(0).validators().len() == n + 1;
    stage.wait(60_000, voted_in, "L8", "the new one voted in")?;
    stage.wait(90_000, |stage| stage.lowest() >= height + 8, "L8", "blocks with the new one")
}
