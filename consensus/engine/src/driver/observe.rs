//! Metrics of consensus: where it stands, how long it takes, and who is missing.

use alloy_primitives::Address;
use metrics::{counter, gauge, histogram};
use peruri_ibft2::{ValidatorSet, messages::MessageKind};
use peruri_storage::RoundRecord;
use std::time::Duration;

/// A height begins in round 0.
pub(super) fn height_begins(height: u64, validators: &ValidatorSet, connected: usize) {
    gauge!("peruri_consensus_height").set(height as f64);
    gauge!("peruri_consensus_round").set(0.0);
    gauge!("peruri_consensus_validators").set(validators.len() as f64);
    gauge!("peruri_consensus_connected_validators").set(connected as f64);
}

/// A round was left for `round`: whose turn it was has missed it.
pub(super) fn round_left(round: u32, proposer: Option<Address>) {
    gauge!("peruri_consensus_round").set(f64::from(round));
    counter!("peruri_consensus_round_changes_total").increment(1);
    if let Some(proposer) = proposer {
        counter!("peruri_consensus_missed_turns_total", "validator" => name(&proposer))
            .increment(1);
    }
}

/// A block is final. `timestamp` is its header's time in seconds.
pub(super) fn block_final(rounds: &RoundRecord, timestamp: u64) {
    let took = Duration::from_millis(rounds.committed_ms.saturating_sub(rounds.started_ms));
    histogram!("peruri_consensus_height_seconds").record(took);
    let after_header = rounds.committed_ms as f64 / 1_000.0 - timestamp as f64;
    histogram!("peruri_consensus_final_after_header_seconds").record(after_header);
    counter!("peruri_consensus_proposals_total", "validator" => name(&rounds.proposer))
        .increment(1);
    for validator in &rounds.committed {
        seal(validator);
    }
}

/// A seal of `validator` goes into a header.
pub(crate) fn seal(validator: &Address) {
    counter!("peruri_consensus_seals_total", "validator" => name(validator)).increment(1);
}

/// A final block of `validator` leaves out so many of the lane's transactions that it should hold.
pub(crate) fn lane_skipped(validator: &Address, transactions: u64) {
    if transactions > 0 {
        counter!("peruri_consensus_lane_skipped_total", "validator" => name(validator))
            .increment(transactions);
    }
}

/// A block was built, or one of somebody else was found valid, this long after the height began.
pub(super) fn proposal_ready(after: Duration) {
    histogram!("peruri_consensus_proposal_seconds").record(after);
}

/// A consensus message came in.
pub(super) fn message(bytes: &[u8]) {
    let kind = bytes.first().and_then(|code| MessageKind::from_code(*code).ok());
    let kind = match kind {
        Some(MessageKind::Proposal) => "proposal",
        Some(MessageKind::Prepare) => "prepare",
        Some(MessageKind::Commit) => "commit",
        Some(MessageKind::RoundChange) => "round_change",
        None => "unknown",
    };
    counter!("peruri_consensus_messages_total", "kind" => kind).increment(1);
}

fn name(validator: &Address) -> String {
    format!("{validator:#x}")
}
