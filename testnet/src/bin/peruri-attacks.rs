//! Attacks on the connections between real nodes, and what they cost the network.

use clap::Parser;
use peruri_testnet::{
    TestnetError,
    attack::{AttackOptions, attack_ids, play},
    judge, namespaces_obstacle,
};
use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Attacks a network of four nodes and measures what that costs it.
///
/// Each attack is compared with the same network without it. Standard output ends with a line for
/// each attack and `N passed, N failed`; progress goes to standard error. As root each node gets a
/// network namespace of its own.
///
/// Example: peruri-attacks --node target/debug/peruri-node --seconds 60
#[derive(Debug, Parser)]
struct Arguments {
    /// The peruri-node program
    #[arg(long, value_name = "PROGRAM")]
    node: PathBuf,
    /// Seconds without and under each attack; some need longer
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..))]
    seconds: u64,
    /// Ids of the attacks, all if there are none
    #[arg(value_name = "ID", value_parser = attack_ids().map(|(id, _)| id).collect::<Vec<_>>())]
    attacks: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(reason) = namespaces_obstacle() {
        eprintln!("loopback addresses instead of network namespaces: {reason}");
    }
    judge("attacks", false, None, async |judge| {
        let io = |what: String| move |source| TestnetError::Io { what, source };
        let folder = tempfile::Builder::new().prefix("peruri-attacks").tempdir();
        let folder = folder.map_err(io("a temporary folder".to_owned()))?;
        let program = arguments.node.canonicalize();
        let options = AttackOptions {
            program: program.map_err(io(arguments.node.display().to_string()))?,
            folder: folder.path().to_owned(),
            window: Duration::from_secs(arguments.seconds),
            attacks: arguments.attacks,
        };
        play(&options, judge).await
    })
    .await
}
