//! Tests of the store as a whole, against a model in memory.

#![allow(clippy::unwrap_used)]

mod blocks;
mod commit;
mod crash;
mod extension;
mod history;
mod node_cache;
mod open;
mod overlay;
mod plog;
mod property;
mod support;
mod verify;
