//! Restarts.

use peruri_ibft2::messages::{MessageKind, RoundId};

use super::{Lab, Setting, Stage};
use crate::oracle::judge::{Checked, broken};

/// A proposer shows one block to one member and another one to the others. The one prepares its
/// block, loses power, and is shown the other block, for which a quorum is there without it. It must
/// not commit to what contradicts its own Prepare.
pub(super) fn another_proposal_after_a_restart(lab: &Lab) -> Checked {
    let mut stage = Stage::started(lab, Setting::of(4), 1..4)?;
    stage.run(1_000)?;
    let first = stage.made_by(0, 1, 0);
    let second = stage.made_by(0, 1, 100);
    let (first, second) = (stage.proposal(0, &first), stage.proposal(0, &second));
    stage.say(0, [1], &first)?;
    stage.say(0, [2, 3], &second)?;
    // What the others say reaches the first one only after its restart.
    stage.rule = Box::new(|passing| passing.from == 0);
    stage.run(100)?;
    let prepared = stage.actors[1].said.iter().any(|it| it.kind() == MessageKind::Prepare);
    if !prepared {
        return broken("L1", "a good proposal is not prepared".to_owned());
    }
    stage.crash(1)?;
    stage.rule = Box::new(|_| true);
    stage.start(1)?;
    stage.say(0, [1], &second)?;
    stage.run(1_000)?;
    if stage.core(1).round() > 0 && stage.core(1).height() == 1 {
        let at = RoundId::new(stage.core(1).height(), stage.core(1).round());
        return broken("L5", format!("it left the round early: {at:?}"));
    }
    // The judge has seen every signature.
    stage.wait(30_000, |stage| stage.lowest() >= 3, "L2", "blocks after the restart")
}
