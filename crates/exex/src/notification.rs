//! What an extension is told.

use crate::CommittedBlock;
use alloy_primitives::BlockNumber;
use std::sync::Arc;

/// Something happened to the chain, or to the delivery of what did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ExExNotification {
    /// The next block was committed.
    ChainCommitted {
        /// The block.
        new: Arc<CommittedBlock>,
    },
    /// The extension was slower than its buffer is deep. The blocks from `from` on are read from the
    /// database and follow as if nothing had happened.
    Lagged {
        /// The next block that is told.
        from: BlockNumber,
    },
}

impl ExExNotification {
    /// The committed block, if that is what happened.
    pub const fn committed(&self) -> Option<&Arc<CommittedBlock>> {
        match self {
            Self::ChainCommitted { new } => Some(new),
            Self::Lagged { .. } => None,
        }
    }
}
