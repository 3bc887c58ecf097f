//! How a height is reached, for operators.

use crate::clock::unix_millis;
use alloy_primitives::Address;
use peruri_ibft2::core::RoundCause;
use peruri_storage::{RoundChangeRecord, RoundRecord};
use std::time::Duration;

/// Round changes of a height that are kept.
const KEPT_CHANGES: usize = 64;

/// What has happened in the running height.
#[derive(Debug)]
pub(super) struct HeightLog {
    started_ms: u64,
    changes: Vec<RoundChangeRecord>,
}

impl HeightLog {
    /// A height that begins now.
    pub(super) fn begin() -> Self {
        Self { started_ms: unix_millis(), changes: Vec::new() }
    }

    /// How long the height has lasted.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_millis(unix_millis().saturating_sub(self.started_ms))
    }

    /// Round `round` was left.
    pub(super) fn left(&mut self, round: u32, cause: RoundCause) {
        if self.changes.len() < KEPT_CHANGES {
            let reason = format!("{cause:?}").to_lowercase();
            self.changes.push(RoundChangeRecord { round, reason });
        }
    }

    /// The row of the height, which ends now.
    pub(super) fn end(
        &mut self,
        round: u32,
        proposer: Address,
        prepared: Vec<Address>,
        committed: Vec<Address>,
    ) -> RoundRecord {
        let Self { started_ms, changes } = std::mem::replace(self, Self::begin());
        let committed_ms = unix_millis();
        RoundRecord { round, proposer, started_ms, committed_ms, prepared, committed, changes }
    }
}
