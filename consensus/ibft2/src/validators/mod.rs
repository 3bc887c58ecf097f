//! Validator sets, the counting of votes and the walk over headers that finds a set.
//!
//! A header lists the validators of its own block. The set *after* a block, which applies to its
//! child, follows from the chain alone:
//!
//! 1. after an epoch block (the genesis included) start from the validators in its header, without
//!    votes, otherwise from the state after its parent;
//! 2. if a transition sets the validators of the child, start from that list instead, without votes;
//! 3. an epoch block forgets all votes and its own vote is ignored; any other block's vote is
//!    counted, with its coinbase as the voter.
//!
//! Step 3 follows step 2: a vote in the last block before an override counts against the new set.

mod set;
mod state;
mod walk;

pub use set::ValidatorSet;
pub use state::{BlockVote, StateError, ValidatorState};
pub use walk::{DEFAULT_CACHED_STATES, HeaderSource, ValidatorWalk, WalkError};
