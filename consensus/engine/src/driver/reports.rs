//! What the core tells of others and of itself: to the log, the metrics, the peer's score, and to
//! files of evidence.

use super::{Driver, observe};
use crate::{
    EngineError,
    blame::{BAD_SIGNATURE, UNDECODABLE},
    evidence,
    handshake::Epoch,
};
use peruri_ibft2::{
    core::{AuthorFault, DoubtCause, PeerFault, Report},
    messages::RoundId,
};
use tracing::{error, info, warn};

impl Driver {
    pub(super) fn on_report(&mut self, report: Report) -> Result<(), EngineError> {
        match report {
            Report::Equivocation(found) => evidence::equivocation(&self.evidence_dir, &found)?,
            Report::ConflictingBlock { height, ours, other, both, stop, .. } => {
                let hash = other.hash();
                evidence::conflict(&self.evidence_dir, ours, &other, &both)?;
                if stop {
                    let (ours, other) = (ours.0, hash.0);
                    return Err(EngineError::FinalityBroken { height, ours, other });
                }
            }
            Report::BadSealedBlock { block } => {
                warn!(target: "consensus::engine", number = block.number(), "sealed block refused");
            }
            Report::PeerFault { peer, fault } => {
                let (weight, reason) = weigh(&fault);
                metrics::counter!("peruri_consensus_peer_faults_total").increment(1);
                self.peers.penalise(peer, weight, reason);
            }
            Report::AuthorFault { author, fault } => {
                metrics::counter!("peruri_consensus_author_faults_total").increment(1);
                warn!(target: "consensus::engine", validator = %author, fault = describe(&fault), "a validator breaks a rule");
            }
            Report::InDoubt { cause } => tell_doubt(cause),
            Report::DoubtOver { height } => {
                metrics::gauge!("peruri_consensus_in_doubt").set(0.0);
                info!(target: "consensus::engine", height, "the doubt is over: signing again");
            }
            Report::Refused { peer, author, kind, error } => {
                metrics::counter!("peruri_consensus_refused_messages_total").increment(1);
                tracing::debug!(target: "consensus::engine", session = peer.0, %author, ?kind, %error, "message refused");
            }
            Report::BadOwnSignature { kind } => {
                error!(target: "consensus::engine", ?kind, "the signer gave a signature that is not this validator's");
            }
            Report::NoFaultTolerance { validators } => {
                warn!(target: "consensus::engine", validators, "so few validators that a single malicious one can break agreement; four are the fewest that stand one");
            }
            Report::Epoch { number, block, validators } => {
                info!(target: "consensus::engine", number, hash = %block.0, %validators, "epoch: all nodes must show the same");
                self.status.set_epoch(Epoch { number, block: block.0, validators });
            }
            Report::RoundChanged { id, cause } => self.on_round_changed(id, cause),
        }
        Ok(())
    }

    fn on_round_changed(&mut self, id: RoundId, cause: peruri_ibft2::core::RoundCause) {
        let left = id.round.saturating_sub(1);
        self.height_log.left(left, cause);
        let proposer = self.core.proposer(left);
        observe::round_left(id.round, proposer);
        let validators = self.core.validators();
        let connected = self.peers.connected_of(validators);
        let local = self.signer.address();
        let absent: Vec<_> =
            validators.iter().filter(|it| **it != local && !connected.contains(it)).collect();
        warn!(
            target: "consensus::engine",
            height = id.height,
            round = id.round,
            ?cause,
            missed_by = ?proposer,
            ?absent,
            "round left without a block"
        );
    }
}

fn weigh(fault: &PeerFault) -> (f64, String) {
    match fault {
        PeerFault::Undecodable(error) => (UNDECODABLE, format!("undecodable message: {error}")),
        PeerFault::Signature => (BAD_SIGNATURE, "message with an invalid signature".to_owned()),
        PeerFault::ForgedMark => {
            (BAD_SIGNATURE, "mark that this validator has not signed".to_owned())
        }
    }
}

fn describe(fault: &AuthorFault) -> String {
    match fault {
        AuthorFault::Invalid { kind, error } => format!("{kind:?}: {error}"),
        other => format!("{other:?}"),
    }
}

fn tell_doubt(cause: DoubtCause) {
    metrics::gauge!("peruri_consensus_in_doubt").set(1.0);
    let why = match cause {
        DoubtCause::Missing => "the sign state is missing".to_owned(),
        DoubtCause::Damaged => "the sign state is damaged".to_owned(),
        DoubtCause::BehindStore => "the sign state is older than the database".to_owned(),
        DoubtCause::Mark(id) => format!("others have seen it sign at height {}", id.height),
    };
    warn!(
        target: "consensus::engine",
        why,
        "in doubt about what this validator has signed: it signs nothing until others have finalised that height; \
         `consensus sign-state release` is the operator's way out"
    );
}
