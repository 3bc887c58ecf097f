//! `plog`: the transparency log of a running node.
//!
//! | module | what is there |
//! |---|---|
//! | `append` | entries signed with a source's key |
//! | `entry` | an entry from options or from hex |
//! | `export` | a whole log for `plog-verify log` |

mod append;
mod entry;
mod export;

use crate::{
    cli::{
        client::ClientArgs,
        exit::{OrUsage, ReceiptFails, UsageError},
    },
    config::DataArgs,
};
use alloy_primitives::B256;
use append::AppendArgs;
use clap::{Args, Subcommand};
use export::ExportArgs;
use eyre::WrapErr;
use jsonrpsee::http_client::HttpClient;
use peruri_rpc_api::PlogApiClient;
use plog_verify::ReceiptArgs;
use serde::Serialize;
use serde_json::{Map, json};
use std::{fs, io::Write, path::PathBuf};

/// Append to the transparency log, and take what auditors need from it.
///
/// A log is named by its id, or by its name: `activity` is the ASCII text padded with zeros.
#[derive(Debug, Args)]
pub struct PlogCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Append entries as a source, signed with its key
    ///
    /// The entries are given in hex, 140 bytes each, or one is made from --type and what follows it. The
    /// salt of its commitment is printed: without it and the payload nobody can show what the entry is
    /// about.
    Append(Box<AppendArgs>),
    /// Size and root of a log, of all logs if none is named
    Head {
        /// The log
        #[arg(value_parser = log_id)]
        log: Option<B256>,
    },
    /// The path from an entry to the root, as plog_getInclusionProof answers it
    Prove {
        /// The log
        #[arg(value_parser = log_id)]
        log: B256,
        /// Index of the entry
        index: u64,
        /// Prove it in the tree of this size [default: the newest]
        #[arg(long)]
        size: Option<u64>,
    },
    /// A receipt of an entry, for `plog-verify`
    Receipt(TakeReceipt),
    /// Check a receipt offline, as `plog-verify` does
    Verify(ReceiptArgs),
    /// Write a whole log for `plog-verify log`: a receipt of its last entry, then one entry a line
    Export(ExportArgs),
}

#[derive(Debug, Args)]
struct TakeReceipt {
    /// The log
    #[arg(value_parser = log_id)]
    log: B256,
    /// Index of the entry
    index: u64,
    /// Use the newest header with so many seals
    #[arg(long)]
    seals: Option<u64>,
    /// Prove against this block
    #[arg(long)]
    block: Option<u64>,
    /// File to write, which must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl PlogCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// If the node cannot be asked or refuses; [`ReceiptFails`] for a receipt that does not hold.
    pub fn run(self, data: DataArgs) -> eyre::Result<()> {
        match self.action {
            Action::Verify(args) => verify(&args),
            action => self.client.run(data, |client| act(action, client)),
        }
    }
}

async fn act(action: Action, client: HttpClient) -> eyre::Result<()> {
    match action {
        Action::Append(args) => append::append(*args, &client).await,
        Action::Head { log: Some(log) } => print(&client.get_log(json!(log)).await?),
        Action::Head { log: None } => client.list_logs().await?.iter().try_for_each(print),
        Action::Prove { log, index, size } => {
            let size = size.map(|size| json!(size));
            print(&client.get_inclusion_proof(json!(log), json!(index), size).await?)
        }
        Action::Receipt(args) => receipt(args, &client).await,
        Action::Export(args) => export::export(args, &client).await,
        Action::Verify(args) => verify(&args),
    }
}

async fn receipt(args: TakeReceipt, client: &HttpClient) -> eyre::Result<()> {
    let wanted = [("seals", args.seals), ("block", args.block)];
    let options: Map<_, _> = wanted
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect();
    let receipt = client.get_receipt(json!(args.log), json!(args.index), Some(options.into()));
    let text = format!("{}\n", receipt.await?.get());
    match args.out {
        None => std::io::stdout().write_all(text.as_bytes())?,
        Some(path) => {
            let name = path.display().to_string();
            let mut file = fs::File::create_new(&path).or_usage(&name)?;
            file.write_all(text.as_bytes()).wrap_err(name)?;
        }
    }
    Ok(())
}

fn verify(args: &ReceiptArgs) -> eyre::Result<()> {
    let mut out = std::io::stdout().lock();
    match plog_verify::verify_receipt(args, &mut out) {
        Ok(0) => Ok(()),
        Ok(code) => Err(ReceiptFails { code }.into()),
        Err(plog_verify::Failure::Usage(text)) => Err(UsageError::new(text).into()),
        Err(failure) => Err(failure.into()),
    }
}

fn print(value: &impl Serialize) -> eyre::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A log's id in hex, or its name.
fn log_id(text: &str) -> Result<B256, String> {
    if let Some(digits) = text.strip_prefix("0x") {
        let id = (digits.len() == 64).then(|| digits.parse().ok()).flatten();
        return id.ok_or_else(|| "expected 0x and 64 hex digits".to_owned());
    }
    let is_name = !text.is_empty() && text.len() <= 32 && text.is_ascii();
    is_name
        .then(|| B256::right_padding_from(text.as_bytes()))
        .ok_or_else(|| "expected 0x and 64 hex digits, or a name of up to 32 letters".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn logs_are_named_by_id_or_name() {
        let id = "0x6163746976697479000000000000000000000000000000000000000000000000";
        assert_eq!(log_id("activity").unwrap(), log_id(id).unwrap());
        for bad in ["", "0x12", &id[..65], "aktivitas-universitas-yang-panjang", "kegiatané"] {
            assert!(log_id(bad).is_err(), "{bad}");
        }
    }
}
