//! The servers over real sockets, on a chain in a temporary database.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod auth;
mod calls;
mod compat;
mod eth;
mod limits;
mod malformed;
mod node;
mod plog;
mod pool;
mod pubsub;
mod session;
mod support;
mod trace;
