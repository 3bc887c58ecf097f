//! Timers and clocks.

use peruri_ibft2::{core::Input, messages::MessageKind};

use super::{Lab, Setting, Stage};
use crate::oracle::judge::{Checked, broken};

/// A period that is longer than the timeout: nobody leaves a round for it.
pub(super) fn idle_heights_cost_no_round(lab: &Lab) -> Checked {
    let n = 1 + lab.variant as usize;
    let setting = Setting::of(n).with(|config| {
        config.block_period_seconds = 3;
        config.request_timeout_seconds = 1;
    });
    let mut stage = Stage::started(lab, setting, 0..n)?;
    stage.run(20_000)?;
    for (index, actor) in stage.actors.iter().enumerate() {
        let changes = actor.said.iter().filter(|it| it.kind() == MessageKind::RoundChange).count();
        if changes > 0 || actor.height() < 5 {
            let height = actor.height();
            return broken("L6", format!("{index}: {changes} RoundChanges up to height {height}"));
        }
        stage.expect_rounds(index, 0)?;
    }
    Ok(())
}

/// Nothing becomes final for an hour. Then one member is gone for good, and one that saw nothing of
/// the rounds that passed is needed again.
pub(super) fn an_outage_is_over_soon(lab: &Lab) -> Checked {
    let mut stage = Stage::started(lab, Setting::of(4), 0..4)?;
    let (base, cap) = (2_000, 10_000);
    let sleeps = lab.variant == 1;
    if sleeps {
        stage.cut.insert(3);
    }
    stage.rule = Box::new(|passing| passing.message.kind() != MessageKind::Proposal);
    stage.run(3_600_000)?;
    let (round, height) = (stage.core(0).round(), stage.lowest());
    if height > 0 || round < 300 {
        return broken("L2", format!("round {round} at height {height} after an hour"));
    }
    // Proposals of the outage are gone for good, so none of them shows the way.
    stage.rule = Box::new(move |passing| {
        passing.message.kind() != MessageKind::Proposal || passing.message.id().round > round
    });
    let faulty = u64::from(sleeps);
    if sleeps {
        stage.crash(2)?;
    }
    stage.heal()?;
    let bound = (faulty + 1) * cap + 3 * base;
    stage.wait(bound, |stage| stage.lowest() >= 1, "L2", "after an outage of an hour")
}

/// A proposer whose clock is ahead or behind by seconds: its blocks are final in round 0.
pub(super) fn skewed_clocks_cost_no_turn(lab: &Lab) -> Checked {
    let setting = Setting::of(4).with(|config| config.request_timeout_seconds = 4);
    let mut stage = Stage::new(lab, setting, &[]);
    stage.actors[1].skew = if lab.variant == 0 { 2_400 } else { -5_000 };
    for actor in 0..4 {
        stage.start(actor)?;
    }
    stage.wait(60_000, |stage| stage.lowest() >= 8, "L5", "eight blocks with a skewed clock")?;
    stage.expect_rounds(0, 0)
}

/// A clock that is set back by a day delays its validator by twice the period at most.
pub(super) fn a_clock_set_back_stops_nobody(lab: &Lab) -> Checked {
    const DAY: i64 = -86_400_000;
    if lab.variant == 0 {
        // One of four: it keeps its turns.
        let setting = Setting::of(4).with(|config| config.request_timeout_seconds = 4);
        let mut stage = Stage::started(lab, setting, 0..4)?;
        stage.run(3_500)?;
        stage.actors[1].skew = DAY;
        stage.wait(40_000, |stage| stage.lowest() >= 10, "L5", "blocks beside a wrong clock")?;
        return stage.expect_rounds(0, 0);
    }
    // A lone validator in a late round, whose clock is set back while it is down.
    let mut stage = Stage::new(lab, Setting::of(1), &[]);
    stage.actors[0].habits.builds = false;
    stage.start(0)?;
    stage.wait(120_000, |stage| stage.core(0).round() >= 5, "L2", "a late round")?;
    stage.crash(0)?;
    stage.actors[0].skew = DAY;
    stage.actors[0].habits.builds = true;
    stage.start(0)?;
    stage.wait(16_000, |stage| stage.lowest() >= 1, "L4", "a block with the clock set back")
}

/// With an empty period of a minute the proposer of an idle height withholds its block while
/// another member has work.
pub(super) fn a_withheld_block_of_an_idle_height(lab: &Lab) -> Checked {
    let setting = Setting::of(4).with(|config| config.empty_block_period_seconds = 60);
    let mut stage = Stage::started(lab, setting, 0..4)?;
    stage.rule =
        Box::new(|passing| passing.from != 0 || passing.message.kind() != MessageKind::Proposal);
    stage.run(5_000)?;
    stage.give(2, Input::WorkPending)?;
    // Its own round 0, the round 0 of those that hear of it, and the messages.
    stage.wait(4_500, |stage| stage.lowest() >= 1, "L5", "a block for work in an idle height")
}
