//! What a certificate forces.

use std::sync::Arc;

use peruri_ibft2::messages::{
    Message, MessageKind, Proposal, ProposalPayload, RoundChangePayload, RoundId, Signed,
};

use super::{Lab, Setting, Stage};
use crate::oracle::judge::{Checked, broken};

/// The RoundChanges to round 1 that members have said.
fn round_changes(stage: &Stage) -> Vec<Signed<RoundChangePayload>> {
    let said = stage.actors.iter().flat_map(|actor| &actor.said);
    said.filter_map(|message| match message {
        Message::RoundChange(change) if change.signed.payload.id == RoundId::new(1, 1) => {
            Some(change.signed.clone())
        }
        _ => None,
    })
    .collect()
}

/// All are prepared in round 0, and no Commit has come through. The proposer of round 1 proposes
/// another block: with the RoundChanges, all of which carry the certificate; with none; with those of
/// another height. Nobody prepares it, and what was prepared becomes final.
pub(super) fn a_certificate_forces_its_block(lab: &Lab) -> Checked {
    let mut stage = Stage::started(lab, Setting::of(4), [0, 2, 3])?;
    stage.rule = Box::new(|passing| {
        passing.message.kind() != MessageKind::Commit || passing.message.id().round > 0
    });
    let changed = |stage: &Stage| round_changes(stage).len() == 3;
    stage.wait(6_000, changed, "L1", "RoundChanges of three")?;
    let entries = round_changes(&stage);
    if entries.iter().any(|entry| entry.payload.certificate.is_none()) {
        return broken("S8", "a prepared member leaves without its certificate".to_owned());
    }
    let forced = stage.actors[0].said.iter().find_map(|message| match message {
        Message::Proposal(proposal) => Some(proposal.block.hash().0),
        _ => None,
    });
    let round_changes = match lab.variant {
        0 => Some(entries),
        1 => None,
        _ => Some(
            [1, 2, 3]
                .map(|who| {
                    let id = RoundId::new(2, 1);
                    stage.sign(who, RoundChangePayload { id, certificate: None })
                })
                .to_vec(),
        ),
    };
    let block = stage.made_by(1, 0, 40).with_round(1).expect("it has extraData");
    let digest = block.digest().expect("it has extraData");
    let signed = stage.sign(1, ProposalPayload { id: RoundId::new(1, 1), digest });
    let chosen = block.hash().0;
    let proposal = Proposal { signed, block: Arc::new(block), round_changes };
    stage.say(1, [0, 2, 3], &Message::Proposal(proposal))?;
    stage.wait(40_000, |stage| stage.lowest() >= 1, "L2", "a block that was prepared")?;
    let head = stage.head(0);
    if head == chosen || Some(head) != forced {
        return broken("S10", "another block than the one of the certificate is final".to_owned());
    }
    Ok(())
}
