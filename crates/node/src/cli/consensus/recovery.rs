//! `consensus override`: the way out when a quorum is lost for good.

use crate::{
    cli::{client::ClientArgs, exit::UsageError},
    config::DataArgs,
};
use alloy_primitives::{Address, B256};
use clap::Args;
use eyre::{WrapErr, ensure};
use jsonrpsee::http_client::HttpClient;
use peruri_rpc_api::IbftApiClient;
use serde_json::json;

/// Compute the entry of the genesis file that gives the chain to the remaining validators.
///
/// When so many validators are lost for good that the rest is no quorum, no vote can remove them. Then
/// all remaining operators add the same entry to `config.transitions.ibft2` and restart: from the block
/// after the head on, the validators are those that it names. This command asks all of their nodes for
/// their heads, refuses unless they have the very same one, and prints the entry.
///
/// Stop all nodes before you add it, and be certain that the lost validators stay away: two sets of
/// validators make two chains.
///
/// Example: peruri-node consensus override --keep 0xfe3b… --keep 0x6273… --node http://10.0.0.1:8545 --node http://10.0.0.2:8545
#[derive(Debug, Args)]
pub(crate) struct OverrideCommand {
    /// A remaining validator; repeatable
    #[arg(long, value_name = "ADDRESS", required = true)]
    keep: Vec<Address>,
    /// RPC of a remaining node, with the namespace ibft; repeatable, all of them
    #[arg(long, value_name = "URL", required = true)]
    node: Vec<String>,
}

impl OverrideCommand {
    pub(super) fn run(mut self, data: DataArgs) -> eyre::Result<()> {
        self.keep.sort_unstable();
        self.keep.dedup();
        let clients = self
            .node
            .iter()
            .map(|url| ClientArgs::at(url.clone()).connect(data.clone()))
            .collect::<eyre::Result<Vec<_>>>()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (number, hash, former) = runtime.block_on(common_head(&clients))?;
        if let Some(stranger) = self.keep.iter().find(|it| !former.contains(it)) {
            let message = format!("--keep: {stranger:#x} is no validator of block {number}");
            return Err(UsageError::new(message).into());
        }
        let needed = peruri_ibft2::quorum(former.len());
        eprintln!("all {} nodes end at block {number} {hash}", clients.len());
        if self.keep.len() >= needed {
            eprintln!(
                "warning: {} of {} validators are a quorum: votes (`validator propose --remove`) suffice",
                self.keep.len(),
                former.len()
            );
        }
        let entry = json!({ "block": number.saturating_add(1), "validators": self.keep });
        println!("{}", serde_json::to_string_pretty(&entry)?);
        eprintln!(
            "add it to config.transitions.ibft2 of every node's genesis file, then start all nodes"
        );
        Ok(())
    }
}

/// The head of all nodes, and its validators.
async fn common_head(clients: &[(String, HttpClient)]) -> eyre::Result<(u64, B256, Vec<Address>)> {
    let mut heads = Vec::new();
    for (url, client) in clients {
        let head =
            client.commit_certificate(json!("latest")).await.wrap_err_with(|| url.clone())?;
        let head = head.ok_or_else(|| eyre::eyre!("{url} has no block"))?;
        heads.push((url, head));
    }
    let Some((_, first)) = heads.first() else {
        return Err(UsageError::new("give --node for every remaining node").into());
    };
    for (url, head) in &heads {
        ensure!(
            head.block_hash == first.block_hash,
            "{url} ends at block {} {}, {} ends at block {} {}: let them catch up first",
            head.block_number,
            head.block_hash,
            heads[0].0,
            first.block_number,
            first.block_hash
        );
    }
    Ok((first.block_number.to(), first.block_hash, first.validators.clone()))
}
