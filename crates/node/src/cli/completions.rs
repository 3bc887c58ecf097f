//! `completions`: the shell's help with our flags.

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use std::io::Write;

/// Print a completion script for a shell
///
/// Example: peruri-node completions bash > /etc/bash_completion.d/peruri-node
#[derive(Debug, Args)]
pub struct CompletionsCommand {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsCommand {
    /// Runs the command; `command` is the whole command line of the program.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written.
    pub fn run(self, command: Command) -> eyre::Result<()> {
        let script = script(self.shell, command);
        std::io::stdout().lock().write_all(&script)?;
        Ok(())
    }
}

fn script(shell: Shell, mut command: Command) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, name, &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ValueEnum};

    #[test]
    fn every_shell_gets_a_script_with_our_flags() {
        for shell in Shell::value_variants() {
            let command = Command::new("peruri-node").arg(Arg::new("datadir").long("datadir"));
            let script = String::from_utf8_lossy(&script(*shell, command)).into_owned();
            assert!(script.contains("peruri-node") && script.contains("datadir"), "{shell}");
        }
    }
}
