//! `consensus explain`.

use crate::{cli::client::ClientArgs, config::DataArgs};
use clap::Args;
use eyre::eyre;
use jsonrpsee::http_client::HttpClient;
use peruri_rpc_api::IbftApiClient;
use serde_json::json;

/// Tell how a block became final: its rounds, who proposed, who sealed, who was missing.
#[derive(Debug, Args)]
pub(crate) struct ExplainCommand {
    /// Number of the block
    height: u64,
    #[command(flatten)]
    client: ClientArgs,
}

impl ExplainCommand {
    pub(super) fn run(self, data: DataArgs) -> eyre::Result<()> {
        let height = self.height;
        self.client.run(data, |client| explain(client, height))
    }
}

async fn explain(client: HttpClient, height: u64) -> eyre::Result<()> {
    let certificate = client
        .commit_certificate(json!(height))
        .await?
        .ok_or_else(|| eyre!("there is no block {height} here"))?;
    println!("block      {height} {}", certificate.block_hash);
    println!("round      {}", certificate.round);
    let sealed: Vec<_> = certificate.seals.iter().map(|seal| seal.address).collect();
    let needed = certificate.quorum;
    println!("seals      {} of {}, {needed} needed", sealed.len(), certificate.validators.len());
    for validator in &certificate.validators {
        let sealed = if sealed.contains(validator) { "sealed" } else { "NOT SEALED" };
        println!("  {validator:#x}  {sealed}");
    }
    match client.round_record(json!(height)).await? {
        None => println!("this node kept no record of its rounds: it came by sync, or is too old"),
        Some(record) => {
            println!("proposer   {:#x}", record.proposer);
            println!("time       {} ms", record.committed_ms.saturating_sub(record.started_ms));
            println!("prepared   {}", record.prepared.len());
            for change in record.changes {
                println!("  round {} was left: {}", change.round, change.reason);
            }
        }
    }
    Ok(())
}
