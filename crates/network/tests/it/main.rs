//! Real nodes on 127.0.0.1, and attackers beside them.

#![allow(clippy::unwrap_used, missing_docs)]

mod admission;
mod connect;
mod flow;
mod gossip;
mod hostile;
mod liveness;
mod raw;
mod support;
