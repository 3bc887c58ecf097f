//! What the operator decides about block production.

use alloy_primitives::B256;
use std::{path::PathBuf, time::Duration};

/// Options of block production.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Vanity of proposed headers, where the chain does not fix it.
    pub vanity: B256,
    /// Gas limit to move towards; `None`: keep the parent's.
    pub gas_limit_target: Option<u64>,
    /// Time to fill a block.
    pub build_budget: Duration,
    /// Percent of a block's gas limit that the lane of the transparency log may have.
    pub lane_gas_share: u8,
    /// File to which all consensus messages are written, for tests.
    pub message_log: Option<PathBuf>,
}
