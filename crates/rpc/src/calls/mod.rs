//! Execution without a transaction: `eth_call`, `eth_estimateGas`, `eth_createAccessList`.
//!
//! Every execution is bounded by gas (the cap) and by time (a deadline that is checked between
//! instructions), and the number of executions at a time and in line is bounded, so that calls
//! cannot starve block production.

mod access_list;
mod deadline;
mod env;
mod estimate;
mod line;
mod pool;
mod precompiles;
mod run;

pub(crate) use access_list::create_access_list;
pub(crate) use deadline::DeadlineInspector;
pub(crate) use env::CallInput;
pub(crate) use estimate::estimate_gas;
pub(crate) use pool::{CallPool, Deadline};
pub(crate) use precompiles::PrecompileChanges;
pub(crate) use run::{Execution, call, halted, invalid_text};
