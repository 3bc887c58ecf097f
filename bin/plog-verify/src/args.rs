//! The command line.

use crate::{
    exit::{Failure, finish},
    input::Input,
    log, receipt,
};
use alloy_primitives::{B256, hex};
use clap::{Args, Parser, Subcommand};
use std::{io::Write, process::ExitCode};

/// Checks receipts of a PLOG transparency log, without a network.
///
/// A receipt proves that an entry stands in a log whose root is in the state of a block that known
/// validators sealed. The policy says which chain and which validators you trust: get it, or its
/// hash, from the organisations themselves, never from whoever handed you the receipt.
#[derive(Debug, Parser)]
#[command(
    name = "plog-verify",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    receipt: Option<ReceiptArgs>,
}

const HELP: &str = "\
Examples:
  plog-verify receipt.json --policy policy.toml --explain
  plog-verify receipt.json --policy policy.toml --payload payload.json --salt 0x1111…
  curl … | jq .result | plog-verify - --policy policy.toml --json
  plog-verify consistency old.json new.json proof.json --policy policy.toml
  plog-verify log export.txt --policy policy.toml
  plog-verify policy-hash policy.toml

A policy:
  chain_id = 7251
  genesis_hash = \"0x…\"
  validators = [\"0x…\", \"0x…\", \"0x…\"]
  seals = 3            # optional; never less than the quorum of the header's set
  change_seals = 3     # optional; default: the quorum of the set trusted before
  chain_bound = true   # optional; false for chains without chainBoundSignatures

Exit codes:
  0        everything holds
  10 + n   the receipt fails at step n (11 to 21); --explain tells what the step proves
  3        consistency, log: the receipts hold, but the proof or the log does not fit them
  2        wrong usage, or a file that cannot be read or is no policy
  1        a fault of this program
A dash (-) in the place of one file is standard input.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Whether a later head of a log extends an earlier one.
    ///
    /// Both receipts are verified first. The proof is the answer of plog_getConsistencyProof for
    /// their two sizes.
    Consistency(ConsistencyArgs),
    /// Whether an exported log is whole.
    ///
    /// Reads what `peruri-node plog export` writes: a receipt of the last entry in the first line,
    /// then one entry per line, 280 hex digits, in order. Recomputes the root, looks for gaps in
    /// each source's sequence, and lists VOIDs and activities that occur twice.
    Log(LogArgs),
    /// The hash of a policy, as organisations publish it.
    PolicyHash {
        /// The policy file.
        policy: Input,
    },
}

/// Which receipt, and under which policy.
#[derive(Debug, Args)]
pub struct ReceiptArgs {
    /// The receipt.
    pub(crate) receipt: Input,
    /// Whom you trust.
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Input,
    /// The payload that the entry commits to, byte for byte.
    #[arg(long, value_name = "FILE", requires = "salt")]
    pub(crate) payload: Option<Input>,
    /// The salt of the commitment: 64 hex digits.
    #[arg(long, value_name = "HEX", requires = "payload", value_parser = salt)]
    pub(crate) salt: Option<B256>,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Tell what each step proves.
    #[arg(long, conflicts_with = "json")]
    pub(crate) explain: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ConsistencyArgs {
    /// The earlier receipt.
    pub(crate) old: Input,
    /// The later receipt.
    pub(crate) new: Input,
    /// The answer of plog_getConsistencyProof.
    pub(crate) proof: Input,
    /// Whom you trust.
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Input,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// The export.
    pub(crate) export: Input,
    /// Whom you trust.
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Input,
}

fn salt(text: &str) -> Result<B256, String> {
    let mut salt = B256::ZERO;
    hex::decode_to_slice(text, salt.as_mut_slice())
        .map_err(|_| "expected 64 hex digits, with or without 0x".to_owned())?;
    Ok(salt)
}

/// Parses the command line, runs the command and reports what went wrong.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = std::io::stdout().lock();
    let result = run(cli, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    finish(result)
}

fn run(cli: Cli, out: &mut impl Write) -> Result<u8, Failure> {
    match (cli.command, cli.receipt) {
        (Some(Command::Consistency(args)), _) => receipt::consistency(&args, out),
        (Some(Command::Log(args)), _) => log::run(&args, out),
        (Some(Command::PolicyHash { policy }), _) => receipt::policy_hash(&policy, out),
        (None, Some(args)) => receipt::run(&args, out),
        (None, None) => Err(Failure::Usage(
            "which receipt? plog-verify RECEIPT --policy POLICY, or see --help".to_owned(),
        )),
    }
}
