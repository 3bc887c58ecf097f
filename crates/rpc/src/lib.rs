//! JSON-RPC servers: the answers to what `peruri-rpc-api` defines, from handles of the floors below.
//!
//! | server | transport | namespaces |
//! |---|---|---|
//! | public | HTTP and WebSocket, each with connections of its own | what its configuration names |
//! | authenticated | both, behind an HS256 token as in the Engine API | all |
//!
//! # Rules
//!
//! - A namespace that a server does not offer does not exist there (−32601).
//! - Every limit ([`RpcLimits`]) has an error that names it. Buffers are bounded; what overflows is
//!   refused, never dropped silently.
//! - Small reads run where the request arrives; executions run on blocking threads, a few at a time,
//!   with a gas cap and a deadline, so that they cannot starve block production. Traces wait in a line
//!   of their own, and what they keep is bounded by what an answer may hold.
//! - Raw transactions of a batch, and of requests that arrive together, enter the pool together.
//! - Answers about blocks are written as text once and cached.
//! - Parameters and data of users are not logged. Errors tell no paths and no internals.
//!
//! A block is final when it is committed, so `latest`, `safe` and `finalized` are one block, and
//! `latest` never goes back.

#![forbid(unsafe_code)]

mod activity;
mod admin;
mod cache;
mod calls;
mod config;
mod context;
mod error;
mod eth;
mod exex;
mod head_state;
mod ibft;
mod json;
mod node;
mod ots;
mod plog;
mod send;
mod server;
mod simulate;
mod source;
mod trace;

pub use config::{AuthConfig, EndpointConfig, RpcLimits, RpcServerConfig};
pub use context::RpcHandles;
pub use error::{
    CANNOT_MOVE, EXECUTION_REVERTED, INTERNAL_ERROR, INVALID_PARAMS, LIMIT_EXCEEDED,
    NOT_ENOUGH_SEALS, NOT_EXECUTABLE, NOT_INCLUDED, PROOF_WINDOW, PRUNED_HISTORY, RpcError,
    RpcResult, SERVER_ERROR, ServerError, UNKNOWN,
};
pub use server::{RpcServerBuilder, RpcServerHandle};
pub use source::{NoPendingBlock, NodeStatus, PendingBlockSource, Standalone, SyncProgress};
