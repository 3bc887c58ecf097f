//! Delivery of blocks to extensions, over a real store.

#![allow(clippy::unwrap_used)]

mod delivery;
mod heights;
mod property;
mod support;
