//! `config`: what the node would run with.

use crate::config::{Config, DataArgs, NodeArgs};
use clap::{Args, Subcommand};
use std::io::Write;

/// Show the configuration
#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    command: ConfigSubcommand,
}

/// The verbs of [`ConfigCommand`].
#[derive(Debug, Subcommand)]
enum ConfigSubcommand {
    /// Print every option with its value, as TOML
    ///
    /// The value is what the command line says, else `peruri.toml`, else the default. The output is a
    /// valid `peruri.toml`: write it to a file to begin one.
    ///
    /// Example: peruri-node config show --http > data/peruri.toml
    Show(Box<ShowArgs>),
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    node: NodeArgs,
}

impl ConfigCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`UsageError`](crate::cli::exit::UsageError) with file and key if `peruri.toml` is wrong.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        let ConfigSubcommand::Show(args) = self.command;
        let text = Config::load(data, args.node)?.to_toml()?;
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(())
    }
}
