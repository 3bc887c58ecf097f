//! A deterministic simulator of the IBFT 2.0 consensus core.

#![forbid(unsafe_code)]

pub mod choices;
pub mod keys;
pub mod network;
pub mod oracle;
pub mod swarm;
pub mod vectors;
