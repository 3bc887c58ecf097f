//! What costs a round, and nothing more than that.

use peruri_ibft2::{
    core::{Input, TimerId},
    messages::{MessageKind, RoundId},
};

use super::{Lab, Setting, Stage};
use crate::oracle::judge::{Checked, broken};

/// One of four is gone: each of its turns costs its round and no more, and nobody leaves the round
/// early.
pub(super) fn a_dead_proposer_costs_one_round(lab: &Lab) -> Checked {
    let dead = lab.variant as usize;
    let running = (0..4).filter(|member| *member != dead);
    let mut stage = Stage::started(lab, Setting::of(4), running.clone())?;
    stage.run(40_000)?;
    for actor in running {
        stage.expect_rounds(actor, 1)?;
        let shown = &stage.actors[actor];
        for (height, round) in (1..).zip(shown.rounds()) {
            let took = shown.final_at[height] - shown.final_at[height - 1];
            let cost = u64::from(round) * 2_000;
            // Header times are whole seconds, so a block may be due half a second later or earlier.
            let (least, most) = (cost.saturating_sub(0), cost + 2_600);
            if took < least || took > most {
                return broken("L5", format!("height {height}, round {round}: {took} ms"));
            }
        }
        if shown.height() < 12 {
            return broken("L5", format!("only {} blocks in 40 s", shown.height()));
        }
    }
    Ok(())
}

/// A round timer runs out between the moment at which a block is final and that at which it is
/// stored, and once more after that.
pub(super) fn late_timers(lab: &Lab) -> Checked {
    let mut stage = Stage::new(lab, Setting::of(4), &[]);
    stage.actors[2].habits.stores = false;
    for actor in 0..4 {
        stage.start(actor)?;
    }
    stage.wait(5_000, |stage| stage.actors[2].height() == 1, "L1", "the first block")?;
    let timer = |round| Input::Timer { id: TimerId::Round(RoundId::new(1, round)) };
    if lab.variant == 1 {
        stage.actors[2].habits.stores = true;
        stage.stored(2, 1)?;
        stage.wait(20_000, |stage| stage.lowest() >= 2, "L6", "the next block")?;
    }
    let before = stage.core(2).round();
    stage.give(2, timer(0))?;
    let left = stage.core(2).round() != before;
    let changes = |it: &&peruri_ibft2::Message| it.kind() == MessageKind::RoundChange;
    if left || stage.actors[2].said.iter().filter(changes).count() > 0 {
        return broken("S7", "a timer of a round that is over counts".to_owned());
    }
    if lab.variant == 0 {
        stage.actors[2].habits.stores = true;
        stage.stored(2, 1)?;
    }
    let height = stage.lowest();
    stage.wait(20_000, |stage| stage.lowest() >= height + 3, "L6", "the next blocks")
}

/// The proposer of round 0 proposes a block that is invalid, and then a good one, which comes too
/// late. The next round goes on.
pub(super) fn a_bad_proposal_costs_its_round_only(lab: &Lab) -> Checked {
    let mut stage = Stage::started(lab, Setting::of(4), 1..4)?;
    stage.run(1_000)?;
    let good = stage.made_by(0, 1, 0);
    let mut bad = good.clone();
    bad.header.state_root = alloy_primitives::B256::repeat_byte(3);
    let first = stage.proposal(0, &bad);
    stage.say(0, 1..4, &first)?;
    stage.run(50)?;
    if lab.variant == 1 {
        let second = stage.proposal(0, &good);
        stage.say(0, 1..4, &second)?;
    }
    stage.wait(8_000, |stage| stage.lowest() >= 1, "L5", "a block after a bad proposal")?;
    let rounds = stage.actors[1].rounds();
    if rounds.first() != Some(&1) || stage.head(1) == good.hash().0 {
        return broken("L5", format!("the first block is final in {rounds:?}"));
    }
    Ok(())
}

/// A proposer that cannot build, or builds what is too long, loses its turn and nothing else.
pub(super) fn a_failed_build_is_tried_again(lab: &Lab) -> Checked {
    let n = [1, 4, 4][lab.variant as usize];
    let setting = Setting::of(n).with(|config| config.max_proposal_bytes = 4_000);
    let mut stage = Stage::new(lab, setting, &[]);
    match lab.variant {
        2 => stage.actors[0].habits.body = 5_000,
        _ => stage.actors[0].habits.builds = false,
    }
    for actor in 0..n {
        stage.start(actor)?;
    }
    stage.run(20_000)?;
    let others = stage.lowest();
    if n > 1 && others < 8 {
        return broken("L5", format!("{others} blocks while one of four builds none"));
    }
    stage.actors[0].habits.builds = true;
    stage.actors[0].habits.body = 0;
    // A lone validator is in a late round by now, which lasts the longest time that there is.
    stage.wait(16_000, |stage| stage.lowest() > others + 4, "L6", "blocks once all can build")?;
    let own = stage.keys.address(0);
    let mut newest = stage.actors[0].chain.iter().rev().take(4);
    if newest.any(|block| block.view.coinbase == own) {
        return Ok(());
    }
    broken("L5", "who can build again has lost its turns".to_owned())
}

/// Members that send the older and the newer form understand each other, in round 0 and in later
/// rounds.
pub(super) fn both_dialects_are_read(lab: &Lab) -> Checked {
    let mut stage = Stage::new(lab, Setting::of(4), &[]);
    for actor in 0..4 {
        stage.actors[actor].habits.old_dialect = actor % 2 == 1;
    }
    for actor in 0..4 {
        stage.start(actor)?;
    }
    let most = lab.variant as u32;
    if most > 0 {
        stage.rule = Box::new(|passing| {
            passing.message.kind() != MessageKind::Commit || passing.message.id().round > 0
        });
    }
    stage.wait(40_000, |stage| stage.lowest() >= 6, "L2", "blocks in two dialects")?;
    stage.expect_rounds(0, most)
}

/// A member whose disk is slow hears all of the next height before it has stored the block of this
/// one. Once that is stored it needs nobody to repeat anything.
pub(super) fn messages_of_the_next_height_wait(lab: &Lab) -> Checked {
    let mut stage = Stage::new(lab, Setting::of(4), &[]);
    stage.actors[2].habits.stores = false;
    for actor in 0..4 {
        stage.start(actor)?;
    }
    let others = |stage: &Stage| [0, 1, 3].iter().all(|it| stage.actors[*it].height() >= 2);
    stage.wait(10_000, others, "L1", "two blocks")?;
    stage.run(50)?;
    stage.stored(2, 1)?;
    let text = "what was heard of the next height";
    stage.wait(5, |stage| stage.actors[2].height() == 2, "L3", text)
}
