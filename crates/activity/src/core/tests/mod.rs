#![allow(clippy::unwrap_used)]

mod cases;
mod faults;
mod handover;
pub(crate) mod world;
