//! Replays the conformance vectors of the Ethereum execution API against the node's JSON-RPC server.
//!
//! `peruri-rpc-compat DIR [--filter TEXT]`: `DIR/genesis.json` and `DIR/chain.rlp` are imported into a
//! fresh data folder, the node is launched on it as `peruri-node node` does, and every `*.io` file
//! below `DIR` is replayed in the order of paths: `//` comment, `>>` request, `<<` answer.
//!
//! Every member of `result`, `error.code` and the presence of `error.data` must be equal; error texts
//! may differ. A file with a comment that says `speconly` is compared in shape: members, JSON types
//! and forms of hex (module `compare`). Exceptions have a reason each (module `exceptions`).
//!
//! Each difference is named on standard error with file, JSON pointer, expected and got; standard
//! output is one line, `N passed, N failed, N skipped`. The exit code is 0 with no failure and at least
//! one pass, 2 if there is nothing to replay or no server to replay it against.

mod compare;
mod exceptions;
mod files;
mod node;
mod replay;

use clap::Parser;
use node::TestNode;
use replay::Tally;
use std::{io::Write, path::PathBuf, process::ExitCode};

/// Replays the conformance vectors of the Ethereum execution API.
#[derive(Debug, Parser)]
#[command(name = "peruri-rpc-compat", version, about)]
struct Args {
    /// Folder with genesis.json, chain.rlp and, at any depth, files *.io.
    path: PathBuf,
    /// Replay only files whose path below the folder contains this text.
    #[arg(long)]
    filter: Option<String>,
}

#[tokio::main]
async fn main() -> eyre::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .init();
    let tally = match run(&Args::parse()).await {
        Ok(tally) => tally,
        Err(error) => {
            eprintln!("{error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    let Tally { passed, failed, skipped } = tally;
    writeln!(std::io::stdout(), "{passed} passed, {failed} failed, {skipped} skipped")?;
    let good = failed == 0 && passed > 0;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(args: &Args) -> eyre::Result<Tally> {
    let files = files::find(&args.path, args.filter.as_deref())?;
    let mut node = TestNode::start(&args.path).await?;
    let mut tally = Tally::default();
    for file in &files {
        tally.note(&file.name, replay::replay(&mut node, file).await);
    }
    node.stop().await?;
    Ok(tally)
}
