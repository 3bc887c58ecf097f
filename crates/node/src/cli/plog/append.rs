//! `plog append`.

use super::{
    entry::{self, EntryArgs},
    log_id,
};
use crate::cli::{
    exit::UsageError,
    keys::{KeyFile, password},
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolCall;
use clap::Args;
use eyre::{WrapErr, ensure, eyre};
use jsonrpsee::http_client::HttpClient;
use peruri_evm::plog::abi::IPlog;
use peruri_plog::{ENTRY_LEN, PLOG_ADDRESS};
use peruri_rpc_api::{EthApiClient, PlogApiClient};
use serde_json::json;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// How long the transaction may take to be in a block.
const LIMIT: Duration = Duration::from_secs(60);
/// How often the node is asked for its receipt: HTTP has no notifications.
const POLL: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
pub(super) struct AppendArgs {
    /// The log
    #[arg(value_parser = log_id)]
    log: B256,
    /// Entries in hex, 140 bytes each
    #[arg(value_name = "ENTRY", value_parser = entry::parse, conflicts_with = "kind", required_unless_present = "kind")]
    entries: Vec<[u8; ENTRY_LEN]>,
    /// Number of the source
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    source: u32,
    /// Key file of the source
    #[arg(long, value_name = "FILE")]
    source_key: PathBuf,
    /// File with the password of an encrypted key [default: asked for]
    #[arg(long, value_name = "FILE")]
    source_password_file: Option<PathBuf>,
    #[command(flatten)]
    new: EntryArgs,
}

pub(super) async fn append(args: AppendArgs, client: &HttpClient) -> eyre::Result<()> {
    let ask = || password(args.source_password_file.as_deref(), "Password of the source's key: ");
    let key = KeyFile::read(&args.source_key)?.open(ask)?;
    let source = client.get_source(json!(args.source)).await?;
    if source.signer != key.address() {
        return Err(UsageError::new(format!(
            "--source-key is the key of {:#x}; source {} is {:#x}",
            key.address(),
            args.source,
            source.signer
        ))
        .into());
    }
    let first_seq = source.next_seq;
    let entries = match args.new.make(args.source, first_seq)? {
        Some(new) => {
            // Before anything is sent: what is lost now is lost.
            println!("salt          {:#x}", new.salt);
            println!("commitment    {:#x}", new.entry.commitment);
            vec![new.entry.encode()]
        }
        None => args.entries,
    };
    entry::check(&entries, args.source, first_seq)?;
    let call = IPlog::appendCall {
        logId: args.log,
        sourceId: args.source,
        firstSeq: first_seq,
        entries: entries.concat().into(),
    };
    let hash = send(client, &key, call.abi_encode().into()).await?;
    println!("transaction   {hash:#x}");
    let block = wait(client, hash).await?;
    println!("block         {block}");
    let filter = json!({"sourceId": args.source, "seq": first_seq});
    let found = client.find_entry(filter).await?;
    let first = found.first().ok_or_else(|| eyre!("the entry is not in the node's index"))?;
    println!("index         {}", first.index);
    println!("entries       {}", entries.len());
    Ok(())
}

/// Signs a call of the log and sends it.
async fn send(client: &HttpClient, key: &PrivateKeySigner, input: Bytes) -> eyre::Result<B256> {
    let from = key.address();
    let request =
        TransactionRequest::default().from(from).to(PLOG_ADDRESS).input(input.clone().into());
    let gas =
        client.estimate_gas(request, None, None, None).await.wrap_err("the append is refused")?;
    let price: u128 = EthApiClient::gas_price(client).await?.saturating_to();
    let tip: u128 = client.max_priority_fee_per_gas().await?.saturating_to();
    let nonce = client.transaction_count(from, Some(BlockId::pending())).await?;
    let tx = TxEip1559 {
        chain_id: EthApiClient::chain_id(client).await?.to(),
        nonce: nonce.to(),
        gas_limit: gas.saturating_to(),
        // Twice the price of now: the base fee may rise until the block.
        max_fee_per_gas: price.saturating_mul(2),
        max_priority_fee_per_gas: tip.min(price),
        to: TxKind::Call(PLOG_ADDRESS),
        value: U256::ZERO,
        input,
        access_list: Default::default(),
    };
    let signature = key.sign_hash_sync(&tx.signature_hash())?;
    let signed = TxEnvelope::Eip1559(tx.into_signed(signature));
    Ok(client.send_raw_transaction(signed.encoded_2718().into()).await?)
}

/// Waits until the transaction is in a block and has succeeded; returns the block.
async fn wait(client: &HttpClient, hash: B256) -> eyre::Result<u64> {
    let since = Instant::now();
    while since.elapsed() < LIMIT {
        if let Some(receipt) = client.transaction_receipt(hash).await? {
            let receipt = receipt.decode()?;
            ensure!(receipt.status(), "the append was refused in its block: {hash:#x}");
            return receipt.block_number.ok_or_else(|| eyre!("a receipt without a block"));
        }
        tokio::time::sleep(POLL).await;
    }
    Err(eyre!("{hash:#x} is in no block after {} s; it may still come", LIMIT.as_secs()))
}
