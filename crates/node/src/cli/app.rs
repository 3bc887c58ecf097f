//! The program: global flags and verbs.

use super::{
    activity::ActivityCommand,
    completions::CompletionsCommand,
    config::ConfigCommand,
    consensus::ConsensusCommand,
    db::DbCommand,
    exit,
    genesis::GenesisCommand,
    import::{ExportCommand, ImportCommand},
    init::InitCommand,
    jwt::JwtCommand,
    keys::KeysCommand,
    node::NodeCommand,
    p2p::P2pCommand,
    plog::PlogCommand,
    validator::ValidatorCommand,
};
use crate::{NodeBuilder, config::DataArgs, logging::LogArgs};
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// A permissioned Ethereum node with IBFT 2.0 consensus.
///
/// First steps: `peruri-node node --dev` runs a chain for development. For a network,
/// `peruri-node genesis create` writes the genesis file, `init` a data folder, `node` runs it.
#[derive(Debug, Parser)]
#[command(name = "peruri-node", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Node(Box<NodeCommand>),
    Init(Box<InitCommand>),
    Import(Box<ImportCommand>),
    Export(ExportCommand),
    Genesis(GenesisCommand),
    Keys(KeysCommand),
    Validator(ValidatorCommand),
    #[command(name = "p2p")]
    P2p(P2pCommand),
    Consensus(ConsensusCommand),
    Plog(Box<PlogCommand>),
    Activity(ActivityCommand),
    Db(DbCommand),
    Config(ConfigCommand),
    Jwt(JwtCommand),
    Completions(CompletionsCommand),
}

impl Cli {
    /// Parses the command line, runs the verb and reports what went wrong.
    pub fn main() -> ExitCode {
        Self::main_with(|builder| builder)
    }

    /// The same for a program whose node has more than the plain one: `extend` installs extensions and
    /// adds RPC methods.
    pub fn main_with(extend: impl FnOnce(NodeBuilder) -> NodeBuilder) -> ExitCode {
        let cli = Self::parse();
        exit::finish(cli.run(extend))
    }

    fn run(self, extend: impl FnOnce(NodeBuilder) -> NodeBuilder) -> eyre::Result<()> {
        self.log.init()?;
        match self.command {
            Command::Node(command) => command.run(self.data, extend),
            Command::Init(command) => command.run(self.data),
            Command::Import(command) => command.run(self.data),
            Command::Export(command) => command.run(self.data),
            Command::Genesis(command) => command.run(),
            Command::Keys(command) => command.run(),
            Command::Validator(command) => command.run(self.data),
            Command::P2p(command) => command.run(self.data),
            Command::Consensus(command) => command.run(self.data),
            Command::Plog(command) => command.run(self.data),
            Command::Activity(command) => command.run(self.data),
            Command::Db(command) => command.run(self.data),
            Command::Config(command) => command.run(self.data),
            Command::Jwt(command) => command.run(self.data),
            Command::Completions(command) => command.run(Self::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
