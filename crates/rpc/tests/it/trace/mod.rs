//! `debug_trace…` and `trace_…`.

mod bounds;
mod chain;
mod exact;
mod geth;
mod parity;
