//! The node with the extension `transfer-volume`.

#![forbid(unsafe_code)]

use peruri_node_builder::cli::app::Cli;
use std::process::ExitCode;
use transfer_volume::{NAME, NAMESPACE, methods, transfer_volume};

fn main() -> ExitCode {
    Cli::main_with(|builder| {
        builder
            .install_exex(NAME, |ctx, _| async { Ok(transfer_volume(ctx)) })
            .extend_rpc_modules(NAMESPACE, |node| methods(&node.provider))
    })
}
