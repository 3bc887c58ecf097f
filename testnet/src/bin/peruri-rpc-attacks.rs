//! Attacks on the JSON-RPC servers of a real node, and what they cost it.

use clap::Parser;
use peruri_testnet::{
    TestnetError, judge,
    rpc_attack::{Extent, RpcAttackOptions, play_rpc, rpc_attack_ids},
};
use std::{path::PathBuf, process::ExitCode};

/// Attacks the JSON-RPC servers of a validator and looks at answers, blocks and memory.
///
/// Standard output ends with `N passed, N failed`; progress goes to standard error.
///
/// Example: peruri-rpc-attacks --node target/debug/peruri-node R1 subscribers
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program
    #[arg(long, value_name = "PROGRAM")]
    node: PathBuf,
    /// Play the attacks at their full numbers
    #[arg(long)]
    full: bool,
    /// Ids of the attacks, all if there are none
    #[arg(value_name = "ID", value_parser = rpc_attack_ids().map(|(id, _)| id).collect::<Vec<_>>())]
    attacks: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    judge("rpc-attacks", false, None, async |judge| {
        let io = |what: String| move |source| TestnetError::Io { what, source };
        let folder = tempfile::Builder::new().prefix("peruri-rpc-attacks").tempdir();
        let folder = folder.map_err(io("a temporary folder".to_owned()))?;
        let program = arguments.node.canonicalize();
        let options = RpcAttackOptions {
            program: program.map_err(io(arguments.node.display().to_string()))?,
            folder: folder.path().to_owned(),
            extent: if arguments.full { Extent::Full } else { Extent::Short },
            attacks: arguments.attacks,
        };
        play_rpc(&options, judge).await
    })
    .await
}
