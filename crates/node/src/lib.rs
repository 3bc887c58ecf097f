//! The node as a library: configuration, command line, and [`NodeBuilder`], the only place where the
//! parts meet. The program in `bin/` calls [`cli::app::Cli::main`] and nothing else.

#![forbid(unsafe_code)]

mod activity;
mod builder;
pub mod cli;
pub mod config;
mod consensus;
mod descriptors;
pub mod environment;
mod exex;
mod gossip;
pub mod logging;
mod metrics;
mod pending;
mod progress;
mod rpc;
mod status;
pub mod tasks;

pub use builder::{Node, NodeBuilder, NodeComponents, importer};
pub use rpc::RpcAddresses;

// Cargo joins the features of all packages of a build, so a node beside the simulator of seeded bugs
// would have them too. Such a build fails here.
const _: () = assert!(
    !peruri_ibft2::MUTANTS,
    "the feature `mutants` of peruri-ibft2 seeds consensus bugs: no node is built with it"
);
