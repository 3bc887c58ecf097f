//! Why something was not accepted, as callers are told it.

use serde_json::{Value, json};
use std::{borrow::Cow, ops::RangeInclusive};

/// Why a call was refused. Nothing is half done: what is refused has left no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActivityError {
    /// The request cannot be valid, now or later.
    #[error("{field}: {reason}")]
    Malformed {
        /// The member that is wrong.
        field: Cow<'static, str>,
        /// What is wrong with it; never its value, which may be personal.
        reason: Cow<'static, str>,
    },
    /// The inbox is at its mark.
    #[error("the inbox is full, try again in {retry_after_ms} ms")]
    Full {
        /// When there may be room.
        retry_after_ms: u64,
    },
    /// The id was accepted with other content.
    #[error("the activity was accepted as number {source_seq} with another {field}")]
    Conflict {
        /// Its number.
        source_seq: u64,
        /// The first member that differs.
        field: &'static str,
    },
    /// The source is stopped; nothing is accepted.
    #[error("the source is stopped: {0}")]
    Stopped(StopReason),
    /// There is no included entry of this source with that activity id.
    #[error("no included entry of this source has that activity id")]
    NotIncluded,
    /// The node has no subject key.
    #[error("activity_track is not offered here: no subject key")]
    TrackingOff,
    /// A number or range that cannot be closed.
    #[error("cannot be closed: {0}")]
    NotClosable(Cow<'static, str>),
    /// The node has failed; nothing was accepted.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Why the sealer stands still. Every row is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// The chain has not been compared with the inbox yet.
    Starting,
    /// The source was switched off, or its signer or writer changed. Ends when the chain allows it.
    NotASource,
    /// The same activities were refused twice.
    AppendRefused {
        /// Their first number.
        first_seq: u64,
    },
    /// The chain or a pool has entries or a nonce of this source that this node did not make.
    KeyInUseElsewhere,
    /// Signed bytes or numbers of this source are lost.
    InDoubt {
        /// The numbers that are not certain; empty when only a nonce is.
        numbers: RangeInclusive<u64>,
    },
    /// An operator exported the source to another node.
    Exported,
    /// Storage has failed; what is durable is known after a restart.
    Failed,
}

impl StopReason {
    /// The numbers that are not certain, if it is about some.
    pub fn numbers_in_doubt(&self) -> Option<&RangeInclusive<u64>> {
        match self {
            Self::InDoubt { numbers } if !numbers.is_empty() => Some(numbers),
            _ => None,
        }
    }

    /// The name in answers, metrics and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::NotASource => "not a source",
            Self::AppendRefused { .. } => "append refused",
            Self::KeyInUseElsewhere => "source key in use elsewhere",
            Self::InDoubt { .. } => "in doubt",
            Self::Exported => "exported",
            Self::Failed => "storage failed",
        }
    }
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::AppendRefused { first_seq } => write!(f, " (from number {first_seq})"),
            Self::InDoubt { numbers } if !numbers.is_empty() => {
                write!(f, " (numbers {} to {})", numbers.start(), numbers.end())
            }
            _ => Ok(()),
        }
    }
}

impl ActivityError {
    pub(crate) const fn malformed(field: &'static str, reason: &'static str) -> Self {
        Self::Malformed { field: Cow::Borrowed(field), reason: Cow::Borrowed(reason) }
    }

    /// The code of the JSON-RPC error.
    pub const fn code(&self) -> i32 {
        match self {
            Self::Malformed { .. } | Self::NotClosable(_) => -32602,
            Self::Full { .. } => -32005,
            Self::Conflict { .. } => -32011,
            Self::Stopped(_) => -32013,
            Self::NotIncluded => -32014,
            Self::TrackingOff => -32601,
            Self::Internal(_) => -32603,
        }
    }

    /// The member `data` of the JSON-RPC error.
    pub fn data(&self) -> Option<Value> {
        match self {
            Self::Malformed { field, reason } => Some(json!({ "field": field, "reason": reason })),
            Self::Full { retry_after_ms } => Some(json!({ "retryAfterMs": retry_after_ms })),
            Self::Conflict { source_seq, field } => {
                Some(json!({ "sourceSeq": source_seq, "field": field }))
            }
            Self::Stopped(reason) => Some(json!({ "reason": reason.name() })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::reversed_empty_ranges)]
    use super::*;

    #[test]
    fn codes_and_data_are_those_of_the_interface() {
        let in_doubt = StopReason::InDoubt { numbers: 5..=9 };
        assert_eq!(in_doubt.to_string(), "in doubt (numbers 5 to 9)");
        assert_eq!(in_doubt.numbers_in_doubt(), Some(&(5..=9)));
        let nonce_only = StopReason::InDoubt { numbers: 1..=0 };
        assert_eq!(nonce_only.to_string(), "in doubt");
        assert_eq!(nonce_only.numbers_in_doubt(), None);
        for (error, code, data) in [
            (
                ActivityError::malformed("salt", "expected 32 bytes"),
                -32602,
                json!({"field": "salt", "reason": "expected 32 bytes"}),
            ),
            (ActivityError::Full { retry_after_ms: 200 }, -32005, json!({"retryAfterMs": 200})),
            (
                ActivityError::Conflict { source_seq: 7, field: "subject" },
                -32011,
                json!({"sourceSeq": 7, "field": "subject"}),
            ),
            (ActivityError::Stopped(in_doubt), -32013, json!({"reason": "in doubt"})),
            (ActivityError::NotIncluded, -32014, Value::Null),
            (ActivityError::TrackingOff, -32601, Value::Null),
        ] {
            assert_eq!(error.code(), code);
            assert_eq!(error.data().unwrap_or_default(), data);
        }
    }
}
