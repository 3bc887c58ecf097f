//! Executions as tracers see them: `debug_trace…` in geth's shapes, `trace_…` in OpenEthereum's.
//!
//! A transaction of a block is traced by the code that executes blocks ([`replay`]): system calls,
//! earlier transactions and this chain's precompiled contracts are where they were. The tracers are
//! those of `revm-inspectors`.
//!
//! A trace can be far larger than what it traces. What a tracer keeps is therefore measured while it
//! runs ([`meter`]), and an execution ends when its answer would be longer than an answer may be.

mod filter;
mod geth;
mod inspector;
mod meter;
mod parity;
mod replay;
mod reward;
mod steps;
mod text;
mod tracer;
mod whole;

pub(crate) use geth::DebugTrace;
pub(crate) use inspector::ParityInspector;
pub(crate) use meter::Meter;
pub(crate) use parity::Trace;
pub(crate) use replay::{Replayed, replay, state_before};
pub(crate) use reward::rewards;
