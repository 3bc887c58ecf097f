//! Whether the node can be relied on: its head is young and enough validators are there.

use crate::consensus::ConsensusHandles;
use peruri_chainspec::ChainSpec;
use peruri_ibft2::quorum;
use peruri_storage::ProviderFactory;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Block periods after which a head is old.
const OLD_AFTER_PERIODS: u64 = 3;

/// Answers `/ready`.
#[derive(Debug, Clone)]
pub(crate) struct Readiness {
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) provider: ProviderFactory,
    pub(crate) consensus: Arc<ConsensusHandles>,
}

impl Readiness {
    /// Why the node is not ready; empty if it is.
    pub(crate) async fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        match self.head_age() {
            Ok(Some((age, limit))) if age > limit => {
                obstacles.push(format!("the head is {age} s old, at most {limit} s are expected"));
            }
            Ok(_) => {}
            Err(error) => obstacles.push(format!("the head cannot be read: {error}")),
        }
        obstacles.extend(self.missing_validators().await);
        obstacles
    }

    /// Age of the head and the greatest one that is no sign of trouble, in seconds. Where empty blocks
    /// wait, the head may be as old as they wait.
    fn head_age(&self) -> eyre::Result<Option<(u64, u64)>> {
        let Some(schedule) = self.spec.ibft2() else { return Ok(None) };
        let head = self.provider.last_header()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let period = schedule.params(head.number.saturating_add(1), head.timestamp).period;
        let period = period.as_millis().div_ceil(1_000).max(1);
        let waits = schedule.config().empty_block_period_seconds;
        let limit = period.saturating_mul(OLD_AFTER_PERIODS).saturating_add(waits);
        Ok(Some((now.saturating_sub(head.timestamp), limit)))
    }

    async fn missing_validators(&self) -> Option<String> {
        let engine = self.consensus.engine.as_ref()?;
        let state = match engine.round_state().await {
            Ok(state) => state,
            Err(error) => return Some(error.to_string()),
        };
        let needed = quorum(state.validators.len()).saturating_sub(1);
        let connected = state.connected.len();
        (connected < needed)
            .then(|| format!("{connected} other validators are connected, {needed} are needed"))
    }
}
