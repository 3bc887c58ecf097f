//! A peer that speaks libp2p but keeps no rule of the node's network, for tests and measurement.
//!
//! It shares no code with `crates/network`, so that a mistake there is not made here as well:
//! [`Client`] dials as often as it is told and opens whatever stream it is told to; [`wire`] writes
//! frames of the session by hand, [`gossip`] the protobuf of gossipsub.

#![forbid(unsafe_code)]

mod client;
pub mod gossip;
pub mod wire;

pub use client::{Client, Dials, key_of};
pub use libp2p_stream::IncomingStreams;
