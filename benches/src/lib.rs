//! Measurements, each beside a peer in the same run: anvil for a node, bare revm for block import,
//! revme for conformance, the machine's own limits for the parts (criterion, in `benches/`).
//!
//! A lone figure says little on a shared machine: what counts is a ratio from interleaved rounds,
//! and CPU time per operation from the processes' own accounting.

pub mod activity;
pub mod bare;
pub mod chain;
pub mod conformance;
pub mod growth;
pub mod import;
pub mod load;
pub mod machine;
pub mod mirror;
pub mod network;
pub mod plog;
pub mod reads;
pub mod report;
pub mod server;
pub mod stats;
pub mod subject;
pub mod sync;
pub mod throughput;

/// What is measured in process runs with the allocator it has in the node.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
