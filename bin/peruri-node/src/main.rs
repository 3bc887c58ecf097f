//! `peruri-node`: a permissioned Ethereum node with IBFT 2.0 consensus.

#![forbid(unsafe_code)]

use peruri_node_builder::cli::app::Cli;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    Cli::main()
}
