//! `debug_trace…` and `trace_…`.

mod bounds;
pub mod chain;
mod exact;
mod geth;
mod parity;
