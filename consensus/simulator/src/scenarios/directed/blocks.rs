//! Blocks: how long, how often checked, and for what.

use std::collections::BTreeMap;

use peruri_ibft2::{
    core::Report,
    messages::{MessageKind, RoundId},
};

use super::{Lab, Setting, Stage};
use crate::{
    oracle::judge::{Checked, broken},
    scenarios::stage::filling,
};

/// Blocks of exactly the length that is allowed, prepared by all and then proposed again: each
/// RoundChange carries the block, and the proposal carries the certificates of a quorum.
pub(super) fn the_longest_proposal_is_read(lab: &Lab) -> Checked {
    let most = [15, 8][lab.variant as usize] << 20;
    let n = [4, 10][lab.variant as usize];
    let setting = Setting::of(n).with(|config| config.max_proposal_bytes = most);
    let mut stage = Stage::new(lab, setting, &[]);
    let empty = stage.made_by(0, 0, 0);
    let size = filling(&empty, most as usize);
    for actor in &mut stage.actors {
        actor.habits.body = size;
    }
    for actor in 0..n {
        stage.start(actor)?;
    }
    // Nobody passes on what others say: that would only take time.
    stage.rule = Box::new(|passing| {
        let commit = passing.message.kind() == MessageKind::Commit;
        passing.own && (!commit || passing.message.id().round > 0)
    });
    stage.wait(8_000, |stage| stage.lowest() >= 1, "K17", "a block of the greatest length")?;
    let block = &stage.actors[0].chain[1];
    let sealed = alloy_rlp::Encodable::length(&*block.block) as u64;
    if block.view.round != 1 || sealed < most {
        let round = block.view.round;
        return broken("K17", format!("{sealed} bytes are final in round {round}"));
    }
    Ok(())
}

/// A proposer gives its block a base fee of its own choice. Validators that check it do not prepare
/// it; once others, which do not, have made a certificate, it is as good as any other.
pub(super) fn the_base_fee_of_a_fresh_block_is_checked(lab: &Lab) -> Checked {
    let mut stage = Stage::new(lab, Setting::of(4), &[]);
    let lenient = lab.variant == 1;
    for actor in 1..3 {
        stage.actors[actor].habits.checks_fee = !lenient;
    }
    for actor in 1..4 {
        stage.start(actor)?;
    }
    stage.run(1_000)?;
    let mut block = stage.made_by(0, 1, 0);
    block.header.base_fee_per_gas = Some(1_000_000);
    let proposal = stage.proposal(0, &block);
    stage.say(0, 1..4, &proposal)?;
    stage.run(100)?;
    let refuses = stage.actors[3].reports.iter().any(|it| matches!(it, Report::AuthorFault { .. }));
    let chosen = block.hash().0;
    if !lenient {
        stage.wait(10_000, |stage| stage.lowest() >= 1, "L5", "a block after a refused one")?;
        return if stage.head(1) == chosen || !refuses {
            broken("S4", "the proposer chose the base fee".to_owned())
        } else {
            Ok(())
        };
    }
    // Two have prepared it; with the proposal that is a certificate.
    stage.wait(20_000, |stage| stage.lowest() >= 1, "L2", "a block that a certificate forces")?;
    if stage.head(3) != chosen || !refuses {
        return broken("S10", "a certificate does not force its block".to_owned());
    }
    Ok(())
}

/// Commits of the first rounds are lost, so that the same block is proposed in several rounds: the
/// driver of each member is asked about it once.
pub(super) fn a_block_is_checked_once(lab: &Lab) -> Checked {
    let mut stage = Stage::started(lab, Setting::of(4), 0..4)?;
    stage.rule = Box::new(|passing| {
        let RoundId { height, round } = passing.message.id();
        passing.message.kind() != MessageKind::Commit || height > 1 || round > 3
    });
    stage.wait(120_000, |stage| stage.lowest() >= 3, "L2", "blocks after lost Commits")?;
    if stage.actors[0].rounds().first() != Some(&4) {
        return broken("S10", format!("rounds {:?}", stage.actors[0].rounds()));
    }
    for actor in &stage.actors {
        let mut times: BTreeMap<_, u32> = BTreeMap::new();
        for (height, hash, _) in &actor.checked {
            *times.entry((*height, *hash)).or_default() += 1;
        }
        if let Some((what, count)) = times.iter().find(|(_, count)| **count > 1) {
            return broken("S14", format!("{what:?} was checked {count} times"));
        }
    }
    Ok(())
}

/// A proposer names another member as the creator of its block: its predecessor, to be the next
/// proposer again, or its successor, to vote and to be paid in that one's name.
pub(super) fn the_creator_is_the_proposer(lab: &Lab) -> Checked {
    let mut stage = Stage::started(lab, Setting::of(4), 1..4)?;
    stage.run(1_000)?;
    let creator = [3, 1][lab.variant as usize];
    let block = stage.made_by(creator, 1, 0);
    let proposal = stage.proposal(0, &block);
    stage.say(0, 1..4, &proposal)?;
    stage.run(100)?;
    let prepared = |actor: &usize| {
        stage.actors[*actor].said.iter().any(|message| message.kind() == MessageKind::Prepare)
    };
    if let Some(actor) = (1..4).find(prepared) {
        return broken("S12", format!("{actor} prepares a block in the name of another"));
    }
    stage.wait(8_000, |stage| stage.lowest() >= 1, "L5", "a block after a refused one")?;
    stage.expect_rounds(1, 1)
}
