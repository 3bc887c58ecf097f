//! Block building: from the pool's best transactions to an executed, unsealed candidate.
//!
//! The builder runs the same [`BlockSession`](peruri_evm::BlockSession) as validation and import, so
//! that what is proposed is what others will find. It stops at the first bound that is reached: the
//! time budget, the block's gas limit, the size of a proposal, or the end of the pool.
//!
//! | what happens to a transaction | what the builder does |
//! |---|---|
//! | it belongs to the [lane] of the transparency log | takes it first, within the lane's share of the gas |
//! | it belongs to the lane and is reverted | leaves it out, with its descendants, and names it |
//! | it is invalid on this state | leaves it out, with its descendants, and goes on |
//! | it does not fit into the gas or bytes that are left | leaves it, with its descendants, for a later block |
//! | executing it panics | gives up and names it ([`BuildError::Panicked`]) |
//! | the node itself fails | gives up ([`BuildError::Execution`]) |

#![forbid(unsafe_code)]

mod arguments;
mod builder;
mod error;
pub mod lane;
mod metrics;

pub use arguments::{BuildArguments, BuildLimits, DEFAULT_LANE_GAS_SHARE};
pub use builder::{BuildOutcome, PayloadBuilder, StopReason};
pub use error::BuildError;
