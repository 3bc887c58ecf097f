//! `consensus`: what this validator has signed, how a block came to be, and the way out of a lost quorum.

mod explain;
mod recovery;
mod sign_state;

use crate::config::DataArgs;
use clap::{Args, Subcommand};

/// Look after consensus: sign state, past rounds, a lost quorum.
#[derive(Debug, Args)]
pub struct ConsensusCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    SignState(sign_state::SignStateCommand),
    Explain(explain::ExplainCommand),
    Override(recovery::OverrideCommand),
}

impl ConsensusCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// What the subcommand says.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        match self.action {
            Action::SignState(command) => command.run(data),
            Action::Explain(command) => command.run(data),
            Action::Override(command) => command.run(data),
        }
    }
}
