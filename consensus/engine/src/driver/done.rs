//! What comes back from the threads that work beside consensus.

use crate::{
    EngineError, SignStateError, checker::Checked, handle::VoteAnswer, sign_state::Written,
};
use alloy_primitives::Address;
use peruri_ibft2::{
    Block,
    core::{RequestId, Wish},
};
use peruri_storage::ExecutedBlock;
use std::sync::Arc;

/// A piece of work that is done.
#[derive(Debug)]
pub(super) enum Done {
    /// A block of our own, or `None` if there is no room on the disk for one.
    Built { request: RequestId, result: Result<Option<ExecutedBlock>, EngineError> },
    /// The opinion on a block of somebody else.
    Checked { request: RequestId, block: Arc<Block>, result: Result<Checked, EngineError> },
    /// A record of the sign state is durable, or why nothing may be signed any more.
    Written(Result<Written, SignStateError>),
    /// The batch of a final block is synced.
    Committed(Result<ExecutedBlock, EngineError>),
    /// Wishes that are satisfied are off the list.
    Unwished(Result<(), EngineError>),
    /// A wish is on the list.
    Wished { subject: Address, wish: Wish, result: Result<(), EngineError>, answer: VoteAnswer },
}

impl From<Result<Written, SignStateError>> for Done {
    fn from(written: Result<Written, SignStateError>) -> Self {
        Self::Written(written)
    }
}
