//! The engine over a real database, a real pool and real keys.
#![allow(clippy::unwrap_used)]

mod eviction;
mod import;
mod production;
mod restart;
mod support;
