//! What a source reports of itself.

use crate::{
    ActivityError,
    core::{Accepted, Snapshot},
};
use metrics::{counter, gauge};

/// Counts the answers of a group.
pub(super) fn answered(answers: &[Result<Accepted, ActivityError>]) {
    let (mut accepted, mut repeated) = (0, 0);
    for answer in answers {
        match answer {
            Ok(answer) if answer.repeated => repeated += 1,
            Ok(_) => accepted += 1,
            Err(error) => {
                let reason = reason(error);
                counter!("peruri_activity_refused_total", "reason" => reason).increment(1);
            }
        }
    }
    counter!("peruri_activity_accepted_total").increment(accepted);
    counter!("peruri_activity_repeated_total").increment(repeated);
}

pub(super) fn reason(error: &ActivityError) -> &'static str {
    match error {
        ActivityError::Malformed { .. } | ActivityError::NotClosable(_) => "malformed",
        ActivityError::Full { .. } => "full",
        ActivityError::Conflict { .. } => "conflict",
        ActivityError::Stopped(reason) => reason.name(),
        ActivityError::NotIncluded => "not included",
        ActivityError::TrackingOff => "tracking off",
        ActivityError::Internal(_) => "internal",
    }
}

/// Shows for how long the oldest that is not included has waited.
pub(super) fn show_age(oldest_ms: Option<u64>) {
    let age = std::time::Duration::from_millis(oldest_ms.unwrap_or_default());
    gauge!("peruri_activity_oldest_age_seconds").set(age.as_secs_f64());
}

/// Shows where the source stands.
pub(super) fn show(snapshot: &Snapshot) {
    let queued = (snapshot.highest + 1).saturating_sub(snapshot.sealed_end);
    let sealed = snapshot.sealed_end.saturating_sub(snapshot.completed_end);
    gauge!("peruri_activity_queued_rows").set(queued as f64);
    gauge!("peruri_activity_sealed_rows").set(sealed as f64);
    gauge!("peruri_activity_sealed_transactions").set(snapshot.sealed.len() as f64);
    gauge!("peruri_activity_included_rows").set(snapshot.completed_end.saturating_sub(1) as f64);
    gauge!("peruri_activity_height").set(snapshot.height as f64);
    gauge!("peruri_activity_stopped").set(f64::from(u8::from(snapshot.stopped.is_some())));
}
