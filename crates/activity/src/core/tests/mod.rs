#![allow(clippy::unwrap_used)]

mod cases;
mod faults;
pub(crate) mod world;
