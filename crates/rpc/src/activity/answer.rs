//! From what the mirror says to what is sent.

use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};
use peruri_activity::{
    Acceptance, ActivityError, ActivityId, Completion, QueueState, Status, StatusName, StopReason,
    Submission, rows::DeadLetter,
};
use peruri_rpc_api::{
    ActivityAccepted, ActivityBatchItem, ActivityCompletion, ActivityDeadLetter, ActivityNumbers,
    ActivityQueue, ActivityRefusal, ActivityStatus,
};

/// The answer to what was accepted; `submission` is what the caller sent.
pub(super) fn accepted(
    acceptance: &Acceptance,
    submission: Option<&Submission>,
) -> ActivityAccepted {
    let Acceptance { accepted, promise } = acceptance;
    let tracked = submission.is_some_and(|submission| submission.tracked);
    ActivityAccepted {
        activity_id: accepted.activity_id.to_string(),
        source_id: accepted.source_id,
        source_seq: accepted.source_seq,
        entry: accepted.entry.into(),
        leaf: accepted.leaf,
        promise: promise.map(Into::into),
        subject: tracked.then_some(accepted.subject),
        commitment: tracked.then_some(accepted.commitment),
    }
}

/// One of a batch.
pub(super) fn item(
    answer: &Result<Acceptance, ActivityError>,
    submission: Option<&Submission>,
) -> ActivityBatchItem {
    match answer {
        Ok(acceptance) => ActivityBatchItem::Accepted(accepted(acceptance, submission)),
        Err(error) => {
            let (code, message) = (error.code(), message(error));
            let error = ActivityRefusal { code, message, data: error.data() };
            ActivityBatchItem::Refused { error }
        }
    }
}

/// The JSON-RPC error.
pub(super) fn refused(error: ActivityError) -> ErrorObjectOwned {
    ErrorObject::owned(error.code(), message(&error), error.data())
}

/// What a caller is told; the reason of an internal error is logged and not sent.
fn message(error: &ActivityError) -> String {
    match error {
        ActivityError::Internal(reason) => {
            tracing::error!(target: "rpc::server", %reason, "method failed");
            "internal error".to_owned()
        }
        error => error.to_string(),
    }
}

pub(super) fn status(source_id: u32, status: &Status) -> ActivityStatus {
    ActivityStatus {
        activity_id: status.activity_id.to_string(),
        source_id,
        source_seq: status.source_seq,
        status: status.status.name().to_owned(),
        tx_hash: status.tx_hash,
        block_number: status.block_number,
        log_id: status.log_id,
        leaf_index: status.leaf_index,
        reason: match status.status {
            StatusName::Void(reason) => Some(reason),
            _ => None,
        },
    }
}

pub(super) fn completion(completion: &Completion) -> ActivityCompletion {
    let id = completion.activity_id;
    ActivityCompletion {
        activity_id: (id != ActivityId::NIL).then(|| id.to_string()),
        source_seq: completion.source_seq,
        status: completion.status.name().to_owned(),
        tx_hash: completion.tx_hash,
        block_number: completion.block_number,
        leaf_index: completion.leaf_index,
    }
}

pub(super) fn queue(state: &QueueState) -> ActivityQueue {
    let in_doubt = state.stopped.as_ref().and_then(StopReason::numbers_in_doubt);
    ActivityQueue {
        queued: state.queued,
        sealed: state.sealed,
        oldest_ms: state.oldest_ms,
        lane_fill: state.lane_fill,
        lag_blocks: state.lag_blocks,
        accepting: state.accepting,
        stopped: state.stopped.as_ref().map(|reason| reason.name().to_owned()),
        in_doubt: in_doubt.map(|it| ActivityNumbers { from: *it.start(), to: *it.end() }),
    }
}

pub(super) fn dead_letter(letter: DeadLetter) -> ActivityDeadLetter {
    let DeadLetter { at_ms, sha256, reason } = letter;
    ActivityDeadLetter { at_ms, sha256, reason }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn one_of_a_batch_is_refused_with_the_members_of_an_error() {
        let item = item(&Err(ActivityError::Full { retry_after_ms: 200 }), None);
        let expected = json!({"error": {
            "code": -32005,
            "message": "the inbox is full, try again in 200 ms",
            "data": {"retryAfterMs": 200},
        }});
        assert_eq!(serde_json::to_value(&item).unwrap(), expected);
        assert_eq!(serde_json::from_value::<ActivityBatchItem>(expected).unwrap(), item);
    }

    #[test]
    fn internal_reasons_are_not_sent() {
        let error = refused(ActivityError::Internal("/var/lib: no space left".to_owned()));
        assert_eq!((error.code(), error.message()), (-32603, "internal error"));
    }
}
