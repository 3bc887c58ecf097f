//! Bounds: of memory, of numbers, of what claims may do.

use peruri_ibft2::{
    SealDigest,
    core::{Input, TimerId},
    messages::{RoundId, SignedPayload},
    sign_state::Mark,
};

use super::{Lab, Setting, Stage};
use crate::oracle::{
    Violation,
    judge::{Checked, broken},
};

fn digest() -> SealDigest {
    SealDigest(alloy_primitives::B256::repeat_byte(7))
}

/// A member says the greatest rounds and heights that there are, claims the greatest head, tells
/// another one a mark of the greatest height, and then is silent. No timer is set that never runs
/// out, rounds rise by what a jump may cross, and the others, if they are three, go on.
pub(super) fn the_greatest_numbers(lab: &Lab) -> Checked {
    let n = [3, 4][lab.variant as usize];
    let puppet = n - 1;
    let mut stage = Stage::new(lab, Setting::of(n), &[]);
    stage.claim = u64::MAX;
    let last = RoundId::new(u64::MAX, u32::MAX);
    let own = match stage.commit(0, last, digest()) {
        peruri_ibft2::Message::Commit(signed) => SignedPayload::Commit(signed),
        other => other.signed_payload(),
    };
    stage.marks.insert((puppet, 0), Mark::new(own));
    for actor in 0..puppet {
        stage.start(actor)?;
    }
    let mut jumps = 0;
    for step in 0..20_u64 {
        for id in [RoundId::new(1, u32::MAX), RoundId::new(1, u32::MAX - 1), last] {
            let messages =
                [stage.prepare(puppet, id, digest()), stage.commit(puppet, id, digest())];
            for message in messages.iter().chain([&stage.round_change(puppet, id)]) {
                stage.say(puppet, 0..puppet, message)?;
            }
        }
        for actor in 0..puppet {
            stage.give(actor, Input::Timer { id: TimerId::Round(last) })?;
        }
        stage.run(500)?;
        jumps = step / 4 + 1;
        for actor in 0..puppet {
            let (round, timer) = (u64::from(stage.core(actor).round()), stage.longest_timer(actor));
            // One jump per base, and what timers add.
            if round > 1_024 * jumps + 8 || timer > 10_000 {
                return broken("S14", format!("{actor}: round {round}, a timer of {timer} ms"));
            }
        }
    }
    if n < 4 {
        // A single malicious member of three may keep the others apart.
        return Ok(());
    }
    let height = stage.lowest();
    let text = format!("blocks after {jumps} jumps");
    // The one that was told a mark doubts for ten base timeouts.
    stage.wait(40_000, |stage| stage.lowest() >= height + 3, "L2", &text)?;
    for actor in 0..puppet {
        let timer = stage.longest_timer(actor);
        if timer > 10_000 || stage.core(actor).in_doubt() {
            return broken("L2", format!("{actor} is in doubt or has a timer of {timer} ms"));
        }
    }
    Ok(())
}

fn expect_bounded(stage: &Stage, from: usize, heights: usize, messages: usize) -> Checked {
    for actor in from..4 {
        if stage.actors[actor].core.is_none() {
            continue;
        }
        let held = stage.core(actor).buffered();
        if held.heights > heights || held.messages > messages || held.bytes > 256 << 20 {
            return broken("S14", format!("{actor} holds {held:?}"));
        }
    }
    Ok(())
}

/// A stranger, or a member, says something of a thousand later heights.
pub(super) fn later_heights_without_end(lab: &Lab) -> Checked {
    let stranger = lab.variant == 0;
    let setting = Setting { members: 5, ..Setting::of(4) };
    let puppet = if stranger { 4 } else { 3 };
    let running = 0..if stranger { 4 } else { 3 };
    let mut stage = Stage::started(lab, setting, running.clone())?;
    stage.run(200)?;
    for height in 2..1_000 {
        for round in [0, 5, u32::MAX] {
            let message = stage.prepare(puppet, RoundId::new(height, round), digest());
            stage.say(puppet, running.clone(), &message)?;
        }
    }
    stage.run(100)?;
    // Two rounds of one kind for each of ten heights, from a member only.
    let (heights, messages) = if stranger { (0, 0) } else { (10, 20) };
    expect_bounded(&stage, 0, heights, messages)?;
    stage.wait(20_000, |stage| stage.lowest() >= 4, "L6", "blocks beside a flood")
}

/// A member says something of a thousand later rounds.
pub(super) fn later_rounds_without_end(lab: &Lab) -> Checked {
    let mut stage = Stage::started(lab, Setting::of(4), 0..3)?;
    stage.run(200)?;
    for round in 1..1_000 {
        let id = RoundId::new(1, round);
        let messages = [
            stage.prepare(3, id, digest()),
            stage.commit(3, id, digest()),
            stage.round_change(3, id),
        ];
        for message in &messages {
            stage.say(3, 0..3, message)?;
        }
    }
    stage.run(100)?;
    expect_bounded(&stage, 0, 0, 6)?;
    stage.wait(20_000, |stage| stage.lowest() >= 4, "L6", "blocks beside a flood")
}

/// A node that is no validator claims a head of which it never serves a block.
pub(super) fn a_claimed_head_stops_nobody(lab: &Lab) -> Result<(), Violation> {
    let setting = Setting { members: 5, ..Setting::of(4) };
    let mut stage = Stage::new(lab, setting, &[]);
    stage.claim = 1_000_000;
    for actor in 0..4 {
        stage.start(actor)?;
    }
    stage.wait(10_000, |stage| stage.lowest() >= 6, "L9", "blocks beside a false claim")?;
    stage.expect_rounds(0, 0)
}
