//! A deterministic simulator of the IBFT 2.0 consensus core.

#![forbid(unsafe_code)]

pub mod choices;
pub mod clock;
pub mod cpu;
pub mod crypto;
pub mod disk;
pub mod keys;
pub mod marks;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod network;
pub mod oracle;
pub mod run;
pub mod scenarios;
pub mod shrink;
pub mod swarm;
pub mod trace;
pub mod twins;
pub mod vectors;
pub mod world;
