//! Runs the simulator of the IBFT 2.0 consensus core.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The simulator of the IBFT 2.0 consensus core.
#[derive(Debug, Parser)]
#[command(name = "ibft2-sim")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs every vector of a file.
    Vectors {
        /// The file.
        file: PathBuf,
    },
}

fn main() -> eyre::Result<std::process::ExitCode> {
    let (passed, failed) = match Cli::parse().command {
        Command::Vectors { file } => {
            let file = serde_json::from_slice(&std::fs::read(file)?)?;
            let outcome = peruri_ibft2_sim::vectors::run(&file)?;
            for (kind, (passed, failed)) in &outcome.kinds {
                eprintln!("{kind}: {passed} passed, {failed} failed");
            }
            outcome.total()
        }
    };
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 && passed > 0 { 0 } else { 1 }.into())
}
