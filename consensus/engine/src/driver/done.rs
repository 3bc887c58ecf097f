//! What comes back from the threads that work beside consensus.

use crate::{EngineError, checker::Checked, handle::VoteAnswer, sign_state::Written};
use alloy_primitives::Address;
use peruri_ibft2::core::{RequestId, Wish};
use peruri_storage::ExecutedBlock;

/// A piece of work that is done.
#[derive(Debug)]
pub(super) enum Done {
    /// A block of our own, or `None` if there is no room on the disk for one.
    Built { request: RequestId, result: Result<Option<ExecutedBlock>, EngineError> },
    /// The opinion on a block of somebody else.
    Checked { request: RequestId, result: Result<Checked, EngineError> },
    /// A record of the sign state.
    Written(Written),
    /// The batch of a final block is synced.
    Committed(Result<ExecutedBlock, EngineError>),
    /// Wishes that are satisfied are off the list.
    Unwished(Result<(), EngineError>),
    /// A wish is on the list.
    Wished { subject: Address, wish: Wish, result: Result<(), EngineError>, answer: VoteAnswer },
}

impl From<Written> for Done {
    fn from(written: Written) -> Self {
        Self::Written(written)
    }
}
