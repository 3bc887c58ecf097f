//! The servers over real sockets, on a chain in a temporary database.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod auth;
mod calls;
mod eth;
mod limits;
mod malformed;
mod node;
mod ots;
mod plog;
mod pool;
mod pubsub;
mod session;
mod simulate;
mod support;
mod trace;
mod vectors;
