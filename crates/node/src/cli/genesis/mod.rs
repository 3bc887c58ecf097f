//! `genesis`: make, check and compare genesis files.
//!
//! | module | what |
//! |---|---|
//! | `create` | `genesis create`: the files of a new network |
//! | `member` | a node as its organisation names it on the command line |
//! | `plog` | the transparency log and its governance in a new genesis file |
//! | `deploy` | node list, configuration, systemd unit and compose file of each node |
//! | `diff` | `genesis diff` |
//! | `report` | what a genesis file means, for people |

mod create;
mod deploy;
mod diff;
mod member;
mod plog;
mod report;
#[cfg(test)]
mod tests;

use crate::cli::exit::OrUsage;
use clap::{Args, Subcommand};
use create::CreateArgs;
use diff::DiffArgs;
use peruri_chainspec::{ChainSpec, Notice};
use report::report;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// Make, check or compare genesis files
#[derive(Debug, Args)]
pub struct GenesisCommand {
    #[command(subcommand)]
    command: GenesisSubcommand,
}

/// The verbs of [`GenesisCommand`].
#[derive(Debug, Subcommand)]
enum GenesisSubcommand {
    /// Make the files of a new network
    ///
    /// Each organisation makes its own key on its own machine (`peruri-node keys generate`) and hands
    /// over the public key that it prints, never the key. One of them runs this command and gives the
    /// folder to all:
    ///
    ///   peruri-node genesis create --out network \
    ///     --validator Peruri=0x04ab…@node1.peruri.co.id \
    ///     --validator PDS=0x77cd…@chain.pds.co.id:30304 \
    ///     --validator NOTA=0x9e01…@10.20.0.5 \
    ///     --validator BPN=0x51f3…@node.bpn.go.id \
    ///     --node Gateway=0x88a2…@rpc.peruri.co.id
    ///
    /// Writes DIR/genesis.json, DIR/node-list.toml (every node with public key and host) and, for each
    /// node with a name, DIR/nodes/NAME with peruri.toml, a systemd unit and a compose file. DIR must be
    /// empty or absent. Prints the genesis hash: all nodes must show the same. A validator may also be
    /// given as bare ADDRESS or PUBKEY; it then has no entry in the node list.
    ///
    /// Starts from the pilot's settings: forks to Prague, gas limit 100,000,000, no base fee, epoch of
    /// 30,000 blocks, signatures bound to this chain. Four validators are the fewest of which one may
    /// fail while the others go on.
    ///
    /// With --plog-source ADDRESS the chain begins with a transparency log, `activity`, which that
    /// address writes as source 1. Its governance is a contract at
    /// 0x000000000000000000000000504c4f47474f5631 in which more than half of the members must agree.
    ///
    /// For a trial on one machine: peruri-node genesis create --generate 4 --out network
    #[command(verbatim_doc_comment)]
    Create(CreateArgs),
    /// Check a genesis file and print what it means
    ///
    /// Reads files of Besu and geth. Prints chain id, hash, forks, consensus, validators, and every
    /// key that has no effect here. Exit code 2 with field, line and column if the file is wrong.
    Verify(VerifyArgs),
    /// Compare two genesis files
    ///
    /// Prints every key that differs with both values, and whether the genesis hash differs (the files
    /// are of two chains) or only the configuration (the nodes would refuse each other at the
    /// handshake, or fork later). Exit code 0 if they mean the same, 1 if not.
    ///
    /// Example: peruri-node genesis diff mine.json theirs.json
    Diff(DiffArgs),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The genesis file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl GenesisCommand {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`UsageError`](crate::cli::exit::UsageError) for wrong input, else what the file system says.
    pub fn run(self) -> eyre::Result<()> {
        self.run_to(&mut std::io::stdout().lock())
    }

    fn run_to(self, out: &mut dyn Write) -> eyre::Result<()> {
        match self.command {
            GenesisSubcommand::Create(args) => args.run(out),
            GenesisSubcommand::Verify(args) => {
                let (spec, notices) = read_genesis(&args.file)?;
                report(&spec, &notices, out)
            }
            GenesisSubcommand::Diff(args) => args.run(out),
        }
    }
}

/// Reads and checks a genesis file.
///
/// # Errors
///
/// [`UsageError`](crate::cli::exit::UsageError) with path, field, line and column.
pub fn read_genesis(path: &Path) -> eyre::Result<(ChainSpec, Vec<Notice>)> {
    let name = path.display();
    let text = std::fs::read_to_string(path).or_usage(format!("genesis file {name}"))?;
    ChainSpec::from_genesis_json(&text).or_usage(format!("genesis file {name}"))
}
