//! The engine over real databases, real pools, real keys and real sockets.
#![allow(clippy::unwrap_used)]

mod eviction;
mod import;
mod network;
mod production;
mod restart;
mod support;
