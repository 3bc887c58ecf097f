//! `plog export`.

use super::log_id;
use crate::{
    cli::exit::{OrUsage, UsageError},
    progress::ProgressLine,
};
use alloy_primitives::{B256, hex};
use clap::Args;
use eyre::{WrapErr, ensure};
use jsonrpsee::http_client::HttpClient;
use peruri_plog::Receipt;
use peruri_rpc_api::PlogApiClient;
use serde_json::json;
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
};

/// Entries of one request.
const PAGE: u64 = 1_000;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The log
    #[arg(value_parser = log_id)]
    log: B256,
    /// File to write, which must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Take a receipt with so many seals
    #[arg(long)]
    seals: Option<u64>,
}

pub(super) async fn export(args: ExportArgs, client: &HttpClient) -> eyre::Result<()> {
    let Some(path) = &args.out else {
        return write(&args, client, std::io::stdout().lock()).await;
    };
    let name = path.display().to_string();
    let file = File::create_new(path).or_usage(&name)?;
    write(&args, client, &file).await?;
    file.sync_all().wrap_err(name)
}

async fn write(args: &ExportArgs, client: &HttpClient, out: impl Write) -> eyre::Result<()> {
    let mut out = BufWriter::new(out);
    let (receipt, size) = last_receipt(args, client).await?;
    writeln!(out, "{receipt}")?;
    let mut progress = ProgressLine::new("export", "entries");
    let mut next = 0;
    while next < size {
        let limit = PAGE.min(size - next);
        let page = client.get_entries(json!(args.log), json!(next), json!(limit)).await?;
        ensure!(
            page.len() as u64 == limit,
            "{} entries from {next} on, expected {limit}",
            page.len()
        );
        for (index, entry) in (next..).zip(page) {
            ensure!(entry.index == index, "entry {} in the place of {index}", entry.index);
            writeln!(out, "{}", hex::encode(&entry.entry))?;
        }
        next += limit;
        progress.report(next, size);
    }
    out.flush()?;
    Ok(())
}

/// A receipt of the last entry in a head that has no more, and its size. The log may grow between two
/// questions: then it is asked again.
async fn last_receipt(args: &ExportArgs, client: &HttpClient) -> eyre::Result<(String, u64)> {
    let mut seals = serde_json::Map::new();
    seals.extend(args.seals.map(|seals| ("seals".to_owned(), json!(seals))));
    loop {
        let size = client.get_log(json!(args.log)).await?.head.size;
        let Some(last) = size.checked_sub(1) else {
            return Err(UsageError::new("the log has no entries yet").into());
        };
        let options = Some(seals.clone().into());
        let receipt = client.get_receipt(json!(args.log), json!(last), options).await?;
        let found = Receipt::parse(receipt.get().as_bytes()).wrap_err("the node's receipt")?;
        if found.log.size == size {
            return Ok((receipt.get().to_owned(), size));
        }
    }
}
